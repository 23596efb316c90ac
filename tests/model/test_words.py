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
def test_a_token_is_a_run_of_letters_a_chinese_character_or_a_sign(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
    assert words(text) == [token for token in expected if token.isalnum()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("हिन्दी, தமிழ்!", ["हिन्दी", "தமிழ்"]),
        ("ශ්\u200dරී ලංකා", ["ශ්\u200dරී", "ලංකා"]),
        ("می\u200cخواهم مُحَمَّد", ["می\u200cخواهم", "مُحَمَّد"]),
        ("u\u0308ber cafe\u0301s", ["u\u0308ber", "cafe\u0301s"]),
        ("か\u3099く葛\U000e0100", ["か\u3099", "く", "葛\U000e0100"]),
        ("\U0001e922\U0001e944\U0001e923 1", ["\U0001e922\U0001e944\U0001e923", "1"]),
    ],
    ids=["Indic", "joiner", "Arabic", "decomposed Latin", "Japanese and Chinese", "beyond 16 bits"],
)
def test_combining_marks_belong_to_the_word_they_stand_in(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_a_mark_that_stands_on_a_sign_or_on_nothing_is_no_word() -> None:
    assert tokens("☀\ufe0f \u0301a") == ["☀\ufe0f", "\u0301", "a"]
    assert words("☀\ufe0f \u0301a") == ["a"]
