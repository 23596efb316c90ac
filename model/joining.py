"""Sentences joined into one, as pairs to learn from: longer ones than a text of short ones has, with more numbers each.

Joined as clauses are, with ``and``, ``but`` or a semicolon, as the service gives a network one sentence at a time; by
itself, joining helps with long ones (Kondo et al. 2021, "Sentence Concatenation Approach to Data Augmentation for
Neural Machine Translation").
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from model.data import DataError
from model.words import FULL_STOPS

LINKS = {
    "de": (", und ", ", aber ", "; "),
    "en": (", and ", ", but ", "; "),
    "fr": (" et ", ", mais ", " ; "),
    "zh": ("，而且", "，但是", "；"),
}
"""Language → what may stand between two clauses, the same in the same place."""
NUMBER_COPIES = 4
"""How often sentences with numbers come besides, as they are few: each time beside another of them."""

_WITHIN = re.compile(r"[.!?…:;()\"„“”«»–—。！？：；（）]")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_DIGIT = re.compile("[0-9]")

Pair = tuple[str, str]


def join(pairs: Iterable[Pair], source: str, target: str, *, count: int, random: Random) -> Iterator[Pair]:
    """Yield at most ``count`` joined pairs, no sentence in two of them; and then those of sentences with numbers.

    Sentences are those that end with a full stop on both sides and hold no other mark of an end. A word that begins the
    second clause has a small letter if it mostly has one within sentences. All pairs are held in memory.

    DataError for a language whose conjunctions are not known.
    """
    for language in (source, target):
        if language not in LINKS:
            raise DataError(f"{language}: no words to join its sentences with; there are some for {', '.join(LINKS)}")
    everything = list(pairs)
    sides = [_Side(language, [pair[i] for pair in everything]) for i, language in enumerate((source, target))]
    sentences = [pair for pair in everything if all(map(_Side.is_sentence, sides, pair))]
    with_numbers = [pair for pair in sentences if all(map(_DIGIT.search, pair))]
    chosen = random.sample(sentences, min(len(sentences), 2 * count))
    for some in (chosen, *[with_numbers] * NUMBER_COPIES):
        shuffled = random.sample(some, len(some))
        for first, second in zip(shuffled[::2], shuffled[1::2], strict=False):
            link = random.randrange(len(LINKS[source]))
            yield sides[0].joined(first[0], second[0], link), sides[1].joined(first[1], second[1], link)


class _Side:
    """The texts of one language."""

    def __init__(self, language: str, texts: Sequence[str]) -> None:
        self._links = LINKS[language]
        self._stop = FULL_STOPS.get(language, ".")
        self._within = Counter(word for text in texts for word in _WORD.findall(text)[1:])

    def is_sentence(self, text: str) -> bool:
        """Say whether a text is one sentence that another may follow."""
        return text.endswith(self._stop) and not _WITHIN.search(text[:-1])

    def joined(self, first: str, second: str, link: int) -> str:
        """Return both sentences as one."""
        return first.removesuffix(self._stop) + self._links[link] + self._as_within(second)

    def _as_within(self, text: str) -> str:
        word = _WORD.match(text)
        if not word:
            return text
        small = word[0][0].lower() + word[0][1:]
        return (small if self._within[small] > self._within[word[0]] else word[0]) + text[word.end() :]
