from typing import Any

import pytest

from service.glossary import MAX_FORCED_PIECES, forced_pieces
from tests.service.fakes import CharacterTokenizer

TOKENIZER: Any = CharacterTokenizer()


def forced(sentence: str, glossary: dict[str, str], source: str = "de", target: str = "en") -> list[str]:
    found = forced_pieces(sentence, glossary, (source, target), TOKENIZER)
    return ["".join(map(chr, pieces)) for pieces in found]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Der Vertrag gilt.", ["deal"]),
        ("VERTRAG", ["deal"]),
        ("Der Vertrag und der Vertrag", ["deal", "deal"]),
        ("Vertragsbruch", []),
        ("Die Verträge", []),
        ("Der Kauf-Vertrag", ["deal"]),
        ("Der neue Vertrag", ["new deal"]),
        ("", []),
    ],
)
def test_each_whole_word_of_the_glossary_is_forced_the_longest_first(sentence: str, expected: list[str]) -> None:
    assert forced(sentence, {"Vertrag": "deal", "neue Vertrag": "new deal"}) == expected


def test_in_a_language_without_spaces_a_term_may_stand_anywhere() -> None:
    assert forced("我们的合同有效", {"合同": "contract"}, "zh", "en") == ["contract"]


def test_what_is_written_with_signs_of_patterns_is_text() -> None:
    assert forced("a+b (c)", {"a+b": "x", "(c)": "y"}) == ["x", "y"]


def test_no_more_is_forced_than_the_widest_beam_holds() -> None:
    glossary = {"a": "1" * MAX_FORCED_PIECES, "b": "2", "c": "3" * (MAX_FORCED_PIECES + 1), "d": "45"}
    assert forced("a b", glossary) == ["1" * MAX_FORCED_PIECES]
    assert forced("c b d", glossary) == ["2", "45"]


def test_without_a_glossary_nothing_is_forced() -> None:
    assert forced("Der Vertrag", {}) == []
