import pytest

from model.words import tokens, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Don't go, Tom!", ["Don", "'", "t", "go", ",", "Tom", "!"]),
        ("我爱Python 3。", ["我", "爱", "Python", "3", "。"]),
        ("Ünïcode\tund 1,5 €", ["Ünïcode", "und", "1", ",", "5", "€"]),
    ],
)
def test_a_token_is_a_run_of_letters_a_chinese_character_or_a_mark(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
    assert words(text) == [token for token in expected if token.isalnum()]
