from pathlib import Path

import pytest

from tests.service.cli.commands import Dragoman, assert_one_sentence


def test_pairs_of_a_text_become_longer_ones_to_train_on(dragoman: Dragoman, tmp_path: Path) -> None:
    file, out = tmp_path / "train.tsv", tmp_path / "out.tsv"
    file.write_text("Er ging.\tHe went.\nSie blieb.\tShe stayed.\nOh!\tOh!\n")
    ended = dragoman("join", file, out, "--from", "de", "--to", "en", "--pairs", "5")
    assert (ended.status, ended.out, ended.err) == (0, "", f"{out}: 1 pairs\n")
    ((german, english),) = [line.split("\t") for line in out.read_text().splitlines()]
    assert "ie blieb" in german
    assert "he stayed" in english


@pytest.mark.parametrize(
    ("file", "out", "target", "message"),
    [
        ("nowhere.tsv", "out.tsv", "en", "nowhere.tsv: No such file"),
        ("one.tsv", "out.tsv", "en", "one.tsv: no two rows are one sentence each"),
        ("one.tsv", "out.tsv", "it", "it: no words to join its sentences with"),
        ("one.tsv", "out.tsv.gz", "en", "out.tsv.gz: is written plainly"),
        ("one.tsv", "one.tsv", "en", "one.tsv exists"),
    ],
)
def test_what_cannot_be_joined_is_explained(
    file: str, out: str, target: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "one.tsv").write_text("Er ging.\tHe went.\n")
    ended = dragoman("join", tmp_path / file, tmp_path / out, "--from", "de", "--to", target)
    assert_one_sentence(ended, message)
