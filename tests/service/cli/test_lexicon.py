from pathlib import Path

import pytest

from tests.service.cli.commands import Dragoman, assert_one_sentence

ROWS = 5 * ["der Hund\tthe dog", "der rote Hund\tthe red dog", "rote Hunde\tred dogs", "der Mond\tthe moon"]


def test_the_words_of_a_text_become_text_to_train_on_in_each_direction(dragoman: Dragoman, tmp_path: Path) -> None:
    file, out, back = (tmp_path / name for name in ("train.tsv", "out.tsv", "back.tsv"))
    file.write_text("\n".join(ROWS))
    ended = dragoman("lexicon", file, out)
    assert (ended.status, ended.out, ended.err) == (0, "", f"{out}: 5 words, from the first 20 pairs\n")
    words = ["der the", "Der The", "rote red", "Rote Red", "Hund dog", "hund dog"]
    words += ["Mond moon", "mond moon", "Hunde dogs", "hunde dogs"]
    assert list(dict.fromkeys(out.read_text().replace("\t", " ").splitlines())) == words
    assert dragoman("lexicon", file, back, "--reverse").status == 0
    assert "moon\tMond\nMoon\tMond\n" in back.read_text()


def test_words_that_another_table_translates_are_left_out(dragoman: Dragoman, tmp_path: Path) -> None:
    file, phrases, out, back = (tmp_path / name for name in ("train.tsv", "phrases.tsv", "out.tsv", "back.tsv"))
    file.write_text("\n".join(ROWS))
    phrases.write_text("Hund\nder Mond\tthe moon\nDogs\n")
    ended = dragoman("lexicon", file, out, "--without", phrases)
    assert (ended.status, ended.err) == (0, f"{out}: 4 words, from the first 20 pairs\n")
    assert {line.split("\t")[0].lower() for line in out.read_text().splitlines()} == {"der", "rote", "hunde", "mond"}
    assert dragoman("lexicon", file, back, "--reverse", "--without", phrases).status == 0
    assert {line.split("\t")[0].lower() for line in back.read_text().splitlines()} == {"the", "red", "dog", "moon"}


@pytest.mark.parametrize(
    ("without", "message"),
    [("nowhere.tsv", "nowhere.tsv: No such file"), ("all.tsv", "all.tsv: has all words of")],
)
def test_a_table_that_leaves_no_word_is_explained(
    without: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "train.tsv").write_text("\n".join(ROWS))
    (tmp_path / "all.tsv").write_text("der\nrote\nhund\nhunde\nmond\n")
    ended = dragoman("lexicon", tmp_path / "train.tsv", tmp_path / "out.tsv", "--without", tmp_path / without)
    assert_one_sentence(ended, message)
    assert not (tmp_path / "out.tsv").exists()


@pytest.mark.parametrize(
    ("file", "out", "message"),
    [
        ("nowhere.tsv", "out.tsv", "nowhere.tsv: No such file"),
        ("one.tsv", "out.tsv", "one.tsv, line 1: no tab"),
        ("digits.tsv", "out.tsv", "digits.tsv: no word has a translation of its own"),
        ("digits.tsv", "out.tsv.xz", "out.tsv.xz: is written plainly"),
        ("digits.tsv", "one.tsv", "one.tsv exists"),
        ("digits.tsv", "nowhere/out.tsv", "nowhere: No such folder"),
    ],
)
def test_what_has_no_lexicon_is_explained(
    file: str, out: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "one.tsv").write_text("Hund\n")
    (tmp_path / "digits.tsv").write_text("1\t2\n")
    assert_one_sentence(dragoman("lexicon", tmp_path / file, tmp_path / out), message)
