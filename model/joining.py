"""Sentences joined into one, as pairs to learn from: longer ones than a text of short ones has, with more numbers each.

Sentence concatenation (Kondo et al. 2021, "Sentence Concatenation Approach to Data Augmentation for Neural Machine
Translation"), but with ``and``, ``but`` or a semicolon between both, as the service gives a network one sentence at a
time.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from random import Random

from model.data import DataError
from model.words import FULL_STOPS

CONNECTIVES = {
    "de": (", und ", ", aber ", "; "),
    "en": (", and ", ", but ", "; "),
    "fr": (" et ", ", mais ", " ; "),
    "zh": ("，而且", "，但是", "；"),
}
"""Language → what may stand between two clauses, the same in the same place."""
NUMBER_COPIES = 4
"""How often sentences with numbers come besides, as they are few: each time beside one that is drawn anew."""
MOSTLY = 4
"""How many times as often as the other a word's spelling has to be, within sentences, to be the one that it has."""

_MARK = re.compile(r"[!?…;()\"„“”«»–—。！？；：（）]|[.:](?![0-9])")
"""What no plain sentence holds before its end; those with abbreviations and speech are left out with it."""
_WORD = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile("[0-9]")


def join(
    pairs: Iterable[tuple[str, str]], source: str, target: str, *, count: int, random: Random
) -> Iterator[tuple[str, str]]:
    """Yield at most ``count`` joined pairs, no row in two of them, and then some more of those with numbers.

    Texts are taken that are one plain sentence with a full stop on both sides. Which of two comes first is chosen so
    that the other's first word is known to have a capital within sentences, or to have none: German ``Sie`` may be
    either. All pairs are held in memory. DataError for a language whose connectives are not known.
    """
    for language in (source, target):
        if language not in CONNECTIVES:
            known = ", ".join(CONNECTIVES)
            raise DataError(f"{language}: no words to join its sentences with; there are some for {known}")
    if source == target:
        raise DataError(f"{source} and {target} are one language")
    rows = list(pairs)
    sides = [_Side(language, [row[i] for row in rows]) for i, language in enumerate((source, target))]
    sentences = [row for row in rows if all(map(_Side.is_sentence, sides, row))]
    with_numbers = [row for row in sentences if all(map(_DIGIT.search, row))]
    for some in (sentences, *[with_numbers] * NUMBER_COPIES):
        drawn = random.sample(some, min(len(some), 2 * count))
        for one, other in zip(drawn[::2], drawn[1::2], strict=False):
            for first, second in ((one, other), (other, one)):
                clauses = [side.as_clause(text) for side, text in zip(sides, second, strict=True)]
                if all(clauses):
                    nth = random.randrange(len(CONNECTIVES[source]))
                    yield sides[0].joined(first[0], clauses[0], nth), sides[1].joined(first[1], clauses[1], nth)
                    break


class _Side:
    """The texts of one language."""

    def __init__(self, language: str, texts: Sequence[str]) -> None:
        self._connectives = CONNECTIVES[language]
        self._stop = FULL_STOPS.get(language, ".")
        parts = (part for text in texts for part in _MARK.split(text))
        self._within = Counter(word for part in parts for word in _WORD.findall(part)[1:])

    def is_sentence(self, text: str) -> bool:
        """Say whether a text is one sentence, with nothing in it that ends one."""
        bare = text.removesuffix(self._stop)
        return bare != text and not _MARK.search(bare) and bool(_WORD.search(bare))

    def as_clause(self, sentence: str) -> str:
        """Return a sentence as it is written within another; nothing where its first word may have a capital or not."""
        found = _WORD.match(sentence)
        word = found[0] if found else ""
        small = word[:1].lower() + word[1:]
        times = self._within[small], self._within[word]
        if small != word and min(times) * MOSTLY > max(times):
            return ""
        return (small if times[0] > times[1] else word) + sentence[len(word) :]

    def joined(self, sentence: str, clause: str, nth: int) -> str:
        """Return both as one sentence, with the ``nth`` connective."""
        return sentence.removesuffix(self._stop) + self._connectives[nth] + clause
