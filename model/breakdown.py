"""Examples in buckets, as by length and by how rare their words are: where does a network fail?"""

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from model.words import words

MOST_BUCKETS = 5
FREQUENCIES = (0, 1, 2, 10, 100, 1000)
"""Where the buckets of rarity begin."""


class Bucket(NamedTuple):
    """Examples that have something in common."""

    label: str
    indices: list[int]


def by_length(lengths: Sequence[int]) -> list[Bucket]:
    """Return up to five buckets of neighbouring lengths, as equal in size as lengths that come often let them be."""
    shares = np.arange(1, MOST_BUCKETS + 1) / MOST_BUCKETS
    uppers = np.unique(np.quantile(lengths, shares, method="inverted_cdf"))
    places = np.searchsorted(uppers, lengths)
    members = [np.flatnonzero(places == place).tolist() for place in range(len(uppers))]
    return [Bucket(_range([lengths[i] for i in indices]), indices) for indices in members]


def _range(lengths: Sequence[int]) -> str:
    least, most = min(lengths), max(lengths)
    return str(least) if least == most else f"{least}–{most}"


def by_frequency(frequencies: Sequence[float]) -> list[Bucket]:
    """Return buckets of frequency, the rarest first; those that are empty are left out."""
    places = [bisect_right(FREQUENCIES, frequency) - 1 for frequency in frequencies]
    labels = [
        f"from {low:,}" if high is None else _range([low, high - 1])
        for low, high in zip(FREQUENCIES, [*FREQUENCIES[1:], None], strict=True)
    ]
    return [
        Bucket(label, [i for i, of in enumerate(places) if of == place])
        for place, label in enumerate(labels)
        if place in places
    ]


def count_words(texts: Iterable[str]) -> Counter[str]:
    """Return how often each word stands in the texts, whatever its case."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text.casefold()))
    return counts


def rarest(text: str, counts: Counter[str]) -> float:
    """Return how often the rarest word of the text was counted; infinity when it has no word."""
    return min((counts[word] for word in words(text.casefold())), default=math.inf)
