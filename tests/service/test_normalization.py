from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.casing import Case
from service.normalization import for_network

KNOWN = ["he", "lives", "in", "Berlin", "with", "his", "dog", "here", "la", "maison", "dans", "les", "bois"]


def count_pieces(text: str) -> int:
    """Count as a tokenizer would that knows some words, and the bytes of ASCII."""
    return sum(1 if word in KNOWN else len(word.encode()) for word in text.split())


def test_ordinary_text_is_left_alone() -> None:
    for text in ("He lives in Berlin with his dog.", 'She said "yes".', "it's 5 - 3...", "", "NATO"):
        normalized = for_network(text, "en", count_pieces)
        assert normalized.text == text
        assert normalized.restore(text, "de") == text


def test_what_is_shouted_is_read_as_a_sentence_and_shouted_back() -> None:
    normalized = for_network("HE LIVES IN BERLIN.", "en", count_pieces)
    assert normalized.text == "He lives in Berlin."
    assert normalized.restore("Er wohnt in der Straße.", "de") == "ER WOHNT IN DER STRASSE."


def test_a_heading_is_read_as_a_sentence_and_comes_back_as_headings_are() -> None:
    normalized = for_network("La Maison Dans Les Bois", "fr", count_pieces)
    assert (normalized.text, normalized.case) == ("La maison dans les bois", Case.TITLE)
    assert normalized.restore("The house in the woods", "en") == "The House in the Woods"
    assert normalized.restore("Das Haus im Wald", "de") == "Das Haus im Wald"


@pytest.mark.parametrize(
    ("sentence", "output", "restored"),
    [
        ("Raum 12 ist frei.", "room 12 is free.", "Room 12 is free."),
        ("足球！", "soccer!", "Soccer!"),
        ("这？", "été ?", "Été ?"),
        ("Ist es (wahr!)", "est-ce (vrai !)", "Est-ce (vrai !)"),
        ("这？", "\ue000 été ?", "\ue000 été ?"),  # a mask
        ("He lives here", "er wohnt hier.", "er wohnt hier"),  # a label
        ("raum 12 ist frei.", "room 12 is free.", "room 12 is free."),
        ("Raum 12 ist,", "room 12 is,", "room 12 is,"),
        ("Das iPhone.", "iPhone.", "iPhone."),
        ("Die Datei.", "main.py ist da.", "main.py ist da."),
        ("12.", "12 a.", "12 a."),
    ],
)
def test_a_whole_sentence_begins_with_a_capital_and_no_name_does(sentence: str, output: str, restored: str) -> None:
    source = "zh" if sentence[0] > "z" else "de"
    normalized = for_network(sentence, source, count_pieces, full_stop=True)
    assert normalized.restore(normalized.begun(output, "fr"), "fr") == restored


@pytest.mark.parametrize(
    ("sentence", "read"),
    [
        ("(He lives here.)", "He lives here."),
        ("[HE LIVES HERE]", "He lives here."),
        ("(here)", "here"),
        ("(here) he lives (here)", "(here) he lives (here)"),
        ("(he (lives) here.)", "(he (lives) here.)"),
        ("(...)", "(...)"),
        ("(he lives here", "(he lives here."),
    ],
)
def test_what_stands_in_parentheses_is_read_without_them_and_comes_back_in_them(sentence: str, read: str) -> None:
    normalized = for_network(sentence, "en", count_pieces, full_stop=True)
    assert normalized.text == read
    assert normalized.restore(read, "de") == sentence


def test_a_parenthesis_that_never_ends_is_read_in_linear_time() -> None:
    text = "(" + "a " * 100_000 + "."  # in quadratic time it would take longer than anyone waits for a test
    assert for_network(text, "en", lambda _: 1).text == text


def test_traditional_chinese_is_read_simplified_by_networks_of_that() -> None:
    assert for_network("「這個軟體很乾淨。」", "zh", len).text == "“这个软体很干净。”"
    assert for_network("這個软件", "zh", len).text == "这个软件"
    assert for_network("這個", "zh-hant", len).text == for_network("這個", "ja", len).text == "這個"


