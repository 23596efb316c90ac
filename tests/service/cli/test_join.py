from pathlib import Path

import pytest

from tests.service.cli.commands import Dragoman, assert_one_sentence

ROWS = "".join(f"Satz {letter}.\tSentence {letter}.\n" for letter in "abcdef")


def test_pairs_of_a_text_become_longer_ones_to_train_on_and_the_same_seed_draws_the_same(
    dragoman: Dragoman, tmp_path: Path
) -> None:
    file, out, again, other = (tmp_path / name for name in ("train.tsv", "out.tsv", "again.tsv", "other.tsv"))
    file.write_text(ROWS + "Oh!\tOh!\n")
    ended = dragoman("join", file, out, "--from", "de", "--to", "en", "--pairs", "2")
    assert (ended.status, ended.out, ended.err) == (0, "", f"{out}: 2 pairs\n")
    for line in out.read_text().splitlines():
        german, english = line.split("\t")
        assert (german.count("atz"), english.count("entence")) == (2, 2)
    for made, seed in ((again, "0"), (other, "1")):
        dragoman("join", file, made, "--from", "de", "--to", "en", "--pairs", "2", "--seed", seed)
    assert again.read_text() == out.read_text()
    assert other.read_text() != out.read_text()


@pytest.mark.parametrize(
    ("file", "out", "target", "message"),
    [
        ("nowhere.tsv", "out.tsv", "en", "nowhere.tsv: No such file"),
        ("one.tsv", "out.tsv", "en", "one.tsv: no two rows are one plain sentence each"),
        ("column.tsv", "out.tsv", "en", "column.tsv, line 1: no tab"),
        ("one.tsv", "out.tsv", "it", "it: no words to join its sentences with"),
        ("one.tsv", "out.tsv.gz", "en", "out.tsv.gz: is written plainly"),
        ("one.tsv", "one.tsv", "en", "one.tsv exists"),
        ("one.tsv", "nowhere/out.tsv", "en", "nowhere: No such folder"),
    ],
)
def test_what_cannot_be_joined_is_explained(
    file: str, out: str, target: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "one.tsv").write_text("Er ging.\tHe went.\n")
    (tmp_path / "column.tsv").write_text("Er ging.\n")
    ended = dragoman("join", tmp_path / file, tmp_path / out, "--from", "de", "--to", target)
    assert_one_sentence(ended, message)
