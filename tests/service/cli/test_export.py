from pathlib import Path

import pytest

from model.bundle import MANIFEST, Score, load_manifest, write_description
from tests import reversal
from tests.reversal import Trained
from tests.service.cli.commands import Dragoman, assert_one_sentence, translate


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