def test_wide_and_shouted_at_once() -> None:
    normalized = for_network("ＨＥ ＬＩＶＥＳ ＨＥＲＥ！", "en", count_pieces)
    assert normalized.text == "He lives here!"
    assert normalized.restore("他住在 HERE", "zh") == "他住在 ＨＥＲＥ"


def test_the_region_of_a_code_changes_nothing_but_for_chinese() -> None:
    assert for_network("„Ja“", "de-at", count_pieces).text == '"Ja"'
    assert for_network("„Ja“", "de", count_pieces).restore('"Sim"', "pt-br") == "«Sim»"


@pytest.mark.parametrize("seed", range(5))
def test_of_any_text_the_stand_ins_come_through_in_their_order(seed: int) -> None:
    random = Random(seed)
    marks = [
        *"aBC ÄßİıI.,'’\"“”„«»「」–—…-！，ＡｂﬁΣσς我這\0\u00ad\u200b\u200d\u202e\u0301ﾞｶⅧ𝐀 \t9",
        "DAS IST ",
        "The Old ",
    ]
    for _ in range(300):
        stand_ins = [chr(0xF0000 + i) for i in range(random.randint(0, 3))]
        parts = stand_ins + random.choices(marks, k=random.randint(0, 30))
        random.shuffle(parts)
        text = "".join(parts)
        for source, target in (("de", "en"), ("en", "fr"), ("zh", "zh"), ("tr", "tr")):
            normalized = for_network(text, source, count_pieces)
            held = [character for character in text if character >= "\U000f0000"]
            assert [c for c in normalized.text if c >= "\U000f0000"] == held
            assert [c for c in normalized.restore(normalized.text, target) if c >= "\U000f0000"] == held


@pytest.mark.parametrize(
    ("label", "read", "output", "restored"),
    [
        ("my dog", "my dog.", "mein Hund.", "mein Hund"),
        ("my dog", "my dog.", "mein Hund", "mein Hund"),
        ("my dog", "my dog.", "mein Hund...", "mein Hund..."),
        ("my dog", "my dog.", "mein Hund?", "mein Hund?"),
        ("dog", "dog", "Hund.", "Hund."),
        ("dog!", "dog", "Hund", "Hund!"),
        ("dog:", "dog", "Hund", "Hund:"),
        ("dog?!", "dog?!", "Hund?!", "Hund?!"),
        (".", ".", ".", "."),
        ("狗", "狗。", "dog.", "dog"),
        ("my dog:", "my dog:", "mein Hund.", "mein Hund."),
        ("the dog.", "the dog.", "der Hund.", "der Hund."),
        ("the \U000f0000", "the \U000f0000", "der \U000f0000.", "der \U000f0000."),
    ],
)
def test_a_label_is_read_with_a_full_stop_if_the_network_needs_one_and_a_word_alone_without_its_mark(
    label: str, read: str, output: str, restored: str
) -> None:
    normalized = for_network(label, "zh" if label == "狗" else "en", count_pieces, full_stop=True)
    assert (normalized.text, normalized.restore(output, "de")) == (read, restored)


ANYTHING = st.text(
    st.sampled_from("aB I.,;:!?'\"„“”«»‘’–—…-1２Ａ，。我們\u00a0\u202f\u200b\x00\u200f\U000f0000\U000f0001ß\u0130")
)
LANGUAGES = st.sampled_from(["de", "en", "fr", "zh", "ja", "tr", "xx"])


@given(ANYTHING, LANGUAGES, ANYTHING, LANGUAGES)
def test_whatever_is_read_and_written_every_stand_in_is_there_as_often(
    sentence: str, source: str, output: str, target: str
) -> None:
    normalized = for_network(sentence, source, count_pieces, full_stop=True)
    restored = normalized.restore(output, target)
    for stand_in in ("\U000f0000", "\U000f0001"):
        assert normalized.text.count(stand_in) == sentence.count(stand_in)
        assert restored.count(stand_in) == output.count(stand_in)
