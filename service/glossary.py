"""Glossaries: which translation a term has to have, where a sentence has it, and what it is written like there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Optional

import torch

from model.config import MAX_BEAM_SIZE, Task
from model.guidance import Terms, Words
from model.tokenizer import Tokenizer
from service.alignment import as_typed, find_pieces
from service.casing import capitalized
from service.chinese import simplified
from service.function_words import FUNCTION_WORDS
from service.languages import base_of, is_spaceless
from service.normalization import for_network

MAX_FORCED_PIECES = MAX_BEAM_SIZE - 1
"""In a sentence; a beam has a place for each, and one for what has none of them."""
_LETTER = re.compile(r"[^\W\d_]")


class Found(NamedTuple):
    """A term in a text."""

    start: int
    end: int
    translation: str


class Vocabulary(NamedTuple):
    """What terms of a task are to its network."""

    task: Task
    tokenizer: Tokenizer
    words: Words
    """Of the target language."""

    @classmethod
    def of(cls, task: Task, tokenizer: Tokenizer) -> "Vocabulary":
        """Sort the pieces by what they may be in the target language."""
        pieces = tokenizer.pieces(range(len(tokenizer)))
        small = FUNCTION_WORDS.get(base_of(task.target))
        has_spaces = not is_spaceless(task.target)
        continuing = [has_spaces and piece[0].isalnum() for piece in pieces]
        beginning = [
            has_spaces and small is not None and _begins_a_word(piece) and piece[1:].lower() not in small
            for piece in pieces
        ]
        return cls(task, tokenizer, Words(torch.tensor(continuing), torch.tensor(beginning)))

    def as_read(self, term: str) -> str:
        """Return a term as the network's sentences have it, in small letters."""
        normalized = for_network(term, self.task.source, lambda text: len(self.tokenizer.encode(text)))
        return as_typed(normalized.text).strip()

    def as_written(self, translation: str) -> list[int]:
        """Return the pieces that a translation is in an output."""
        pieces = self.tokenizer.encode(simplified(translation) if self.task.target == "zh" else translation)
        is_apart = is_spaceless(self.task.target) and self.tokenizer.pieces(pieces[:1]) == ["▁"]
        return pieces[1:] if is_apart else pieces


class Glossary:
    """Terms as people write them, each with what its translation has to be; they outrank those of another glossary.

    Terms are whole words, in capitals or not, and in languages without spaces any characters; of two that overlap the
    first counts, of two that begin together the longer.
    """

    def __init__(
        self, vocabulary: Vocabulary, terms: Mapping[str, str], outranked: Optional["Glossary"] = None
    ) -> None:
        self.vocabulary = vocabulary
        self._outranked = outranked
        self._has_spaces = not is_spaceless(vocabulary.task.source)
        self._translations = {vocabulary.as_read(term): translation for term, translation in terms.items()}
        self._translations.pop("", None)  # of a term that shows nothing
        lengths: dict[str, set[int]] = {}
        for term in self._translations:
            lengths.setdefault(term[0], set()).add(len(term))
        self._lengths = {first: sorted(of_first, reverse=True) for first, of_first in lengths.items()}
        self._is_empty: bool = not self._translations and (outranked is None or outranked._is_empty)

    def under(self, terms: Mapping[str, str]) -> "Glossary":
        """Return a glossary of these terms and others, which outrank these."""
        return Glossary(self.vocabulary, terms, self) if terms else self

    def find(self, text: str) -> Iterator[Found]:
        """Yield the terms of a text, in their order."""
        if self._is_empty:
            return
        small = as_typed(text)
        at = 0
        while at < len(small):
            if (found := self._at(small, at)) is not None:
                yield found
            at = found.end if found else at + 1

    def has(self, text: str) -> bool:
        """Say whether a text is a term, the whole of it."""
        found = None if self._is_empty or not text else self._at(as_typed(text), 0)
        return found is not None and found.end == len(text)

    def forced(self, found: Sequence[Found], text: str, source: Sequence[int]) -> Terms:
        """Return what the translation of a sentence with these terms has to hold; ``source``, framed, is its text.

        Those terms for which no beam is wide enough are left out, the last first.
        """
        read = find_pieces(self.vocabulary.tokenizer.pieces(source)[1:-1], text) if found else []
        terms = Terms([], [], self.vocabulary.words)
        for start, end, translation in found:
            places = [i for i, (low, high) in enumerate(read, 1) if low < end and high > start]
            # What begins the sentence may well begin the translation, too.
            form = _capitalized(translation, self.vocabulary.task.target) if _begins_with(text, start) else translation
            add_fitting(terms, self.vocabulary.as_written(form), places)
        return terms

    def _at(self, text: str, at: int) -> Found | None:
        """Return the longest term that stands at a place of a text in small letters."""
        if self._has_spaces and _is_of_word(text[at - 1 : at]):
            return None
        other = self._outranked._at(text, at) if self._outranked else None
        for length in self._lengths.get(text[at], ()):
            end = at + length
            if other and end < other.end:
                break
            ends = not (self._has_spaces and _is_of_word(text[end : end + 1]))
            if ends and (translation := self._translations.get(text[at:end])) is not None:
                return Found(at, end, translation)
        return other


def add_fitting(terms: Terms, phrase: Sequence[int], places: Sequence[int]) -> None:
    """Add a constraint, unless it is empty or no beam is wide enough for it."""
    if phrase and sum(map(len, terms.phrases)) + len(phrase) <= MAX_FORCED_PIECES:
        terms.phrases.append(phrase)
        terms.places.append(places)


def _capitalized(translation: str, language: str) -> str:
    """Return a translation as it begins a sentence; one that has a capital of its own, as ``iPhone``, as it is."""
    return capitalized(translation, base_of(language)) if translation.islower() else translation


def _begins_as_sentence(sentence: str) -> bool:
    first = _LETTER.search(sentence)
    return first is not None and not first[0].islower()


def _begins_with(sentence: str, start: int) -> bool:
    """Say whether a sentence has a capital, and it is that of a term at this place."""
    return _begins_as_sentence(sentence) and not _LETTER.search(sentence, 0, start)


def begun_as_sentence(output: str, sentence: str, found: Sequence[Found], language: str) -> str:
    """Return an output in ``language`` with a capital for the translation that begins it, if its sentence has one.

    That for which the capital was foreseen, as its term begins the sentence, has none elsewhere; a name that is written
    like it may lose its own.
    """
    first = _LETTER.search(output)
    if not found or not first or not _begins_as_sentence(sentence):
        return output
    small = found[0].translation
    foreseen = _capitalized(small, language)
    forms = sorted({foreseen, *(one.translation for one in found)}, key=len, reverse=True)
    begun = re.compile(rf"(?:{'|'.join(map(re.escape, forms))})(?!\w)").match(output, first.start())
    if begun:
        output = output[: begun.start()] + _capitalized(begun[0], language) + output[begun.end() :]
    if (begun and begun[0] in (small, foreseen)) or not _begins_with(sentence, found[0].start):
        return output
    return re.sub(rf"(?<!\w){re.escape(foreseen)}(?!\w)", lambda _: small, output, count=1)


def _begins_a_word(piece: str) -> bool:
    return piece[0] == "▁" and piece[1:2].isalpha()


def _is_of_word(character: str) -> bool:
    return character.isalnum() or character == "_"
