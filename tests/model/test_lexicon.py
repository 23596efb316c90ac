from collections import defaultdict
from random import Random

import pytest

from model import lexicon
from model.lexicon import ALONE_COPIES, ITERATIONS, Entry, Lexicon, as_text, find_lexicon

WORDS = {
    "der": "the",
    "Hund": "dog",
    "Katze": "cat",
    "schläft": "sleeps",
    "heute": "today",
    "Boston": "Boston",
    "rot": "red",
}
WORDS_BACK = {target: source for source, target in WORDS.items()}
Pairs = list[tuple[str, str]]


def words_of(found: Lexicon) -> dict[str, str]:
    return {source: target for source, target, _ in found.entries}


def sentences(count: int) -> Pairs:
    """Return sentences of the words in any order, whose translations have another."""
    random = Random(1)
    pairs = []
    for _ in range(count):
        chosen = random.sample(sorted(WORDS), 4)
        translated = [WORDS[word] for word in chosen]
        random.shuffle(translated)
        pairs.append((" ".join(chosen) + ".", " ".join(translated) + "!"))
    return pairs


def test_each_word_has_its_translation_as_it_is_written_within_sentences() -> None:
    pairs = [(source[0].upper() + source[1:], target[0].upper() + target[1:]) for source, target in sentences(200)]
    found = find_lexicon(pairs)
    assert words_of(found) == WORDS
    assert found.pairs == 200
    assert words_of(find_lexicon([(target, source) for source, target in pairs])) == {t: s for s, t in WORDS.items()}


def expected_counts(pairs: Pairs) -> dict[tuple[str, str], float]:
    """Return how often a word of the target is expected to come from one of the source, by IBM model 1 word by word."""
    split = [(source.split(), target.split()) for source, target in pairs]
    counts = {(s, t): 1.0 for source, target in split for s in source for t in target}
    for _ in range(ITERATIONS):
        totals: defaultdict[str, float] = defaultdict(float)
        for (s, _), count in counts.items():
            totals[s] += count
        chances = {(s, t): count / totals[s] for (s, t), count in counts.items()}
        counts = dict.fromkeys(counts, 0.0)
        for source, target in split:
            for t in target:
                norm = sum(chances[s, t] for s in source)
                for s in source:
                    counts[s, t] += chances[s, t] / norm
    return counts


def test_a_word_is_kept_if_both_directions_count_its_alignment_often_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    random = Random(2)
    pairs = [
        (" ".join(random.choices(["aa", "bb", "cc"], k=3)), " ".join(random.choices(["xx", "yy"], k=2)))
        for _ in range(9)
    ]
    forward = expected_counts(pairs)
    backward = expected_counts([(target, source) for source, target in pairs])
    agreed = {(s, t): (count * backward[t, s]) ** 0.5 for (s, t), count in forward.items()}
    monkeypatch.setattr(lexicon, "MIN_SHARE", 0.0)
    for word in ("aa", "bb", "cc"):
        count, best = max((agreed[s, t], t) for s, t in agreed if s == word)
        for least, holds in ((count - 1e-6, True), (count + 1e-6, False)):
            monkeypatch.setattr(lexicon, "MIN_COUNT", least)
            assert (words_of(find_lexicon(pairs)).get(word) == best) is holds


def test_a_word_of_many_translations_has_none_by_itself() -> None:
    pairs = [("doch da", f"{letter}x there") for letter in "abcdefgh" for _ in range(10)]
    pairs += 80 * [("da Hund", "there dog")]
    assert "doch" not in words_of(find_lexicon([*pairs, *sentences(200)]))


def test_parts_of_words_and_single_letters_are_no_words() -> None:
    pairs = [("l'homme dort", "I don't sleep"), ("qu'il dort", "I'll sleep"), ("à dort", "a sleep")]
    assert words_of(find_lexicon(20 * pairs))["dort"] == "sleep"
    assert not {"l'", "qu'", "à"} & set(words_of(find_lexicon(20 * pairs)))
    assert {"don't", "I'll", "I"}.isdisjoint(words_of(find_lexicon([(t, s) for s, t in 20 * pairs])))


@pytest.mark.parametrize("pairs", [[], [("", "")], [("42", "...")], [("Hund", "")]])
def test_text_without_words_has_no_lexicon(pairs: Pairs) -> None:
    assert find_lexicon(pairs) == ([], len(pairs))


def test_text_beyond_the_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lexicon, "MAX_LINKS", 40)
    pairs = iter(sentences(200))
    assert find_lexicon(pairs).pairs == 3  # of 16 links each
    assert len(list(pairs)) == 197


def test_what_a_word_says_alone_outranks_what_it_says_within_sentences() -> None:
    within = 20 * [("no dog", "kein Hund"), ("no cat", "kein Kater"), ("the dog", "der Hund"), ("the cat", "der Kater")]
    alone = [("No, it sleeps.", "Nein, er schläft."), ("No!", "Nein.")]
    assert words_of(find_lexicon(within))["no"] == "kein"
    assert words_of(find_lexicon([*within, *alone]))["no"] == "kein"  # twice may be chance
    assert words_of(find_lexicon([*within, *2 * alone]))["no"] == "nein"
    assert words_of(find_lexicon([*within, *4 * [("It sleeps, no?", "Er schläft, oder?")]]))["no"] == "kein"
    others = [("No, it sleeps.", "Nee, er schläft.")] * 5
    assert words_of(find_lexicon([*within, *2 * alone, *others]))["no"] == "nee"
    assert words_of(find_lexicon([*within, *2 * alone, ("Nope.", "Nein."), *[("Nope!", "Nein!")] * 5]))["no"] == "kein"


def test_words_stand_with_a_capital_and_without_as_often_as_they_are_to_be_seen() -> None:
    entries = [Entry("rot", "red", 1), Entry("Hund", "dog", 3)]
    assert list(as_text(entries)) == [("rot", "red"), ("Rot", "Red"), *3 * [("Hund", "dog"), ("hund", "dog")]]


def test_frequent_words_and_those_that_stand_alone_are_to_be_seen_more_often() -> None:
    pairs = 12 * [("der Hund", "the dog"), ("der Mond", "the moon")] + 3 * [("Hallo, Hund!", "Hello, dog!")]
    copies = {source: copies for source, _, copies in find_lexicon(pairs).entries}
    assert copies == {"der": 1 + 2, "Hund": 1 + 2, "Mond": 1 + 1, "hallo": ALONE_COPIES + 1}
