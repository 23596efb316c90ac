import pytest

from service.typography import plain, restored, typography_of, without_invisible

ASCII = str.isascii


def anything(_: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("written", "language", "typed"),
    [
        ("„Ich liebe dich“, sagte er.", "de", '"Ich liebe dich", sagte er.'),
        ("»So«, sagte er, »ist es.«", "de", '"So", sagte er, "ist es."'),
        ("« Bonjour », dit-il.", "fr", '"Bonjour", dit-il.'),
        ("“I don’t know,” he said.", "en", '"I don\'t know," he said.'),
        ("‘Hi’", "en", "'Hi'"),
        ("I waited—for hours – and left.", "en", "I waited - for hours - and left."),
        ("– Bonjour.", "fr", "- Bonjour."),
        ("1990–2000, −5", "de", "1990-2000, -5"),
        ("Well… yes", "en", "Well... yes"),
        ("Ｈｅｌｌｏ，ｗｏｒｌｄ！１２：３０", "en", "Hello, world!12:30"),
        ("ﬁnd the oﬃce", "en", "find the office"),
        ("𝐁𝐨𝐥𝐝 Ⅷ", "en", "Bold VIII"),
    ],
)
def test_what_is_not_known_is_written_as_it_is_typed(written: str, language: str, typed: str) -> None:
    assert plain(written, language, ASCII) == typed


@pytest.mark.parametrize(
    ("part", "typed"),
    [("„Ich gehe.", '"Ich gehe.'), ("Du bleibst.“", 'Du bleibst."'), ("Er sagte: »Ja", 'Er sagte: "Ja')],
)
def test_a_quotation_may_go_on_in_another_sentence(part: str, typed: str) -> None:
    assert plain(part, "de", ASCII) == typed
    assert plain(typed, "de", ASCII) == typed


def test_french_marks_show_by_their_side_what_they_are() -> None:
    assert plain("« Viens ! dit-il", "fr", ASCII) == '"Viens ! dit-il'
    assert plain("Viens » dit-il", "fr", ASCII) == 'Viens" dit-il'


def test_what_is_known_stays_but_apostrophes() -> None:
    for text, language in [("„So – ja …“", "de"), ("« Oui »".replace(" ", ""), "fr"), ("“是”，他说：好……", "zh")]:
        assert plain(text, language, anything) == text
    assert plain("don’t", "en", anything) == "don't"
    assert plain("don’t", "en", lambda character: character != "'") == "don’t"


def test_chinese_has_its_own_quotation_marks_and_punctuation() -> None:
    assert plain("「是」，ＡＢ１２％", "zh", lambda c: c != "％") == "“是”，AB12%"


def test_narrow_kana_become_whole_ones() -> None:
    assert plain("ｶﾞｷﾞ", "ja", anything) == "ガギ"


@pytest.mark.parametrize(
    "hidden", [*"\0\x07\x7f\x9b\u00ad\u200b\u200e\u202e\u2066\u2060\ufeff\ufe0f\uffff\u200d\U000e0041"]
)
def test_what_shows_nothing_is_dropped(hidden: str) -> None:
    assert without_invisible(f"Zu{hidden}cker") == "Zucker"


def test_joiners_that_change_letters_and_stand_ins_stay() -> None:
    for text in ("می\u200cخواهم", "क्\u200dष", "a \U000f0000 b \U0010ffff \ue000", "a\tb\u00a0c"):
        assert without_invisible(text) == text


@pytest.mark.parametrize(
    ("source", "output", "language", "expected"),
    [
        ("„Ja“, sagte er.", '"Yes," he said.', "en", "“Yes,” he said."),
        ("“Yes,” he said.", '"Oui", dit-il.', "fr", "«\u00a0Oui\u00a0», dit-il."),
        ("“Yes,” he said.", '„Ja", sagte er.', "de", "„Ja“, sagte er."),
        ('"Yes," he said.', '„Ja", sagte er.', "de", "„Ja“, sagte er."),
        ('"Yes," he said.', '"Ja", sagte er.', "de", '"Ja", sagte er.'),
        ("“是”", '"Yes"', "en", "“Yes”"),
        ("Ich hab’s.", "I've got 'em.", "en", "I’ve got 'em."),
        ("Ich hab's.", "I've got 'em.", "en", "I've got 'em."),
        ("Er kam – spät.", "He came - late, well-known.", "en", "He came – late, well-known."),
        ("He came—late.", "Er kam - spät.", "de", "Er kam—spät."),
        ("— Oui.", "- Yes.", "en", "— Yes."),
        ("Na ja…", "Well...", "en", "Well…"),
        ("Well…", "好...", "zh", "好……"),
        ("Von 1990–2000", "From 1990-2000", "en", "From 1990–2000"),
        ("ＡＢＣ", "ABC", "zh", "ＡＢＣ"),
        ("ＡＢＣ", "ABC", "en", "ABC"),
        ("Nichts.", "- \"It's...", "en", "- \"It's..."),
    ],
)
def test_a_translation_has_the_typography_of_its_source(source: str, output: str, language: str, expected: str) -> None:
    assert restored(output, language, typography_of(source)) == expected


@pytest.mark.parametrize("hard", [" ", "1", "1–", "„", "– ", "»", "a’", "…", "Ａ", "ﾞ", "\u0301", "\u200d"])
def test_text_of_one_repeated_character_takes_no_quadratic_time(hard: str) -> None:
    text = hard * 50_001  # which in quadratic time would be minutes
    assert restored(plain(text, "de", ASCII), "en", typography_of(text))
