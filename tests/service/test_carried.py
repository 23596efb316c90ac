from typing import Any, Literal

import pytest

from model.config import Task
from service.carried import Carried
from service.glossary import Glossary, Vocabulary
from service.preparation import Outcome
from service.run import itself
from service.spans import protect
from tests.service.fakes import CharacterTokenizer

TOKENIZER: Any = CharacterTokenizer()
TERMS = {"Hund": "toutou", "Vertrag": "accord", "Telefon": "iPhone", "Mütter": "mamans & co"}


def carried(text: str, text_format: Literal["text", "html"] = "text") -> Carried:
    vocabulary = Vocabulary.of(Task.parse("translate:de:en"), TOKENIZER)
    return Carried([text], Glossary(vocabulary, TERMS), "fr", text_format)


def there_and_back(text: str, text_format: Literal["text", "html"] = "text") -> str:
    terms = carried(text, text_format)
    (arrived,) = terms.arrived(itself(terms.texts[0])).texts
    return arrived


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mein Hund und sein Vertrag", "mein toutou und sein accord"),
        ("mein hund", "mein toutou"),
        ("Hunde", "Hunde"),
        ("Hund. Hund! \u201eHund\u201c\nHund, Hund", "Toutou. Toutou! \u201eToutou\u201c\nToutou, toutou"),
        ("hund", "toutou"),
        ("Telefon", "iPhone"),
        ("Mein Hund. DER HUND BELLT! Mein HUND.", "Mein toutou. DER TOUTOU BELLT! Mein toutou."),
        ("", ""),
    ],
)
def test_a_term_becomes_its_translation_at_its_place_written_as_the_text_is(text: str, expected: str) -> None:
    assert there_and_back(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<p title="Hund">mein <b>Hund</b></p>', '<p title="Hund">mein <b>toutou</b></p>'),
        ("<p>Hund</p><p>Der Hund.</p><p>Hund</p>", "<p>Toutou</p><p>Der toutou.</p><p>Toutou</p>"),
        ("die M&uuml;tter &lt; V\u00e4ter", "die mamans &amp; co &lt; V\u00e4ter"),
        ("<code>Hund</code> <i translate=no>Hund</i>", "<code>Hund</code> <i translate=no>Hund</i>"),
        ("a &lt; Hund", "a &lt; toutou"),
        ("<p", "<p"),
    ],
)
def test_in_html_the_text_alone_holds_terms(text: str, expected: str) -> None:
    assert there_and_back(text, "html") == expected


@pytest.mark.parametrize("term", ["\u95ee\u9898", "\u554f\u984c"])  # simplified, traditional
@pytest.mark.parametrize("text", ["\u9019\u500b\u554f\u984c\u5f88\u96e3", "\u8fd9\u4e2a\u95ee\u9898"])
def test_a_term_in_chinese_is_found_in_either_script(term: str, text: str) -> None:
    vocabulary = Vocabulary.of(Task.parse("translate:zh:en"), TOKENIZER)
    terms = Carried([text], Glossary(vocabulary, {term: "Kram"}), "de", "text")
    (arrived,) = terms.arrived(itself(terms.texts[0])).texts
    assert arrived == text[:2] + "Kram" + text[4:]


@pytest.mark.parametrize("span", ["https://x.de/Hund", "Hund@x.de", "#Hund", "{Hund}", "`Hund`", "%(Hund)s"])
def test_what_is_not_to_be_translated_holds_no_terms(span: str) -> None:
    assert there_and_back(f"der Hund, {span} und Hund") == f"der toutou, {span} und toutou"


def test_what_stands_for_a_term_is_a_character_that_the_text_does_not_have() -> None:
    text = "\U00100000 Hund \U00100001 Vertrag \U00100002 Hund"
    terms = carried(f"mein {text}")
    assert terms.texts == ["mein \U00100000 \U00100003 \U00100001 \U00100004 \U00100002 \U00100003"]
    expected = "mein \U00100000 toutou \U00100001 accord \U00100002 toutou"
    assert terms.arrived(itself(terms.texts[0])).texts == [expected]


def test_alternatives_and_what_masks_stand_for_have_the_translations_too() -> None:
    terms = carried("mein Hund")
    character = terms.texts[0][-1]
    sentence: Any = None
    outcome = Outcome(protect(f"mein {character}"), sentence, [])
    answer = itself("")._replace(texts=[f"a {character}", f"b {character}", "a toutou"], outcomes=[outcome])
    arrived = terms.arrived(answer)
    assert arrived.texts == ["a toutou", "b toutou"]
    assert arrived.outcomes[0].protected.spans == ["toutou"]


def test_without_terms_nothing_changes() -> None:
    terms = carried("Katze")
    assert not terms
    assert terms.texts == ["Katze"]
    assert terms.arrived(itself("x")) == itself("x")
