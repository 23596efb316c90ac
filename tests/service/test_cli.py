import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from model.bundle import CARD, MANIFEST, Score, load_bundle, load_manifest, write_description
from model.checkpoint import load_checkpoint
from model.optimization import Optimization, Update
from model.recipe import load_recipe
from service import cli, cli_training, server
from service.settings import Settings
from tests import reversal
from tests.keys import KeyPair
from tests.reversal import Trained
from tests.service.fakes import PATIENCE_SECONDS

RECIPE = """
name = "tiny"

[[corpus]]
name = "translate"
train = ["train.translate.tsv"]
dev = "dev.translate.tsv"
columns = ["de", "en"]
tasks = ["translate:de:en"]

[[corpus]]
name = "summarize"
train = ["train.summarize.tsv"]
dev = "dev.summarize.tsv"
columns = ["en", "en"]
tasks = ["summarize:en"]

[tokenizer]
vocabulary_size = 300

[network]
embedding_size = 8
hidden_size = 8
encoder_layers = 1

[training]
steps = {steps}
batch_pieces = 300
warmup_steps = 1
decay_steps = 1
bf16 = false
validation_pairs = 2
"""


COMMANDS = ("serve", "translate", "train", "evaluate", "export", "average", "distil", "tune", "bench")


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Dragoman = Callable[..., Ended]


@pytest.fixture
def dragoman(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> Dragoman:
    """Return what runs a command in this process, with bytes for a file that is its standard input.

    Networks are served in one type, as each command would try for itself which is fastest.
    """
    monkeypatch.setenv("DRAGOMAN_DTYPE", "float32")
    monkeypatch.setattr(cli_training, "keep_freed_memory", lambda: None)  # which nothing takes back

    def run(*arguments: object, stdin: bytes = b"") -> Ended:
        file = tmp_path_factory.mktemp("stdin") / "stdin"
        file.write_bytes(stdin)
        with file.open() as opened, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", opened)
            with pytest.raises(SystemExit) as ended:
                cli.app(list(map(str, arguments)))
        return Ended(ended.value.code or 0, *capfd.readouterr())

    return run


def assert_one_sentence(ended: Ended, message: str) -> None:
    assert ended.status == 1
    assert ended.out == ""
    *before, sentence = ended.err.splitlines()
    assert sentence.startswith("dragoman: ")
    assert message in sentence
    assert [line for line in before if not line.startswith("reading ")] == []


def test_help_names_the_commands(dragoman: Dragoman) -> None:
    ended = dragoman("--help")
    assert ended.status == 0
    assert all(command in ended.out for command in COMMANDS)


# translate


def translate(dragoman: Dragoman, models: Path, stdin: bytes, source: str = "de", target: str = "en") -> Ended:
    return dragoman("translate", "--from", source, "--to", target, "--models", models, stdin=stdin)


def test_a_line_is_written_for_each_line_read_and_blank_ones_are_kept(
    dragoman: Dragoman, reversal_models: Path
) -> None:
    sentences = reversal.random_sentences(6, seed=3)
    alone = {s: translate(dragoman, reversal_models, s.encode()).out.removesuffix("\n") for s in sentences}
    lines = ["", *sentences[:3], "", "", "42 😀", *sentences[3:], "  "]
    ended = translate(dragoman, reversal_models, "".join(f"{line}\n" for line in lines).encode())
    assert ended == (0, "".join(f"{alone.get(line, line)}\n" for line in lines), "")


@pytest.mark.parametrize(
    ("stdin", "out"),
    [
        (b"", b""),
        (b"\n", b"\n"),
        (b"1\r\n2", b"1\n2\n"),
        (b"1\n\r\n", b"1\n\n"),
        ("1\u20282\x0b3\x0c4\r5\x006\n".encode(), "1\u20282\x0b3\x0c4\r5\x006\n".encode()),
    ],
)
def test_lines_end_where_a_line_feed_does(stdin: bytes, out: bytes, dragoman: Dragoman, reversal_models: Path) -> None:
    ended = translate(dragoman, reversal_models, stdin)
    assert (ended.status, ended.out.encode()) == (0, out)


def test_languages_may_be_written_in_capitals(dragoman: Dragoman, reversal_models: Path) -> None:
    assert translate(dragoman, reversal_models, b"1\n", "DE", "En") == (0, "1\n", "")


def test_lines_are_translated_alike_however_many_go_together(
    dragoman: Dragoman, reversal_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = "\n".join(reversal.random_sentences(7, seed=4)).encode()
    together = translate(dragoman, reversal_models, stdin)
    monkeypatch.setattr(cli, "TEXTS_AT_ONCE", 3)
    assert translate(dragoman, reversal_models, stdin) == together
    assert len(together.out.splitlines()) == 7


@pytest.mark.parametrize("stdin", [b"", b"Apfel\n"])
@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("en", "de", "Translation from en to de is not supported"),
        ("fr", "xx", "Translation from fr to xx is not supported"),
        ("de", "de", "translate:de:de is not a task"),
        ("D_", "en", "translate:d_:en is not a task"),
    ],
)
def test_a_pair_that_no_bundle_translates_is_refused_before_anything_is_read(
    source: str, target: str, message: str, stdin: bytes, dragoman: Dragoman, reversal_models: Path
) -> None:
    assert_one_sentence(translate(dragoman, reversal_models, stdin, source, target), message)


