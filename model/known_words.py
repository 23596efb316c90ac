"""Words that a network has met: those of Latin letters that stand in its training text more than a few times.

What it has not met, names above all, it makes other words of. So it is given masks in the place of these, as words
that are in no vocabulary were copied before there were pieces (Luong et al. 2015, "Addressing the Rare Word Problem").
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from typing import Self

from pydantic import TypeAdapter

from model.config import LanguageCode
from model.masks import LATIN

MIN_COUNT = 5
"""How often a word has to be there."""
STEM = 7
"""Letters that the forms of a word have in common."""
_WORD = re.compile(rf"[0-9]*[{LATIN}][0-9{LATIN}]*")


class KnownWords:
    """The words of each language, in no order."""

    def __init__(self, words: Mapping[str, Iterable[str]] | None = None) -> None:
        self.words = {language: frozenset(known) for language, known in (words or {}).items()}
        self._stems = {language: frozenset(map(_stem, known)) for language, known in self.words.items()}

    def __eq__(self, other: object) -> bool:
        """Say whether the other has the same words."""
        return isinstance(other, KnownWords) and self.words == other.words

    def __or__(self, other: "KnownWords") -> "KnownWords":
        """Return the words of both."""
        return KnownWords({one: self.of(one) | other.of(one) for one in self.words.keys() | other.words.keys()})

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read what ``to_json`` wrote; ValidationError where it is something else."""
        return cls(TypeAdapter(dict[LanguageCode, list[str]]).validate_json(content))

    def to_json(self) -> bytes:
        """Write language → words as people may edit them, those of a language in a line."""
        lines = (f'  "{one}": {json.dumps(sorted(self.of(one)), ensure_ascii=False)}' for one in sorted(self.words))
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()

    def of(self, language: str) -> Set[str]:
        """Return the words of a language; none where nothing is known of it."""
        return self.words.get(language, frozenset())

    def has(self, word: str, language: str) -> bool:
        """Say whether the network has met a word as it is written, or in small letters."""
        return not self.of(language).isdisjoint((word, word.lower()))

    def has_form(self, word: str, language: str) -> bool:
        """Say whether it has met a word that begins alike, of which this one may be a form."""
        return _stem(word) in self._stems.get(language, frozenset())

    def has_name(self, word: str, language: str) -> bool:
        """Say whether it has met a word that has a capital wherever it stands."""
        return word in self.of(language) and word.lower() not in self.of(language)


def _stem(word: str) -> str:
    return word[:STEM].lower()


def count_words(texts: Iterable[tuple[str, str]]) -> KnownWords:
    """Return the words of texts, before each of which stands its language."""
    counts: dict[str, Counter[str]] = {}
    for language, text in texts:
        counts.setdefault(language, Counter()).update(_WORD.findall(text))
    return KnownWords(
        {language: [word for word, times in count.items() if times >= MIN_COUNT] for language, count in counts.items()}
    )
