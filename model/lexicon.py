"""Words that translate each other, found in sentences that do: pairs for a network to learn what a word alone means.

A network that has seen nothing but sentences makes one of whatever it reads: of ``Jahr`` it makes ``It's a year``.
Words are aligned by IBM model 1 (Brown et al. 1993, section 4.2) in both directions, which have to agree (Liang et
al. 2006, section 3).
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ITERATIONS = 5
MIN_COUNT = 3.0
"""How often two words have to be aligned, as both directions see it: less is chance."""
MIN_SHARE = 0.25
"""Of a word's alignments, how many its best translation has to have: a word with less has no translation by itself."""
MIN_LETTERS = 2
ALONE_COPIES = 24
"""So much more often are words to be seen that stand alone in the text, as yes and hello: they are asked for most."""
MAX_LINKS = 20_000_000
"""Pairs of words that share a pair of sentences, each of which takes some 80 bytes: where there are more, the rest of
the text is not read, as what is frequent has been seen by then."""

# What French cuts off before an apostrophe is a word of its own; elsewhere the apostrophe belongs to the word.
_WORD = re.compile(r"(?:[cdjlmnst]|qu)['’](?=\w{2})|[^\W\d_]+(?:['’-][^\W\d_]+)*", re.IGNORECASE)
_CLAUSE_END = re.compile(r"[,.;:!?…]+")


class Entry(NamedTuple):
    """A word and its best translation, written as within sentences."""

    source: str
    target: str
    copies: int
    """How often it is to be seen in training: by the logarithm of its count, and more if people say it alone."""


class Lexicon(NamedTuple):
    """The words of the sources that have a translation, the most frequent first, and from how many pairs."""

    entries: list[Entry]
    pairs: int


def find_lexicon(pairs: Iterable[tuple[str, str]]) -> Lexicon:
    """Align the words of (source, target) texts, so many pairs as hold ``MAX_LINKS`` links, and keep what agrees.

    Text without spaces between its words yields few entries or none.
    """
    source, target = _Side(), _Side()
    alone = Counter[tuple[str, str]]()
    read = links = 0
    for texts in pairs:
        read += 1
        clauses = [[found for part in _CLAUSE_END.split(text) if (found := _WORD.findall(part))] for text in texts]
        if all(clauses):
            count = source.add(list(chain(*clauses[0])))
            links += count * target.add(list(chain(*clauses[1])))
            alone.update(_alone(*clauses))
        if links >= MAX_LINKS:
            break
    return Lexicon(_entries(source, target, _mutual(alone)) if links else [], read)


def _alone(source: list[list[str]], target: list[list[str]]) -> Iterator[tuple[str, str]]:
    """Yield the word in small letters that is the first clause by itself, with what it is there.

    A last one may mean nothing: ``right?`` is translated as ``oder?``.
    """
    if len(source) == len(target) and len(source[0]) == len(target[0]) == 1:
        yield source[0][0].lower(), target[0][0].lower()


def _mutual(counts: Counter[tuple[str, str]]) -> dict[str, str]:
    """Return the words that stand alone for each other as often as for any other."""
    best = [dict[str, tuple[int, str]](), dict[str, tuple[int, str]]()]
    for pair, count in counts.items():
        for of, word, other in zip(best, pair, reversed(pair), strict=True):
            of[word] = max(of.get(word, (0, "")), (count, other))
    return {word: other for word, (count, other) in best[0].items() if count >= MIN_COUNT and best[1][other][1] == word}


def _entries(source: "_Side", target: "_Side", alone: dict[str, str]) -> list[Entry]:
    agreed = _agreement(_aligned(source, target), _aligned(target, source))
    totals = np.bincount(agreed.source, agreed.times, minlength=len(source.words))
    best: dict[int, tuple[float, int]] = {}
    for first, second, count in zip(*(column.tolist() for column in agreed), strict=True):
        if count >= MIN_COUNT and count >= MIN_SHARE * totals[first]:
            best[first] = max(best.get(first, (0.0, 0)), (count, second))
    spelled = source.spelling(), target.spelling()
    words = [list(one) for one in spelled]
    found = {
        words[0][first]: (words[1][second], 1 + int(log2(times / MIN_COUNT)))
        for first, (times, second) in sorted(best.items(), key=lambda one: -one[1][0])
    }
    # What a word says alone is not what it says most often: a "no" within sentences is seldom a "nein".
    found |= {word: (other, ALONE_COPIES + found.get(word, ("", 1))[1]) for word, other in alone.items()}
    entries = [Entry(spelled[0][word], spelled[1][other], copies) for word, (other, copies) in found.items()]
    return [entry for entry in entries if all(len(word) >= MIN_LETTERS and word.isalpha() for word in entry[:2])]


def as_text(entries: Iterable[Entry]) -> Iterator[tuple[str, str]]:
    """Yield the pairs to train on, of each word with a capital, as labels and headings have it, and without."""
    for source, target, copies in entries:
        for _ in range(copies):
            yield source, target
            if source[0].islower():
                yield source[0].upper() + source[1:], target[0].upper() + target[1:]
            else:
                yield source.lower(), target


class _Side:
    """The words of one language, each as a number whatever its capitals."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.lengths: list[int] = []
        self._numbers: dict[str, int] = {}
        self._forms: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def add(self, sentence: list[str]) -> int:
        """Add the words of a sentence, and return how many they are."""
        numbers = [self._numbers.setdefault(word.lower(), len(self._numbers)) for word in sentence]
        for number, word in zip(numbers[1:], sentence[1:], strict=True):  # the first has its capital from the sentence
            self._forms[number][word] += 1
        self.words += numbers
        self.lengths.append(len(numbers))
        return len(numbers)

    def spelling(self) -> dict[str, str]:
        """Return each word, by number, with how it is mostly written within sentences."""
        return {
            word: self._forms[number].most_common(1)[0][0] if number in self._forms else word
            for word, number in self._numbers.items()
        }


class _Counts(NamedTuple):
    """Pairs of words and how often they are aligned, three columns of equal length."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    times: NDArray[np.float64]


def _aligned(source: _Side, target: _Side) -> _Counts:
    """Return how often each word of the target is expected to come from each word of the source, by IBM model 1."""
    sources, lengths = np.array(source.words), np.array(source.lengths)
    targets, sentences = np.array(target.words), np.repeat(np.arange(len(target.lengths)), target.lengths)
    # A row for each word of the target and each of its source: those of one word of the target stand together.
    fans = lengths[sentences]
    starts = np.cumsum(fans) - fans
    places = np.arange(fans.sum()) - np.repeat(starts - (np.cumsum(lengths) - lengths)[sentences], fans)
    vocabulary = targets.max() + 1
    distinct, rows = np.unique(sources[places] * vocabulary + np.repeat(targets, fans), return_inverse=True)
    first, second = np.divmod(distinct, vocabulary)
    counts = np.ones(len(distinct))
    for _ in range(ITERATIONS):
        shares = (counts / np.bincount(first, counts)[first])[rows]
        shares /= np.repeat(np.add.reduceat(shares, starts), fans)
        counts[:] = np.bincount(rows, shares, minlength=len(distinct))
    return _Counts(first, second, counts)


def _agreement(forward: _Counts, backward: _Counts) -> _Counts:
    """Return the geometric mean of both directions' counts; each has the same pairs of words."""
    order = np.lexsort((forward.target, forward.source))
    reverse = np.lexsort((backward.source, backward.target))
    return _Counts(
        forward.source[order],
        forward.target[order],
        np.sqrt(forward.times[order] * backward.times[reverse]),
    )
