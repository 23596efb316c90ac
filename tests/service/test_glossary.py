from typing import Any

import pytest

from model.config import Task
from model.guidance import Terms
from model.tokenizer import Tokenizer
from service.glossary import MAX_FORCED_PIECES, Found, Glossary, Vocabulary, begun_as_sentence
from tests.service.fakes import CharacterTokenizer

TOKENIZER: Any = CharacterTokenizer()


def glossary(terms: dict[str, str], task: str = "translate:de:en") -> Glossary:
    return Glossary(Vocabulary.of(Task.parse(task), TOKENIZER), terms)


def terms_of(sentence: str, given: Glossary) -> Terms:
    found = list(given.find(sentence))
    return given.forced(found, sentence, [1, *TOKENIZER.encode(sentence), 2])


def forced(sentence: str, terms: dict[str, str], task: str = "translate:de:en") -> list[str]:
    return ["".join(map(chr, pieces)) for pieces in terms_of(sentence, glossary(terms, task)).phrases]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("der Vertrag gilt.", ["deal"]),
        ("der VERTRAG", ["deal"]),
        ("der Vertrag und der Vertrag", ["deal", "deal"]),
        ("Vertragsbruch", []),
        ("die Verträge", []),
        ("der Kauf-Vertrag", ["deal"]),
        ("der neue Vertrag", ["new deal"]),
        ("der neue\u00a0Vertrag", ["deal"]),
        ("_Vertrag Vertrag1", []),
        ("", []),
    ],
)
def test_each_whole_word_of_the_glossary_is_forced_the_longest_first(sentence: str, expected: list[str]) -> None:
    assert forced(sentence, {"Vertrag": "deal", "neue Vertrag": "new deal"}) == expected


def test_spaces_around_a_term_do_not_count() -> None:
    assert forced("der Vertrag gilt", {" Vertrag\t": "deal", " ": "x"}) == ["deal"]


def test_in_a_language_without_spaces_a_term_may_stand_anywhere() -> None:
    assert forced("我们的合同有效", {"合同": "contract"}, "translate:zh:en") == ["contract"]


def test_what_is_written_with_signs_of_patterns_is_text() -> None:
    assert forced("x a+b (c)", {"a+b": "x", "(c)": "y"}) == ["x", "y"]


def test_letters_that_grow_when_they_are_made_small_do_not_move_what_comes_after() -> None:
    assert [one[:2] for one in glossary({"Vertrag": "deal"}).find("İİ Vertrag")] == [(3, 10)]


def test_no_more_is_forced_than_the_widest_beam_holds() -> None:
    terms = {"a": "1" * MAX_FORCED_PIECES, "b": "2", "c": "3" * (MAX_FORCED_PIECES + 1), "d": "45"}
    assert forced("a b", terms) == ["1" * MAX_FORCED_PIECES]
    assert forced("c b d", terms) == ["2", "45"]


def test_without_terms_nothing_is_forced_and_what_shows_nothing_is_no_term() -> None:
    assert forced("Der Vertrag", {}) == []
    assert forced("Der \u200b Vertrag", {"\u200b": "x"}) == []
    assert forced("der Vertrag", {"Vertrag": " "}) == []


def test_later_terms_outrank_earlier_ones_however_they_are_written() -> None:
    both = glossary({"Vertrag": "deal", "Haus": "house"}).under({"VERTRAG": "agreement"})
    assert [one.translation for one in both.find("der Vertrag, das Haus")] == ["agreement", "house"]


def test_a_term_knows_which_pieces_of_the_framed_source_it_is() -> None:
    places = terms_of("der neue Vertrag gilt", glossary({"neue Vertrag": "deal", "gilt": "is valid"})).places
    assert places == [list(range(5, 17)), [18, 19, 20, 21]]  # the tag is 0


