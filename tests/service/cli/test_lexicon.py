from pathlib import Path

import pytest

from tests.service.cli.commands import Dragoman, assert_one_sentence

ROWS = 5 * ["der Hund\tthe dog", "der rote Hund\tthe red dog", "rote Hunde\tred dogs", "der Mond\tthe moon"]


def test_the_words_of_a_text_become_text_to_train_on_in_each_direction(dragoman: Dragoman, tmp_path: Path) -> None:
    file, out, back = (tmp_path / name for name in ("train.tsv", "out.tsv", "back.tsv"))
    file.write_text("\n".join(ROWS))
    ended = dragoman("lexicon", file, out)
    assert (ended.status, ended.out, ended.err) == (0, "", f"{out}: 5 words, from the first 20 pairs\n")
    words = ["der\tthe", "Der\tThe", "rote\tred", "Rote\tRed", "Hund\tdog", "Mond\tmoon", "Hunde\tdogs"]
    assert sorted(out.read_text().splitlines()) == sorted(words)
    assert dragoman("lexicon", file, back, "--reverse").status == 0
    assert "moon\tMond\nMoon\tMond\n" in back.read_text()


@pytest.mark.parametrize(
    ("file", "out", "message"),
    [
        ("nowhere.tsv", "out.tsv", "nowhere.tsv: No such file"),
        ("one.tsv", "out.tsv", "one.tsv, line 1: no tab"),
        ("digits.tsv", "out.tsv", "digits.tsv: no word has a translation of its own"),
        ("digits.tsv", "out.tsv.xz", "out.tsv.xz: is written plainly"),
        ("digits.tsv", "one.tsv", "one.tsv exists"),
    ],
)
def test_what_has_no_lexicon_is_explained(
    file: str, out: str, message: str, dragoman: Dragoman, tmp_path: Path
) -> None:
    (tmp_path / "one.tsv").write_text("Hund\n")
    (tmp_path / "digits.tsv").write_text("1\t2\n")
    assert_one_sentence(dragoman("lexicon", tmp_path / file, tmp_path / out), message)