def test_a_line_that_is_no_text_is_named(dragoman: Dragoman, reversal_models: Path) -> None:
    ended = translate(dragoman, reversal_models, b"Apfel\n\xff\xfe\n")
    assert_one_sentence(ended, "standard input, line 2: is not UTF-8")


def test_a_bundle_that_cannot_be_used_is_told_and_the_others_translate(
    dragoman: Dragoman, reversal_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(reversal_models / "reversal", tmp_path / "good")
    (tmp_path / "broken").mkdir()
    ended = translate(dragoman, tmp_path, b"1\n")
    assert ended == (0, "1\n", "dragoman: broken: bundle.json is missing\n")


def test_without_any_bundle_it_says_where_it_looked(dragoman: Dragoman, tmp_path: Path) -> None:
    ended = translate(dragoman, tmp_path / "nowhere", b"1\n")
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.splitlines() == [
        "dragoman: nowhere: there is no such folder",
        "dragoman: Translation from de to en is not supported",
    ]


COMMAND = [str(Path(sysconfig.get_path("scripts")) / "dragoman"), "translate", "--from", "de", "--to", "en", "--models"]


def test_a_bar_shows_the_progress_on_a_terminal(reversal_models: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("1\n\n2\n")
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "DRAGOMAN_THREADS": "1", "DRAGOMAN_DEVICE": "cpu"}
    with (
        text.open() as stdin,
        subprocess.Popen(
            [*COMMAND, str(reversal_models)], stdin=stdin, stdout=subprocess.PIPE, stderr=theirs, env=environment
        ) as process,
    ):
        os.close(theirs)
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    shown = b""
    with contextlib.suppress(OSError):  # what Linux says at a terminal's end
        while part := os.read(ours, 10_000):
            shown += part
    os.close(ours)
    assert (process.returncode, out) == (0, b"1\n\n2\n")
    assert b"translating" in shown
    assert b"100%" in shown


def test_a_reader_that_leaves_ends_it_without_a_word(reversal_models: Path, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("1\n")
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, "DRAGOMAN_THREADS": "1", "DRAGOMAN_DEVICE": "cpu"}
    with text.open() as stdin:
        ended = subprocess.run(
            [*COMMAND, str(reversal_models)],
            stdin=stdin,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE_SECONDS,
            env=environment,
            check=False,
        )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (1, b"")


# serve


def test_serving_takes_its_options_before_the_environment(
    dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    monkeypatch.setenv("DRAGOMAN_PORT", "1")
    monkeypatch.setenv("DRAGOMAN_CHAR_LIMIT", "2")
    assert dragoman("serve", "--models", tmp_path, "--port", "3").status == 0
    (settings,) = served
    assert (settings.models, settings.host, settings.port, settings.char_limit) == (tmp_path, "127.0.0.1", 3, 2)


def test_a_port_in_use_is_a_sentence(dragoman: Dragoman, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = dragoman("serve", "--models", tmp_path, "--port", port)
    assert_one_sentence(ended, f"cannot listen on 127.0.0.1:{port}: Address already in use")


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["serve", "--port", "65536"], None),
        (["serve"], "x"),
        (["translate", "--from", "de", "--to", "en"], "x"),
        (["train", "recipe.toml", "--data", "."], "x"),
        (["evaluate", "bundle", "file.de-en.tsv"], "x"),
    ],
)
def test_a_wrong_setting_is_named(
    arguments: list[str], variable: str | None, dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv("DRAGOMAN_PORT", variable)
    assert_one_sentence(dragoman(*arguments), "DRAGOMAN_PORT: ")


# train


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(steps=3))
    return path


