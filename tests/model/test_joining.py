from random import Random

import pytest

from model.data import DataError
from model.joining import LINKS, NUMBER_COPIES, Pair, join

PAIRS = [
    ("Der Hund bellt.", "The dog barks."),
    ("Wir sehen Tom.", "We see Tom."),
    ("Tom kennt den Hund.", "Tom knows the dog."),
    ("Ich denke, der Hund schläft.", "I think the dog is asleep, and I know it."),
]


def joined(pairs: list[Pair], source: str = "de", target: str = "en", count: int = 100, seed: int = 1) -> list[Pair]:
    return list(join(pairs, source, target, count=count, random=Random(seed)))


def test_two_pairs_become_one_with_the_same_link_on_both_sides() -> None:
    seen = set()
    for seed in range(30):
        ((german, english),) = joined([("Er ging.", "He went."), ("Sie blieb.", "She stayed.")], seed=seed)
        for of_german, of_english in zip(LINKS["de"], LINKS["en"], strict=True):
            if of_german in german:
                assert of_english in english
                assert (german.split(of_german)[0] == "Er ging") == (english.split(of_english)[0] == "He went")
                seen.add(of_german)
        assert german.endswith(".")
        assert german.count(".") == english.count(".") == 1
    assert seen == set(LINKS["de"])


def test_each_sentence_is_in_one_pair_and_no_more_than_asked_for_are_made() -> None:
    pairs = [(f"Satz {letter}.", f"Sentence {letter}.") for letter in "abcdefgh"]
    made = joined(pairs)
    assert len(made) == 4
    assert all(sum(f"atz {letter}" in german for german, _ in made) == 1 for letter in "abcdefgh")
    assert len(joined(pairs, count=3)) == 3


def test_a_second_clause_begins_as_its_word_is_written_within_sentences() -> None:
    made = [pair for seed in range(40) for pair in joined(PAIRS, seed=seed)]
    seconds = {
        side.split(link, 1)[1].split()[0]
        for pair in made
        for side, language in zip(pair, ("de", "en"), strict=True)
        for link in LINKS[language][2:]
        if link in side
    }
    assert seconds == {"der", "Wir", "Tom", "Ich", "the", "We", "I"}


@pytest.mark.parametrize(
    "pair",
    [
        ("Ist das so?", "Is it so?"),
        ("Ja. Nein.", "Yes. No."),
        ("Er sagte: „Ja.", "He said yes."),
        ("Ohne Punkt", "Without a stop."),
        ("", ""),
    ],
)
def test_what_is_not_one_sentence_that_ends_with_a_full_stop_is_left_out(pair: Pair) -> None:
    assert joined([PAIRS[0], pair]) == []


def test_sentences_with_numbers_come_more_often_each_time_beside_another() -> None:
    pairs = [(f"Es sind {n}.", f"There are {n}.") for n in range(2, 12)]
    made = joined([*pairs, *PAIRS])
    counts = [german.count("s sind") for german, _ in made]
    assert sum(counts) == len(pairs) * (1 + NUMBER_COPIES)
    assert counts.count(2) >= len(pairs) // 2 * NUMBER_COPIES
    for german, english in made:
        assert [c for c in german if c.isdigit()] == [c for c in english if c.isdigit()]


def test_chinese_sentences_end_and_are_joined_with_its_own_marks() -> None:
    ((chinese, english),) = joined([("他走了。", "He left."), ("她留下了。", "She stayed.")], "zh", "en")
    assert chinese.count("。") == english.count(".") == 1
    assert any(link in chinese for link in LINKS["zh"])


def test_a_language_without_known_conjunctions_is_named() -> None:
    with pytest.raises(DataError, match=r"^it: no words to join"):
        joined(PAIRS, "it", "en")


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    pairs = [(f"Satz {letter}.", f"Sentence {letter}.") for letter in "abcdefgh"]
    assert joined(pairs) == joined(pairs)
    assert joined(pairs) != joined(pairs, seed=2)
