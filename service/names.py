"""Names in a sentence, which come through a network as masks.

Of a name that its training text does not hold a network makes other words. Which those are is told by the words that it
has met (``model.known_words``), and by how names are written: with a capital, or with letters and digits. Where other
words have capitals too, at the beginning of a sentence and in German, a name is none that resembles a word of the text,
and none that an article stands before.

A title goes with its name, and is written as the target language has it.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from model.config import Task
from model.known_words import KnownWords
from model.masks import LATIN
from service.function_words import FUNCTION_WORDS
from service.languages import NOUNS_HAVE_CAPITALS, base_of, is_spaceless

_WORD = re.compile(rf"(?:O['’](?=[A-Z]))?[0-9{LATIN}]+")
_JOINS = (" ", "-")
"""What stands between the words of a name."""
_AFTER_TITLE = (" ", ". ")
_NUMBER_OF_NAME = re.compile(rf"-[0-9]+(?![0-9{LATIN}-])")
"""As in ``Covid-19``."""
_BEGINS_ANEW = re.compile(r"[.:!?…\"“”„«»(\[–—]")
"""After such a word may have a capital as the first of a sentence has."""
_DETERMINER = re.compile(
    r"(?:d(?:er|ie|as|e[nms])|(?:k?ein|mein|dein|sein|ihr|unse?r|eue?r)(?:e[nmrs]?)?"
    r"|(?:dies|jed|welch|manch|all|viel|wenig|einig|solch)e[nmrs]?|zu[mr]|beim|[ai]m|vom|[ai]ns)"
)
"""Of German, where it stands before nouns much more often than before names."""
_INFLECTED = re.compile(r"[^\W\d_A-Z]+e[nmrs]?")
"""What may be an adjective of German before a noun."""
_TITLES = {
    "de": {"Herr": "Mr", "Herrn": "Mr", "Frau": "Ms", "Dr": "Dr", "Prof": "Prof"},
    "en": {"Mr": "Mr", "Mrs": "Ms", "Ms": "Ms", "Miss": "Ms", "Dr": "Dr", "Prof": "Prof"},
    "fr": {"M": "Mr", "Monsieur": "Mr", "Mme": "Ms", "Madame": "Ms", "Mlle": "Ms", "Dr": "Dr", "Pr": "Prof"},
}
"""Language → title → its meaning."""
_WRITTEN = {
    "de": {"Mr": "Herr {}", "Ms": "Frau {}", "Dr": "Dr. {}", "Prof": "Prof. {}"},
    "en": {"Mr": "Mr. {}", "Ms": "Ms. {}", "Dr": "Dr. {}", "Prof": "Prof. {}"},
    "fr": {"Mr": "M. {}", "Ms": "Mme {}", "Dr": "Dr {}", "Prof": "Pr {}"},
    "zh": {"Mr": "{}先生", "Ms": "{}女士", "Dr": "{}博士", "Prof": "{}教授"},
}
"""Language → meaning → title, with a place for the name. Of several titles German alone has all."""


_ANY_TITLE = "|".join(sorted({title for titles in _TITLES.values() for title in titles}, reverse=True))
TITLED = re.compile(rf"(?:{_ANY_TITLE})\.? ")
TITLE_AT_END = re.compile(rf"(?<![{LATIN}])(?:{_ANY_TITLE})\.? \Z")
"""What a name with a title begins with, and what a network may write before it of its own."""
_OFFICES = re.compile(
    "President|Chairman|Speaker|Minister|Secretary|Judge|Professor|Doctor|Président|Professeur|Ministre|Directeur|Maire"
    "|Präsident|Direktor|Doktor|Bürgermeister|Kollege|Nachbar|Ober|Lehrer|Pfarrer|Richter"
)
"""What stands after a title and is no name."""
_NOUN = re.compile(r".*(?:ung|heit|keit|schaft|tion|tät|ismus|nis|ling)(?:e[ns]?|en|s|se|sen)?|.{14,}")
"""Of German, what hardly any name is like."""
_VERB = re.compile(r".*e(?:[lr]?n)?")
"""The same, at the beginning of a sentence, where imperatives stand."""
_AFTER_VERB = re.compile(r"(?i:the|an?|your|my|this|these|all|it|les?|la|une?|des|vos|votre|ce|cette|ces)")
"""What follows an imperative of English or French at the beginning of a sentence, and no name."""


_OF_COMPOUND = re.compile("Pre|Pré|Post|Pro|Anti|Ex|Non|Half|Demi|Semi|Based|Like|Ready|Style|Free|Only")
"""What hyphens join to a name and is none."""


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
        """What the words that a network has met have of it: of ``O'Brien`` the second part."""
        return re.split("['’]", self.text)[-1]


