from pathlib import Path

import pytest

from tests.service.cli.commands import Dragoman, assert_one_sentence


def test_a_table_becomes_pairs_to_train_on_and_the_same_seed_draws_the_same(dragoman: Dragoman, tmp_path: Path) -> None:
    table, out, again, other = (tmp_path / name for name in ("table.tsv", "out.tsv", "again.tsv", "other.tsv"))
    table.write_text("de\ten\nHallo\tHello\nSeite {number}\tPage {number}\n")
    ended = dragoman("phrases", table, out, "--from", "en", "--to", "de", "--copies", "3")
    assert (ended.status, ended.out, ended.err) == (0, "", f"{out}: 6 pairs, of 2 phrases\n")
    assert out.read_text().splitlines()[:3] == ["Hello\tHallo"] * 3
    for file, seed in ((again, "0"), (other, "1")):
        dragoman("phrases", table, file, "--from", "en", "--to", "de", "--copies", "3", "--seed", seed)
    assert again.read_text() == out.read_text()
    assert other.read_text() != out.read_text()


@pytest.mark.parametrize(
    ("file", "out", "message"),
    [
        ("nowhere.tsv", "out.tsv", "nowhere.tsv: No such file"),
        ("table.tsv", "out.tsv", "table.tsv: no column en; the first line has de, fr"),
        ("table.tsv", "out.tsv.xz", "out.tsv.xz: is written plainly"),
        ("table.tsv", "table.tsv", "table.tsv exists"),
        ("table.tsv", "nowhere/out.tsv", "nowhere: No such folder"),
        ("empty.tsv", "out.tsv", "empty.tsv: no row has both de and en"),
    ],
)
def test_what_cannot_be_filled_is_explained(
    file: str, out: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "table.tsv").write_text("de\tfr\nJa\tOui\n")
    (tmp_path / "empty.tsv").write_text("de\ten\nJa\t\n")
    assert_one_sentence(dragoman("phrases", tmp_path / file, tmp_path / out, "--from", "de", "--to", "en"), message)
