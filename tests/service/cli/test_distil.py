from pathlib import Path

import pytest

from tests import reversal
from tests.reversal import Trained
from tests.service.cli.commands import Dragoman


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
