"""Names in a sentence, which come through a network as masks.

Of a name that its training text does not hold a network makes other words. Which those are is told by the words that it
has met (``model.known_words``), and by how names are written: with a capital, or with digits. Where other words have
capitals too, at the beginning of a sentence and in German, a name is none that resembles a word of the text, and none
that an article stands before.

A title goes with its name, and is written as the target language has it.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from model.config import Task
from model.known_words import KnownWords
from model.masks import LATIN
from service.function_words import FUNCTION_WORDS
from service.languages import base_of, is_spaceless

_WORD = re.compile(rf"(?<![0-9{LATIN}])(?:[OD]['’](?=[A-Z]))?[0-9{LATIN}]+")
_JOINS = (" ", "-")
"""What stands between the words of a name."""
_NOUNS_HAVE_CAPITALS = frozenset({"de", "lb"})
_DETERMINER = re.compile(
    r"(?:d(?:er|ie|as|e[nms])|(?:k?ein|mein|dein|sein|ihr|unse?r|eue?r)(?:e[nmrs]?)?"
    r"|(?:dies|jed|welch|manch|all|viel|wenig|einig|solch)e[nmrs]?|zu[mr]|beim|[ai]m|vom|[ai]ns)"
)
"""Of German, where it stands before nouns much more often than before names."""
_INFLECTED = re.compile(r"[^\W\d_A-Z]+e[nmrs]?")
"""What may be an adjective of German before a noun."""
_TITLES = {
    "de": {"Herr": "Mr", "Herrn": "Mr", "Frau": "Ms"},
    "en": {"Mr": "Mr", "Mrs": "Ms", "Ms": "Ms", "Miss": "Ms"},
    "fr": {"M": "Mr", "Monsieur": "Mr", "Mme": "Ms", "Madame": "Ms", "Mlle": "Ms"},
}
"""Language → title → its meaning."""
_WRITTEN = {
    "de": {"Mr": "Herr {}", "Ms": "Frau {}"},
    "en": {"Mr": "Mr. {}", "Ms": "Ms. {}"},
    "fr": {"Mr": "M. {}", "Ms": "Mme {}"},
    "zh": {"Mr": "{}先生", "Ms": "{}女士"},
}
"""Language → meaning → title, with a place for the name."""


class Name(NamedTuple):
    """A name in a text."""

    start: int
    end: int
    written: str
    """As the target language writes it."""


class _Word(NamedTuple):
    start: int
    end: int
    text: str

    @property
    def core(self) -> str:
        """What the words that a network has met have of it: nothing before an apostrophe."""
        return re.split("['’]", self.text)[-1]


def find_names(text: str, task: Task, known: KnownWords) -> Iterator[Name]:
    """Yield the names of a text that a network with these words has not met, in their order.

    One that it has met is part of one beside it that it has not, as in ``Thomas Gutierrez``.
    """
    source, target = base_of(task.source), base_of(task.target)
    if not known.of(source):  # there is nothing to tell by
        return
    words = [_Word(*found.span(), found[0]) for found in _WORD.finditer(text)]
    titles = _TITLES.get(source, {}) if target in _WRITTEN else {}
    new = [_is_new_here(words, n, source, known) for n in range(len(words))]
    is_part = [
        is_new or (known.has_name(word.text, source) and word.text in known.of(target) and word.text not in titles)
        for is_new, word in zip(new, words, strict=True)
    ]
    at = 0
    while at < len(words):
        title = titles.get(words[at].text) if _may_be_titled(text, words, at + 1, source, known) else None
        first = at + 1 if title else at
        end = first + 1 if title else at
        while end < len(words) and is_part[end] and (end == first or _between(text, words, end) in _JOINS):
            end += 1
        if title or any(new[first:end]):
            name = text[words[first].start : words[end - 1].end]
            yield Name(words[at].start, words[end - 1].end, _WRITTEN[target][title].format(name) if title else name)
        at = max(end, at + 1)


def _between(text: str, words: Sequence[_Word], n: int) -> str:
    """Return what stands before a word and after the one before it."""
    return text[words[n - 1].end : words[n].start]


def _may_be_titled(text: str, words: Sequence[_Word], n: int, source: str, known: KnownWords) -> bool:
    if n == len(words) or _between(text, words, n) not in (" ", ". "):
        return False
    return words[n].core[0].isupper() and words[n].core.lower() not in known.of(source)


def _is_new_here(words: Sequence[_Word], n: int, source: str, known: KnownWords) -> bool:
    has_capital_anyway = n == 0 or source in _NOUNS_HAVE_CAPITALS
    if words[n].text in _TITLES.get(source, {}) or not is_new(
        words[n].core, source, known, has_capital_anyway=has_capital_anyway
    ):
        return False
    return not (source in _NOUNS_HAVE_CAPITALS and _is_title_case(words[n].core) and _is_determined(words, n))


def is_new(word: str, source: str, known: KnownWords, *, has_capital_anyway: bool = True) -> bool:
    """Say whether a word looks like a name and is none that the network has met.

    ``has_capital_anyway`` says whether other words at its place have a capital, too.
    """
    if (
        len(word) < 2
        or not _WORD.fullmatch(word)
        or known.has(word, source)
        or word.lower() in FUNCTION_WORDS.get(source, ())
    ):
        return False
    if is_spaceless(source):  # it is of other letters than all words are
        return not word.isdecimal()
    if _is_title_case(word):
        return not (has_capital_anyway and known.has_form(word, source))
    return not word.islower() if word.isalpha() else word[0].isalpha()


def _is_title_case(word: str) -> bool:
    return word[0].isupper() and word[1:].islower()


def _is_determined(words: Sequence[_Word], n: int) -> bool:
    """Say whether an article stands before a word, or before what may be an adjective of it."""
    before = [word.text for word in words[max(0, n - 2) : n]]
    if before and _INFLECTED.fullmatch(before[-1]) and not _DETERMINER.fullmatch(before[-1]):
        before.pop()
    return bool(before) and bool(_DETERMINER.fullmatch(before[-1].lower()))
