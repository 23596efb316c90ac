"""Terms of a glossary on their way through another language than that of the text and that of the answer.

Nobody knows what a term is in between. So it is a character of private use on the way, which networks with masks carry
over as they do an address, and becomes its translation in the answer.
"""

import html
import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from service.casing import capitalized, in_capitals
from service.chinese import simplified
from service.glossary import Glossary
from service.languages import base_of
from service.markup import Kind, cut
from service.parsing import TextFormat
from service.run import Answer
from service.spans import without_spans

_CHARACTERS = range(0x100000, 0x10FFFD)
"""A plane of private use, from its beginning; those that stand for elements of HTML are taken from its end."""
_TAG = re.compile(r"<[^<>]*>")
_BEFORE_A_SENTENCE = re.compile(r"(?:^|[.!?…。！？]|\n)[\s\"'»“”’„«)]*$")
_END = re.compile(r"[.!?…。！？]")
_CONTEXT = 200
"""Characters around a term that tell whether it begins a sentence, and whether that is shouted."""


class Carried:
    """The terms of some texts, each with a character that none of them has."""

    def __init__(self, texts: Sequence[str], glossary: Glossary, target: str, text_format: TextFormat) -> None:
        used = set().union(*texts)
        self._free: Iterator[str] = (chr(code) for code in _CHARACTERS if chr(code) not in used)
        self._glossary, self._target, self._is_html = glossary, base_of(target), text_format == "html"
        self._character_of: dict[tuple[str, bool], str] = {}
        self.texts = [self._carried(text) for text in texts]

    def __bool__(self) -> bool:
        return bool(self._character_of)

    def _carried(self, text: str) -> str:
        if not self._is_html:
            return "".join(self._replaced(line, list(line)) for line in text.splitlines(keepends=True))
        written: list[str] = []
        for is_text, parts in groupby(cut(text), key=lambda part: part.kind is Kind.TEXT):
            if not is_text:
                written += [part.raw for part in parts]
                continue
            says: list[str] = []
            raws: list[str] = []
            for part in parts:  # a character reference is one part
                says.append(part.text)
                raws += part.raw if part.text == part.raw else [part.raw, *[""] * (len(part.text) - 1)]
            written.append(self._replaced("".join(says), raws))
        return "".join(written)

    def _replaced(self, text: str, raws: Sequence[str]) -> str:
        """Replace the terms of a text, each character of which is written as ``raws`` say."""
        written: list[str] = []
        at = 0
        searched = without_spans(text, is_term=self._glossary.has)
        if self._glossary.vocabulary.task.source == "zh":  # whose terms are read in simplified characters
            searched = simplified(searched)
        for start, end, translation in self._glossary.find(searched):
            is_shouted = text[start:end].isupper() and _sentence_around(text, start, end).isupper()
            form = in_capitals(translation, self._target) if is_shouted else translation
            key = (form, form.islower() and not text[start].islower())
            character = self._character_of.get(key) or next(self._free, "")
            if character:
                self._character_of[key] = character
                written += [*raws[at:start], character]
                at = end
        return "".join([*written, *raws[at:]])

    def arrived(self, answer: Answer) -> Answer:
        """Return the answer with the translations of the terms."""
        if not self:
            return answer
        key_of = {character: key for key, character in self._character_of.items()}
        pattern = re.compile(f"[{''.join(key_of)}]")
        plain = str.maketrans({character: translation for character, (translation, _) in key_of.items()})

        def translation(found: re.Match[str]) -> str:
            form, may_begin = key_of[found[0]]
            if may_begin:
                before = found.string[max(0, found.start() - _CONTEXT) : found.start()]
                if _BEFORE_A_SENTENCE.search(_TAG.sub("", before) if self._is_html else before):
                    form = capitalized(form, self._target)
            return html.escape(form, quote=False) if self._is_html else form

        texts = list(dict.fromkeys(pattern.sub(translation, text) for text in answer.texts))
        outcomes = []
        for one in answer.outcomes:
            spans = [span.translate(plain) for span in one.protected.spans]
            outcomes.append(one._replace(protected=one.protected._replace(spans=spans)))
        return answer._replace(texts=texts, outcomes=outcomes)


def _sentence_around(text: str, start: int, end: int) -> str:
    before = _END.split(text[max(0, start - _CONTEXT) : start])[-1]
    return before + text[start:end] + _END.split(text[end : end + _CONTEXT])[0]
