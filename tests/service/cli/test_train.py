import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from model.checkpoint import load_checkpoint
from model.optimization import Optimization, Update
from tests.service.cli.commands import RECIPE, Dragoman, assert_one_sentence, translate


def test_training_leaves_a_checkpoint_that_exports_and_translates(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = dragoman("train", recipe, "--data", tiny_corpora)
    assert (trained.status, trained.out) == (0, "")
    assert trained.err.startswith(f"reading {tiny_corpora}\n400 pairs; dropped: none\nstep 3/3  loss ")
    assert re.search(r"^step 3/3 .* on dev: translate:de:en \d+\.\d\d", trained.err, re.MULTILINE)
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
        ("hidden_size", "hiden_size", "network.hiden_size: is unknown"),
        ("[training]", "[trainig]", "trainig: is unknown"),
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
