import pytest

from service.casing import Case, case_of, in_capitals, in_sentence_case, in_title_case, without_emphasis

KNOWN = "Ich ich habe keinen Hund Berlin NATO in I am not to the house with how train your dragon wichtig das ist"


def count_pieces(text: str) -> int:
    """Count as a tokenizer would that knows some words, as they stand above, and single letters."""
    return sum(1 if word in KNOWN.split() else len(word) for word in text.split())


@pytest.mark.parametrize(
    "sentence",
    [
        "ICH HABE KEINEN HUND!",
        "DAS IST WAHR",
        "ACHTUNG!",
        "GO AWAY",
        "I’M NOT SURE",
        "BUY THE VERY NEWEST iPhone RIGHT NOW",
        "ПРИВЕТ МИР",
    ],
)
def test_capitals_of_several_words_or_a_long_one_are_shouted(sentence: str) -> None:
    assert case_of(sentence, "en", count_pieces) is Case.UPPER


@pytest.mark.parametrize(
    "sentence",
    [
        "NATO",
        "HTML!",
        "I",
        "A",
        "Die NATO und die USA",
        "USA und UNO",
        "我用HTML和CSS写网页",
        "我",
        "",
        "123",
        "\U000f0000",
        "Hello",
    ],
)
def test_acronyms_and_scripts_without_capitals_are_not_shouted(sentence: str) -> None:
    assert case_of(sentence, "en", count_pieces) is Case.SENTENCE


def test_title_case_is_found_by_words_that_are_known_without_a_capital() -> None:
    assert case_of("How To Train Your Dragon", "en", count_pieces) is Case.TITLE
    assert case_of("The House with the Dragon", "en", count_pieces) is Case.TITLE
    for sentence in ("I am in Berlin with Tom", "Tom Berlin", "How to train your dragon", "Berlin"):
        assert case_of(sentence, "en", count_pieces) is Case.SENTENCE


def test_german_nouns_are_no_title() -> None:
    assert case_of("Guten Morgen, Herr Hund!", "de", count_pieces) is Case.SENTENCE
    assert case_of("Können Sie Ihren Hund", "de", count_pieces) is Case.SENTENCE
    assert case_of("Alle Hunde Sind Nicht Gleich", "de", count_pieces) is Case.TITLE


def test_words_are_written_as_the_network_knows_them() -> None:
    assert in_sentence_case("ICH HABE KEINEN HUND IN BERLIN.", "de", count_pieces) == "Ich habe keinen Hund in Berlin."
    assert in_sentence_case("I AM NOT IN NATO, AM I?", "en", count_pieces) == "I am not in NATO, am I?"
    assert in_sentence_case("„\U000f0000 HUND“", "de", count_pieces) == "„\U000f0000 Hund“"


def test_stress_is_read_small_and_acronyms_are_not() -> None:
    assert without_emphasis("Das ist WICHTIG, NATO und HTML.", "de", count_pieces) == "Das ist wichtig, NATO und HTML."
    assert without_emphasis("WICHTIG ist es", "de", count_pieces) == "Wichtig ist es"


def test_capitals_are_those_of_the_language() -> None:
    assert in_capitals("Die Straße ist \U000f0000 lang", "de") == "DIE STRASSE IST \U000f0000 LANG"
    assert in_capitals("İzmir ışık", "tr") == "İZMİR IŞIK"


def test_turkish_keeps_its_two_letters_i() -> None:
    assert in_sentence_case("IŞIK İYİ", "tr", len) == "Işık iyi"
    assert in_sentence_case("İYİ IŞIK", "tr", len) == "İyi ışık"
    assert in_sentence_case("IN İSTANBUL", "de", len) == "In istanbul"


def test_only_english_has_title_case() -> None:
    assert in_title_case("how to train your dragon, and why not to", "en") == "How to Train Your Dragon, and Why Not To"
    assert in_title_case("wie man einen Drachen zähmt", "de") == "wie man einen Drachen zähmt"
    assert in_title_case("", "en") == ""


def test_a_sentence_whose_capitals_are_those_of_names_is_no_heading() -> None:
    names = {"Dragon", "Knight"}
    assert case_of("The Dragon and a Knight", "en", count_pieces) is Case.TITLE
    assert case_of("The Dragon and a Knight", "en", count_pieces, names.__contains__) is Case.SENTENCE
    assert case_of("The House of a Dragon", "en", count_pieces, names.__contains__) is Case.TITLE


def test_capitals_amid_small_letters_stay_in_headings() -> None:
    assert in_sentence_case("The GitHub House", "en", count_pieces) == "The GitHub house"
