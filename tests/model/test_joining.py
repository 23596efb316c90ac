from random import Random

import pytest

from model.data import DataError
from model.joining import CONNECTIVES, NUMBER_COPIES, join

Pair = tuple[str, str]
LETTERS = "abcdefghij"
PLAIN = [(f"Satz {letter}.", f"Sentence {letter}.") for letter in LETTERS]


def joined(pairs: list[Pair], source: str = "de", target: str = "en", count: int = 100, seed: int = 0) -> list[Pair]:
    return list(join(pairs, source, target, count=count, random=Random(seed)))


@pytest.mark.parametrize(
    ("source", "first", "second"),
    [("de", "Er ging.", "Tom blieb."), ("fr", "Il est parti.", "Tom est resté."), ("zh", "他走了。", "汤姆留下了。")],
)
def test_two_pairs_become_one_with_the_same_connective_on_both_sides(source: str, first: str, second: str) -> None:
    seen = set()
    for seed in range(40):
        ((text, english),) = joined([(first, "He left."), (second, "Tom stayed.")], source, "en", seed=seed)
        (nth,) = [n for n, connective in enumerate(CONNECTIVES["en"]) if connective in english]
        begins, ends = english.removesuffix(".").split(CONNECTIVES["en"][nth])
        parts = text.removesuffix(first[-1]).split(CONNECTIVES[source][nth])
        assert {begins, ends} == {"He left", "Tom stayed"}
        assert parts == ([first[:-1], second[:-1]] if begins == "He left" else [second[:-1], first[:-1]])
        seen.add(nth)
    assert seen == {0, 1, 2}


def test_each_row_is_in_one_pair_and_no_more_than_asked_for_are_made() -> None:
    made = joined(PLAIN)
    assert len(made) == len(PLAIN) // 2
    for german, english in made:
        assert [letter for letter in LETTERS if f"atz {letter}" in german] == [
            letter for letter in LETTERS if f"entence {letter}" in english
        ]
    assert all(sum(f"atz {letter}" in german for german, _ in made) == 1 for letter in LETTERS)
    assert len(joined(PLAIN, count=3)) == 3


@pytest.mark.parametrize(
    ("sentence", "clause"),
    [
        ("Der Hund bellt.", "der Hund bellt."),
        ("Hunde bellen.", "Hunde bellen."),
        ("Tom's dog barks.", "Tom's dog barks."),
        ("Apfelsinen sind gesund.", "Apfelsinen sind gesund."),  # not seen elsewhere
    ],
)
def test_a_clause_begins_as_its_first_word_is_written_within_sentences(sentence: str, clause: str) -> None:
    seen = [("Wir sehen Tom und der Hund sieht Hunde. Der Hund", "We see Tom.")]
    ends = {
        german.split("; ")[1]
        for s in range(40)
        for german, _ in joined([*seen, (sentence, "Ok."), ("Ja.", "Ok.")], seed=s)
        if "; " in german
    }
    assert clause in ends


def test_a_sentence_whose_first_word_may_have_a_capital_or_not_comes_first() -> None:
    # "Sie" is "you", and within a sentence "she" as "sie".
    seen = [("Ich kenne Sie?", "I know you?"), ("Ich kenne sie?", "I know her?")]
    she, tom = ("Sie kommt.", "She is coming."), ("Tom bleibt.", "Tom stays.")
    for seed in range(20):
        ((german, english),) = joined([*seen, she, tom], seed=seed)
        assert german.startswith("Sie kommt")
        assert english.startswith("She is coming")
    assert joined([*seen, she, ("Sie bleibt.", "She stays.")]) == []


@pytest.mark.parametrize("mark", list('!?…;()"„“”«»–—。！？；：（）.:'))
@pytest.mark.parametrize("side", [0, 1])
def test_a_text_that_holds_a_mark_is_no_plain_sentence(mark: str, side: int) -> None:
    pair = ["Er kam.", "He came."]
    pair[side] = pair[side].replace(" ", f"{mark} ")
    assert joined([PLAIN[0], (pair[0], pair[1])]) == []


@pytest.mark.parametrize("pair", [("Ohne Punkt", "Stop."), ("Punkt.", "No stop"), ("", ""), (".", "."), ("3.", "3.")])
def test_a_text_without_a_full_stop_or_a_word_is_no_sentence(pair: Pair) -> None:
    assert joined([PLAIN[0], pair]) == []


def test_sentences_with_numbers_come_more_often_each_time_beside_one_drawn_anew() -> None:
    pairs = [(f"Es sind {n}.", f"There are {n}.") for n in (2, 3, 4, 5, 6, 7, 8, "9,5", "2:30", "10.000")]
    made = joined([*pairs, *PLAIN, ("Es sind 3.", "There are three.")])
    of_two = [german for german, _ in made if german.count("s sind") == 2]
    assert len(of_two) >= len(pairs) // 2 * NUMBER_COPIES
    partners = {text: {german for german in of_two if text[2:-1] in german} for text, _ in pairs}
    assert all(len(others) > 1 for others in partners.values())
    assert sum("three" in english for _, english in made) == 1  # with no digit on one side it is as any other
    assert len(joined([*pairs, *PLAIN], count=1)) == 1 + NUMBER_COPIES


@pytest.mark.parametrize(
    ("source", "message"), [("it", "^it: no words to join"), ("en", "^en and en are one language")]
)
def test_a_language_without_known_connectives_is_named(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        joined(PLAIN, source, "en")


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    assert joined(PLAIN) == joined(PLAIN)
    assert joined(PLAIN) != joined(PLAIN, seed=2)