def test_training_leaves_a_checkpoint_that_exports_and_translates(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = dragoman("train", recipe, "--data", tiny_corpora)
    assert (trained.status, trained.out) == (0, "")
    assert trained.err.startswith(f"reading {tiny_corpora}\n400 pairs; dropped: {{}}\nstep 3/3  loss ")
    assert "best checkpoint: runs/tiny/best.pt" in trained.err
    assert "\x1b" not in trained.err  # a bar is for terminals
    kept = {"best.pt", "last.pt", "log.csv", "curves.png", "cache"}
    assert {file.name for file in (tmp_path / "runs/tiny").iterdir()} == kept
    assert dragoman("export", "runs/tiny/best.pt", "models/tiny").status == 0
    assert translate(dragoman, tmp_path / "models", b"1\nApfel\n").status == 0


def test_training_goes_on_where_it_stopped_only_when_told_to(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path
) -> None:
    arguments = ["train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run"]
    assert_one_sentence(dragoman(*arguments, "--resume"), "nothing to resume")
    assert dragoman(*arguments).status == 0
    assert_one_sentence(dragoman(*arguments), "go on with --resume")
    recipe.write_text(RECIPE.format(steps=5))
    assert "step 5/5 " in dragoman(*arguments, "--resume").err
    assert load_checkpoint(tmp_path / "run/last.pt").training_state["step"] == 5


def test_a_training_that_is_told_to_stop_saves_and_says_how_it_goes_on(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Optimization.update

    def update_and_signal(*arguments: Any) -> Update:
        os.kill(os.getpid(), signal.SIGTERM)
        return update(*arguments)

    arguments = ["train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run"]
    with monkeypatch.context() as patched:
        patched.setattr(Optimization, "update", update_and_signal)
        stopped = dragoman(*arguments)
    assert stopped.status == 143
    assert f"stopped at step 1, saved in {tmp_path / 'run/last.pt'}: go on with --resume" in stopped.err
    assert "step 3/3 " in dragoman(*arguments, "--resume").err


def test_a_training_that_ended_says_so_and_names_no_checkpoint_that_is_not_there(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path
) -> None:
    arguments = ["train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run"]
    assert "nothing is left" not in dragoman(*arguments).err
    before = (tmp_path / "run/last.pt").read_bytes()
    again = dragoman(*arguments, "--resume")
    assert (again.status, again.out) == (0, "")
    assert "nothing is left to do: the training ended at step 3\n" in again.err
    assert f"best checkpoint: {tmp_path / 'run/best.pt'}\n" in again.err
    (tmp_path / "run/best.pt").unlink()
    again = dragoman(*arguments, "--resume")
    assert again.status == 0
    assert "best" not in again.err
    assert (tmp_path / "run/last.pt").read_bytes() == before


def test_a_training_starts_from_a_bundle(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ["train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run", "--start"]
    started = dragoman(*arguments, tiny_bundle)
    assert started.status == 0
    assert re.search(
        rf"started from {tiny_bundle}: (\S+) of \1 weights and 300 of 300 pieces, with its tokenizer\n", started.err
    )
    assert_one_sentence(dragoman(*arguments, tiny_bundle, "--resume"), "goes on from one or starts from the other")


def test_of_several_processes_the_first_speaks(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    silent = dragoman("train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run")
    assert silent == (0, "", "")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size", "hiden_size", "network.hiden_size: Extra inputs are not permitted"),
        ("[training]", "[trainig]", "trainig: Extra inputs are not permitted"),
        ("hidden_size = 8", "hidden_size = 7", "network.hidden_size: Input should be a multiple of 2"),
        ("hidden_size = 8", "hidden_size = 'x'", "network.hidden_size: Input should be a valid integer"),
        ("steps = 3", "steps = 1", "training: warmup_steps and decay_steps together exceed steps"),
        ("translate:de:en", "translate:de", "a translation has two languages"),
        ('name = "tiny"', "name = ", "not TOML"),
        ("train.translate.tsv", "nowhere.tsv", "nowhere.tsv: No such file or directory"),
        ("size = 300", "size = 30000", "vocabulary_size 30000"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_explained(
    old: str, new: str, message: str, dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path
) -> None:
    recipe.write_text(recipe.read_text().replace(old, new, 1))
    assert_one_sentence(dragoman("train", recipe, "--data", tiny_corpora, "--run", tmp_path / "run"), message)


# tune


@pytest.fixture
def tunable(recipe: Path) -> Path:
    with recipe.open("a") as file:
        file.write('[tune]\n"training.learning_rate" = {low = 1e-4, high = 1e-2, log = true}\n')
    return recipe


def test_a_search_is_stopped_goes_on_and_ends_in_a_table_and_a_recipe_to_train_by(
    dragoman: Dragoman, tunable: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Optimization.update

    def update_and_signal(*arguments: Any) -> Update:
        os.kill(os.getpid(), signal.SIGTERM)
        return update(*arguments)

    monkeypatch.chdir(tmp_path)
    arguments = ["tune", tunable, "--data", tiny_corpora, "--trials", 2]
    with monkeypatch.context() as patched:
        patched.setattr(Optimization, "update", update_and_signal)
        stopped = dragoman(*arguments)
    assert stopped.status == 143
    assert "stopped after 0 trials, saved in runs/tiny-tune: go on with --resume" in stopped.err
    ended = dragoman(*arguments, "--resume")
    assert ended.status == 0
    assert "training.learning_rate" in ended.out
    assert len(re.findall("finished", ended.out)) == 2
    assert re.search(r"best: trial [01], as runs/tiny-tune/best.toml", ended.err)
    assert (tmp_path / "runs/tiny-tune/trials.png").exists()
    best = load_recipe(tmp_path / "runs/tiny-tune/best.toml")
    assert f"{best.training.learning_rate:.4g}" in ended.out


def test_a_search_that_cannot_be_made_is_explained(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["tune", recipe, "--data", tiny_corpora, "--trials", 1, "--run", tmp_path / "run"]
    assert_one_sentence(dragoman(*arguments), "has no table [tune]")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert_one_sentence(dragoman(*arguments), "without torchrun")


# export


def test_an_export_can_be_replaced_only_when_told_to(
    dragoman: Dragoman, trained_reversal: Trained, tmp_path: Path
) -> None:
    bundle = tmp_path / "models" / "reversal"
    arguments = ["export", trained_reversal.checkpoint, bundle, "--version"]
    ended = dragoman(*arguments, "1")
    megabytes = sum(file.stat().st_size for file in bundle.iterdir()) / 1e6
    said = f"{bundle}: reversal 1, translate:de:en, summarize:en, {megabytes:.1f} MB\n"
    assert ended == (0, "", said)
    assert_one_sentence(dragoman(*arguments, "2"), "exists: name another folder, or say --replace")
    assert load_manifest(bundle).version == "1"
    assert dragoman(*arguments, "2", "--replace").status == 0
    assert load_manifest(bundle).version == "2"
    assert [path.name for path in bundle.parent.iterdir()] == ["reversal"]


def test_an_export_says_that_scores_of_the_bundle_it_replaces_are_gone(
    dragoman: Dragoman, tiny_bundle: Path, tiny_checkpoint: Path
) -> None:
    arguments = ["export", tiny_checkpoint, tiny_bundle, "--replace"]
    score = Score(task=reversal.TRANSLATE, test="folder/test.de-en.tsv", pairs=1, dtype="float32", values={"BLEU": 1.0})
    write_description(tiny_bundle, load_manifest(tiny_bundle).model_copy(update={"scores": (score,)}))
    said = "; scores of the bundle that it replaces are gone: dragoman evaluate --save writes them anew\n"
    assert dragoman(*arguments).err.endswith(f" MB{said}")
    assert dragoman(*arguments).err.endswith(" MB\n")
    (tiny_bundle / MANIFEST).write_text("damaged")
    assert dragoman(*arguments).err.endswith(" MB\n")


def test_a_bundle_is_signed_and_served_where_signatures_are_asked_for(
    dragoman: Dragoman, tiny_bundle: Path, key_pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_BUNDLE_KEYS", str(key_pair.public))
    refused = translate(dragoman, tiny_bundle.parent, b"1\n")
    assert refused.status == 1
    assert "tiny: is not signed: bundle.json.sig is missing" in refused.err
    assert dragoman("sign", tiny_bundle, "--key", key_pair.private) == (0, "", "")
    assert translate(dragoman, tiny_bundle.parent, b"1\n").status == 0


def test_what_cannot_be_signed_is_named(dragoman: Dragoman, tiny_bundle: Path, key_pair: KeyPair) -> None:
    assert_one_sentence(dragoman("sign", tiny_bundle, "--key", key_pair.public), "holds no private key in PEM")
    (tiny_bundle / MANIFEST).unlink()
    assert_one_sentence(dragoman("sign", tiny_bundle, "--key", key_pair.private), "bundle.json is missing")


@pytest.mark.parametrize(
    ("content", "message"), [(None, "No such file"), (b"", "not a checkpoint"), (b"nonsense", "not a checkpoint")]
)
def test_what_is_no_checkpoint_is_not_exported(
    content: bytes | None, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "best.pt").write_bytes(content)
    assert_one_sentence(dragoman("export", tmp_path / "best.pt", tmp_path / "bundle"), message)
    assert not (tmp_path / "bundle").exists()


def test_several_checkpoints_are_exported_as_one_bundle_that_translates(
    dragoman: Dragoman, trained_reversal: Trained, tmp_path: Path
) -> None:
    best, last, models = trained_reversal.checkpoint, trained_reversal.run / "last.pt", tmp_path / "models"
    assert dragoman("export", best, last, models / "both").status == 0
    assert len(load_manifest(models / "both").networks) == 2
    sentences = "Kiwi Apfel Mandel\nBirne.\n"
    assert translate(dragoman, models, sentences.encode()).out == "Mandel Apfel Kiwi\nBirne.\n"


def test_checkpoints_that_do_not_fit_together_are_not_exported(
    dragoman: Dragoman, trained_reversal: Trained, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    ended = dragoman("export", trained_reversal.checkpoint, tiny_checkpoint, tmp_path / "bundle")
    assert_one_sentence(ended, f"{tiny_checkpoint}: has another tokenizer than {trained_reversal.checkpoint}")
    assert not (tmp_path / "bundle").exists()


# average


def test_an_average_can_be_exported_and_never_overwrites_a_checkpoint(
    dragoman: Dragoman, trained_reversal: Trained, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    best, last, mean = trained_reversal.checkpoint, trained_reversal.run / "last.pt", tmp_path / "mean.pt"
    assert dragoman("average", best, last, mean) == (0, "", f"{mean}: the mean of 2 checkpoints\n")
    assert dragoman("export", mean, tmp_path / "bundle").status == 0
    assert_one_sentence(dragoman("average", best, last), f"{last} exists: name another file")
    message = f"{tiny_checkpoint}: was trained by another recipe than {best}"
    assert_one_sentence(dragoman("average", best, tiny_checkpoint, tmp_path / "other.pt"), message)
    assert not (tmp_path / "other.pt").exists()


@pytest.mark.parametrize("command", ["export", "average"])
def test_a_bundle_in_place_of_a_checkpoint_is_told_from_one(
    command: str, dragoman: Dragoman, tiny_bundle: Path, tmp_path: Path
) -> None:
    ended = dragoman(command, tiny_bundle, tmp_path / "out")
    assert_one_sentence(ended, f"{tiny_bundle}: is a folder, and a checkpoint is a file: name one")


# distil


def test_a_bundles_output_becomes_text_to_train_on(
    dragoman: Dragoman, trained_reversal: Trained, tmp_path: Path
) -> None:
    sentences = reversal.random_sentences(5, seed=5)
    file, out, back = (tmp_path / name for name in ("train.tsv", "out.tsv", "back.tsv"))
    file.write_text("".join(f"{sentence}\tx\n" for sentence in [*sentences, ""]))
    arguments = ["distil", trained_reversal.bundle, file]
    ended = dragoman(*arguments, out, "--task", "translate:de:en", "--beam-size", "1")
    assert (ended.status, ended.out) == (0, "")
    assert ended.err.splitlines() == ["0 lines", "5 lines", f"{out} is whole; sources left out: 1 empty"]
    assert out.read_text() == "".join(f"{s}\t{reversal.translation(s)}\n" for s in sentences)
    assert dragoman(*arguments, back, "--task", "translate:de:en", "--reverse").status == 0
    assert back.read_text() == "".join(f"{reversal.translation(s)}\t{s}\n" for s in sentences)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["out.tsv"], "--task has to be one of translate:de:en, summarize:en"),
        (["out.tsv", "--task", "translate:en:de"], "--task has to be one of translate:de:en, summarize:en"),
        (["out.tsv", "--task", "translate"], "translate is not a task"),
        (["out.tsv.xz", "--task", "translate:de:en"], "out.tsv.xz: is written line by line"),
        (["out.tsv", "--task", "translate:de:en"], "nowhere.tsv: No such file"),
    ],
)
def test_what_cannot_be_distilled_is_explained(
    arguments: list[str], message: str, dragoman: Dragoman, trained_reversal: Trained, tmp_path: Path
) -> None:
    out, *options = arguments
    ended = dragoman("distil", trained_reversal.bundle, tmp_path / "nowhere.tsv", tmp_path / out, *options)
    assert ended.status == 1
    assert message in ended.err.splitlines()[-1]


# evaluate


@pytest.fixture
def bundle(trained_reversal: Trained, tmp_path: Path) -> Path:
    """Return a bundle whose description a test may change."""
    return shutil.copytree(trained_reversal.bundle, tmp_path / "bundle")


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """Return a folder with a test file for each task, and one whose name tells none."""
    sentences = reversal.random_sentences(12, seed=9)
    for name, learn in [("test.de-en.tsv", reversal.translation), ("test.en.tsv", reversal.summary)]:
        (tmp_path / name).write_text("".join(f"{s}\t{learn(s)}\n" for s in sentences))
    (tmp_path / "test.txt").touch()
    return tmp_path


def test_scores_are_shown_as_a_table_with_whole_signatures(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    ended = dragoman("evaluate", bundle, tests / "test.de-en.tsv")
    assert (ended.status, ended.err) == (0, "")
    assert f"translate:de:en · {tests.name}/test.de-en.tsv · 12 pairs" in ended.out
    assert "reversal 1.0, float32" in ended.out
    for metric in ("BLEU", "chrF2", "accuracy"):
        assert re.search(rf"│ {metric} +│ +\d+\.\d ± \d+\.\d │ +\d+\.\d │", ended.out)
    *_, bleu, chrf, accuracy = ended.out.splitlines()
    assert accuracy == "accuracy|case:mixed"
    signatures = [bleu, chrf]
    assert [re.search(r"^nrefs:1\|case:mixed\|.*\|version:[\d.]+$", line) is not None for line in signatures] == [
        True
    ] * 2


def test_scores_can_be_had_as_json(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    translation, summary = (
        json.loads(dragoman("evaluate", bundle, tests / name, "--json").out)
        for name in ("test.de-en.tsv", "test.en.tsv")
    )
    assert [(s["task"], s["test"], s["pairs"]) for s in translation + summary] == [
        ("translate:de:en", f"{tests.name}/test.de-en.tsv", 12),
        ("summarize:en", f"{tests.name}/test.en.tsv", 12),
    ]
    assert translation[0]["values"]["BLEU"] > 80
    metrics = ("BLEU", "chrF2", "accuracy")
    assert translation[0]["values"].keys() == {*metrics, *(f"{metric} signature" for metric in metrics)}
    assert translation[0]["systems"][0]["scores"].keys() == set(metrics)
    assert len(translation[0]["systems"][0]["outputs"]) == len(translation[0]["sources"]) == 12
    assert summary[0]["values"]["ROUGE-1"] > 80
    numbers = {name for name, value in summary[0]["values"].items() if isinstance(value, float)}
    assert numbers == {"ROUGE-1", "ROUGE-2", "ROUGE-L", "token F1", "compression rate", "accuracy"}


def test_scores_are_of_the_type_that_the_bundle_is_served_in(
    dragoman: Dragoman, bundle: Path, tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_DTYPE", "int8")
    (score,) = json.loads(dragoman("evaluate", bundle, tests / "test.de-en.tsv", "--json").out)
    assert score["dtype"] == "int8"
    assert score["values"]["BLEU"] > 80


def test_a_page_is_written_and_another_bundle_is_compared_with(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    page = tests / "page.html"
    ended = dragoman("evaluate", bundle, tests / "test.en.tsv", "--html", page, "--against", bundle, "--lowercase")
    assert (ended.status, ended.err) == (0, "")
    assert re.search(r"│ ROUGE-L +│( +\d+\.\d ± \d+\.\d │){2} +\+0\.0 │ +– │", ended.out)
    assert "accuracy|case:lc" in ended.out
    assert page.read_text(encoding="utf-8").count("<details>") > 0


def test_saved_scores_stand_in_manifest_and_card_and_the_bundle_still_loads(
    dragoman: Dragoman, bundle: Path, tests: Path
) -> None:
    def save(name: str) -> list[tuple[str, str, int]]:
        assert dragoman("evaluate", bundle, tests / name, "--save").status == 0
        scores = load_bundle(bundle, torch.device("cpu"), "float32").manifest.scores
        return [(str(score.task), score.test.removeprefix(f"{tests.name}/"), score.pairs) for score in scores]

    assert save("test.en.tsv") == [("summarize:en", "test.en.tsv", 12)]
    with (tests / "test.en.tsv").open("a") as file:
        file.write("Apfel\tApfel\n")
    assert save("test.de-en.tsv") == [("summarize:en", "test.en.tsv", 12), ("translate:de:en", "test.de-en.tsv", 12)]
    # A score of the same task and file is replaced.
    assert save("test.en.tsv") == [("translate:de:en", "test.de-en.tsv", 12), ("summarize:en", "test.en.tsv", 13)]
    assert f"| summarize:en | {tests.name}/test.en.tsv | 13 | float32 | ROUGE-L | " in (bundle / CARD).read_text()


def test_scores_that_are_not_saved_leave_the_bundle_as_it_was(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}
    assert dragoman("evaluate", bundle, tests / "test.en.tsv").status == 0
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "test.en.tsv"], "nowhere: bundle.json is missing"),
        (["test.en.tsv", "test.en.tsv"], "test.en.tsv: is a file, and a bundle is a folder"),
        (["bundle", "nowhere.en.tsv"], "nowhere.en.tsv: there is no such file"),
        (["bundle", "nowhere.txt"], "nowhere.txt: there is no such file"),
        (["bundle", "test.txt"], "give --columns"),
        (["bundle", "test.en.tsv", "--columns", "zh-en"], "reversal has no task for zh-en: translate:de:en"),
        (["bundle", "test.en.tsv", "--task", "translate:de:en"], "translate:de:en does not fit: the columns are en"),
        (["bundle", "test.en.tsv", "--html", "nowhere/page.html"], "nowhere/page.html: there is no such folder"),
        (["bundle", "test.en.tsv", "--train", "nowhere.tsv"], "nowhere.tsv: No such file"),
        (["bundle", "test.en.tsv", "--task", "translate"], "translate is not a task; one looks like translate:de:en"),
    ],
)
def test_what_cannot_be_scored_is_explained(
    arguments: list[str], message: str, dragoman: Dragoman, bundle: Path, tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundle.parent == tests
    monkeypatch.chdir(tests)
    assert_one_sentence(dragoman("evaluate", *arguments), message)