def test_what_begins_a_sentence_is_forced_with_a_capital_if_it_has_none_of_its_own() -> None:
    terms = {"hunde": "hounds", "telefon": "iPhone"}
    assert forced("Hunde und Hunde", terms) == ["Hounds", "hounds"]
    assert forced("„Hunde“ und", terms) == ["Hounds"]
    assert forced("hunde", terms) == ["hounds"]
    assert forced("Telefon", terms) == ["iPhone"]
    assert forced("1. Hunde", terms) == ["Hounds"]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("hounds bark.", "Hounds bark."),
        ("\u201chounds\u201d bark.", "\u201cHounds\u201d bark."),
        ("The Hounds of Hounds", "The hounds of Hounds"),
        ("Hounds and Hounds", "Hounds and Hounds"),
        ("houndsmen and Houndsmen", "houndsmen and Houndsmen"),
        ("iPhone", "iPhone"),
        ("", ""),
    ],
)
def test_a_translation_that_begins_the_output_has_a_capital_and_the_one_that_was_foreseen_has_none_elsewhere(
    output: str, expected: str
) -> None:
    found = [Found(0, 5, "hounds"), Found(6, 7, "iPhone")]
    assert begun_as_sentence(output, "Hunde bellen.", found, "en") == expected


def test_in_a_sentence_that_begins_small_it_stays_as_it_is() -> None:
    found = [Found(0, 1, "hounds")]
    assert begun_as_sentence("hounds bark", "hunde bellen", found, "en") == "hounds bark"
    assert begun_as_sentence("hounds bark", "狗叫", found, "en") == "Hounds bark"


def test_a_capital_is_that_of_the_language() -> None:
    assert begun_as_sentence("ilk gün", "First day", [Found(0, 5, "ilk")], "tr") == "İlk gün"
    assert begun_as_sentence("ilk gün", "First day", [Found(0, 5, "ilk")], "en") == "Ilk gün"


def test_names_that_are_written_as_a_translation_keep_their_capital() -> None:
    assert (
        begun_as_sentence("He may come in May.", "Er darf im Mai kommen.", [Found(3, 7, "may")], "en")
        == "He may come in May."
    )


def test_of_terms_that_begin_together_the_longer_counts_whoever_gave_it_and_else_the_own() -> None:
    below = glossary({"alter Hund": "old dog", "Hund": "dog", "Katze": "cat"})
    own = below.under({"alter": "old", "Hund": "hound", "Katze im Sack": "pig in a poke"})
    text = "Ein alter Hund, ein alter Mann, ein Hund, eine Katze, die Katze im Sack."
    assert [one.translation for one in own.find(text)] == ["old dog", "old", "hound", "cat", "pig in a poke"]
    assert [one.translation for one in below.find(text)] == ["old dog", "dog", "cat", "cat"]


def test_pieces_are_sorted_by_what_they_may_be_where_words_have_spaces(tiny_tokenizer: Tokenizer) -> None:
    words = Vocabulary.of(Task.parse("translate:de:en"), tiny_tokenizer).words
    pieces = tiny_tokenizer.pieces(range(len(tiny_tokenizer)))
    continuing = {piece for piece, flag in zip(pieces, words.continuing.tolist(), strict=True) if flag}
    beginning = {piece for piece, flag in zip(pieces, words.beginning.tolist(), strict=True) if flag}
    assert continuing == {piece for piece in pieces if piece[0].isalnum()} != set()
    assert beginning == {piece for piece in pieces if piece[0] == "▁" and piece[1:2].isalpha()} - {"▁a", "▁I"} != set()
    for task in ("translate:en:zh", "translate:de:xx"):
        assert not Vocabulary.of(Task.parse(task), tiny_tokenizer).words.beginning.any()
    assert not Vocabulary.of(Task.parse("translate:en:zh"), tiny_tokenizer).words.continuing.any()


def test_a_text_is_a_term_only_as_a_whole_and_in_any_case() -> None:
    given = glossary({"ISO-9001": "the norm", "main": "x"})
    assert [text for text in ("ISO-9001", "iso-9001", "ISO-90", "main.py", "main", "") if given.has(text)] == [
        "ISO-9001",
        "iso-9001",
        "main",
    ]
    assert not glossary({}).has("main")