def find_names(text: str, task: Task, known: KnownWords, *, capitals_tell: bool = True) -> Iterator[Name]:
    """Yield the names of a text that a network with these words has not met, in their order.

    One that it has met is part of one beside it that it has not, as in ``Thomas Gutierrez``. Where capitals tell
    nothing, as the text was written in them, names are words with digits or with capitals amid small letters.
    """
    if not known.of(task.source):  # there is nothing to tell by
        return
    words = [_Word(*found.span(), found[0]) for found in _WORD.finditer(text)]
    before = [text[low.end : high.start] for low, high in zip([_Word(0, 0, ""), *words], words, strict=False)]
    titles = _TITLES.get(base_of(task.source), {})
    new = [
        (capitals_tell or not _is_title_case(word.core))
        and word.text not in titles
        and not _OF_COMPOUND.fullmatch(word.text)
        and _is_new_at(n, words, before, task.source, known)
        for n, word in enumerate(words)
    ]
    if capitals_tell and base_of(task.source) not in NOUNS_HAVE_CAPITALS:
        _complete_compounds(new, words, before)
    is_part = [
        is_new or (word.text not in titles and _is_name_in_both(word.core, task, known))
        for is_new, word in zip(new, words, strict=True)
    ]
    at = 0
    while at < len(words):
        first = at
        while words[first].text in titles and first + 1 < len(words) and before[first + 1] in _AFTER_TITLE:
            first += 1
        has_title = first > at and _takes_title(words, at, first, task.source)
        first = first if has_title else at
        end = first + 1 if has_title else first
        while end < len(words) and is_part[end] and (end == first or before[end] in _JOINS):
            end += 1
        if has_title or any(new[first:end]):
            number = _NUMBER_OF_NAME.match(text, words[end - 1].end)
            stop = number.end() if number else words[end - 1].end
            meanings = [titles[word.text] for word in words[at:first]]
            yield Name(words[at].start, stop, _titled(text[words[first].start : stop], meanings, base_of(task.target)))
        at = max(end, at + 1)


def _complete_compounds(new: list[bool], words: Sequence[_Word], before: Sequence[str]) -> None:
    """Let all words of ``Aix-en-Provence`` be new, in place, where one of them is."""
    firsts = [n for n in range(len(words)) if n == 0 or before[n] != "-"]
    for first, end in pairwise([*firsts, len(words)]):
        outer = words[first].text, words[end - 1].text
        is_name = all(word[0].isupper() for word in outer) and not any(map(_OF_COMPOUND.fullmatch, outer))
        if any(new[first:end]) and is_name:
            new[first:end] = [True] * (end - first)


def _titled(name: str, meanings: Sequence[str], target: str) -> str:
    written = _WRITTEN.get(target, {})
    for meaning in reversed(meanings if target == "de" else meanings[-1:]):
        name = written.get(meaning, "{}").format(name)
    return name


def _takes_title(words: Sequence[_Word], at: int, name: int, source: str) -> bool:
    """Say whether what stands after a title is a name, and the title none: ``seiner Frau Parfüm``."""
    word = words[name].core
    has_article = base_of(source) in NOUNS_HAVE_CAPITALS and _is_determined(words, at)
    return len(word) > 1 and word[0].isupper() and not _OFFICES.fullmatch(word) and not has_article


def _is_name_in_both(word: str, task: Task, known: KnownWords) -> bool:
    return known.has_name(word, task.source) and word in known.of(task.target)


def _is_new_at(n: int, words: Sequence[_Word], before: Sequence[str], source: str, known: KnownWords) -> bool:
    has_capital_nouns = base_of(source) in NOUNS_HAVE_CAPITALS
    has_capital_anyway = has_capital_nouns or n == 0 or bool(_BEGINS_ANEW.search(before[n]))
    if not is_new(words[n].core, source, known, has_capital_anyway=has_capital_anyway):
        return False
    if not _is_title_case(words[n].core):
        return True
    after = words[n + 1].text if n + 1 < len(words) else ""
    if has_capital_nouns:
        is_alone = not (after[:1].isupper() and is_new(after, source, known))  # and no first name
        is_word = _NOUN.fullmatch(words[n].core) or (n == 0 and _VERB.fullmatch(words[n].core))
        return not (_is_determined(words, n) or (is_alone and is_word))
    return not (n == 0 and _AFTER_VERB.fullmatch(after))


def is_new(word: str, source: str, known: KnownWords, *, has_capital_anyway: bool = True) -> bool:
    """Say whether a word looks like a name and is none that the network has met.

    ``has_capital_anyway`` says whether other words at its place have a capital, too.
    """
    if not known.of(source) or len(word) < 2 or not _WORD.fullmatch(word):
        return False
    if known.has(word, source) or word.lower() in FUNCTION_WORDS.get(base_of(source), ()):
        return False
    if is_spaceless(source):  # it is of other letters than all words are
        return not word.isdecimal()
    if _is_title_case(word):
        return not (has_capital_anyway and known.has_form(word, source))
    return not word.islower() if word.isalpha() else word[0].isalpha()


def is_title(word: str, source: str) -> bool:
    """Say whether a word is a title of names."""
    return word in _TITLES.get(base_of(source), {})


def _is_title_case(word: str) -> bool:
    return word[0].isupper() and word[1:].islower()


def _is_determined(words: Sequence[_Word], n: int) -> bool:
    """Say whether an article stands before a word, or before what may be an adjective of it."""
    before = [word.text for word in words[max(0, n - 2) : n]]
    if before and _INFLECTED.fullmatch(before[-1]) and not _DETERMINER.fullmatch(before[-1]):
        before.pop()
    return bool(before) and bool(_DETERMINER.fullmatch(before[-1].lower()))
