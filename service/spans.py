"""What has to come back as it went in: addresses, placeholders, code, emoji.

Such spans are found before a text is cut into sentences, and each is one character from then on, a stand-in of private
use. A sentence gives its stand-ins, and its numbers, to the network as masks, which it was trained to carry over.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from html.entities import html5
from itertools import groupby
from typing import NamedTuple

from model.config import Task
from model.known_words import KnownWords
from model.masks import LATIN
from service.identifiers import IDENTIFIER, SIGN_OF_IDENTIFIER, TIMESTAMP
from service.names import TITLE_AT_END, TITLED, find_names
from service.numbers import find_numbers, with_ordinal

_NONE = KnownWords()

_FIRST, _LAST = 0xF0000, 0x10FFFF
"""The stand-ins: the planes of private use."""
_ONE_WORD = re.compile(rf"\d{{2}}|[{LATIN}]{{2}}")
_STAND_IN = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")

_EMOJI = "\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u27bf\u2b00-\u2bff\u00a9\u00ae\u203c\u2049"
_JOINERS = "\ufe0f\u200d\u20e3\U000e0020-\U000e007f"
"""What joins emoji and tells their kind; the words of some scripts hold them too."""

_NOT_OF_URL = r"\s<>\"`{}|\\^()\u0080-\u00bf\u2000-\uffff"
"""Letters of scripts without spaces between words are the text around an address; others may belong to it."""
_OF_URL = rf"[^{_NOT_OF_URL}]"
_END_OF_URL = rf"[^{_NOT_OF_URL}.,;:!?'\]]"
_URL = rf"(?:{_OF_URL}|\({_OF_URL}*\))*(?:{_END_OF_URL}|\({_OF_URL}*\))"  # parentheses in pairs
_DOMAIN = r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"
_NAMES = groupby(sorted(name for name in html5 if name.endswith(";")), key=lambda name: name[0])
_ENTITY = "|".join(f"{first}(?:{'|'.join(name[1:] for name in names)})" for first, names in _NAMES)
"""By their first letters, as each & is compared with one alternative after the other."""

_GROUPS = r"(?<![A-Za-z0-9_.,])(?!\d{1,3}(?:\.\d{3})+(?![\w.]))\d+(?:[-./:]\d+){2,}(?![A-Za-z0-9_])"
"""Dates, times, versions and addresses, but no thousands."""
# In the order in which they are tried at a place. \b would not do beside Chinese, which leaves no space around words.
_SPAN = re.compile(
    "|".join(
        (
            r"``[^`\n]+``|(?::[\w:+.-]{1,60}:)?`[^`\s](?:[^`\n]*[^`\s])?`_{0,2}",  # code, and reST roles and links
            r"</?[A-Za-z][^<>\n]{0,500}>",  # tags, and addresses as mail has them
            rf"(?:https?|ftp)://{_URL}|(?<![A-Za-z0-9_])www\.{_URL}",
            rf"(?<![A-Za-z0-9._+-])[A-Za-z0-9._+-]+@{_DOMAIN}",
            rf"(?<![A-Za-z0-9])@[A-Za-z0-9_]+(?:@{_DOMAIN})?",  # somebody on a social network
            r"(?<![A-Za-z0-9&])#[^\W\u2000-\uffff]+",
            r"\{\{[^{}\n]*\}\}|\$?\{[^{}\s]*\}|%\{\w+\}|%\(\w+\)[a-z]",
            r"(?<!\d)%(?:\d+\$)?[.\d]*[sdifxu@](?![A-Za-z0-9])",
            TIMESTAMP,
            _GROUPS,
            f"(?P<identifier>{IDENTIFIER})",
            rf"&(?:#\d+;|#x[0-9a-fA-F]+;|{_ENTITY})",
            r"(?<!\S)&(?!\S)",  # by itself it is a word that networks have hardly seen
            rf"(?:[0-9#*]\ufe0f?\u20e3|[{_EMOJI}][{_EMOJI}{_JOINERS}]*)+",
            rf"[\ue000-\uf8ff{chr(_FIRST)}-{chr(_LAST)}]",
        )
    )
)


# Most texts hold no span, and to see that by this takes a tenth of the time.
_SIGN = re.compile(
    rf"\d[-./:]\d|www\.|{SIGN_OF_IDENTIFIER}"
    rf"|[`/@#<{{%&\u20e3{_EMOJI}\ue000-\uf8ff{chr(_FIRST)}-{chr(_LAST)}]"
)
"""What every span holds one of."""


class Protected(NamedTuple):
    """A text with a stand-in for each span."""

    text: str
    spans: list[str]
    """What the stand-ins stand for, in their order."""

    def restore(self, text: str) -> str:
        """Put the spans in the place of their stand-ins, wherever these stand now."""

        if not self.spans:
            return text

        def span(found: re.Match[str]) -> str:
            place = ord(found[0]) - _FIRST
            return self.spans[place] if place < len(self.spans) else found[0]

        return _STAND_IN.sub(span, text)


def protect(text: str, is_term: Callable[[str], bool] = lambda _: False) -> Protected:
    """Find the spans of a text; of more than there are stand-ins, the last are left, and characters among them lost.

    An identifier that is a term, which has a translation, is no span.
    """
    spans: list[str] = []
    if not _SIGN.search(text):
        return Protected(text, spans)

    def stand_in(match: re.Match[str]) -> str:
        if match["identifier"] and is_term(match[0]):
            return match[0]
        if _FIRST + len(spans) > _LAST:
            return _STAND_IN.sub("", match[0])
        spans.append(match[0])
        return chr(_FIRST + len(spans) - 1)

    return Protected(_SPAN.sub(stand_in, text), spans)


def without_spans(text: str, longer_than: int = 0, is_term: Callable[[str], bool] = lambda _: False) -> str:
    """Return a text, as long as it was, with characters that are of no word in the place of its spans."""

    def bare(found: re.Match[str]) -> str:
        if found["identifier"] and is_term(found[0]):
            return found[0]
        return "\0" * len(found[0]) if len(found[0]) > longer_than else found[0]

    return _SPAN.sub(bare, text) if _SIGN.search(text) else text


def span_ranges(text: str) -> list[tuple[int, int]]:
    """Return where the spans of a text are, in their order."""
    return [found.span() for found in _SPAN.finditer(text)] if _SIGN.search(text) else []


class Masked(NamedTuple):
    """A sentence as the network reads it, with a mask for each stand-in and number."""

    text: str
    read: dict[str, str]
    """Mask → the stand-in or number in whose place it is ..."""
    written: dict[str, str]
    """... and what comes into its place in the output."""
    masks: str
    """All that the network knows."""
    is_complete: bool
    """Whether there were enough for all stand-ins and numbers."""

    def is_whole(self, output: str) -> bool:
        """Say whether an output of the network has each mask once."""
        return all(output.count(mask) == 1 for mask in self.written)

    def restore(self, output: str) -> str:
        """Replace the masks, each once; a mask too many goes, a missing one is added.

        Numbers stay apart from digits that the network wrote beside them, and words from letters before them. A name
        with a title has none before that, and where there are no other words the network has none to say.
        """
        if self.written and not any(map(str.isalpha, self.text)):
            output = self.text
        for mask, text in self.written.items():
            before, found, after = output.partition(mask)
            if not found:
                output = f"{output} {text}".lstrip()
                continue
            if TITLED.match(text):
                before = TITLE_AT_END.sub("", before)
            space = " " if _ONE_WORD.fullmatch(before[-1:] + text[0]) else ""
            space_after = " " if after[:1].isdecimal() and text[-1].isdecimal() else ""
            output = before + space + with_ordinal(text, space_after + after)
        return re.sub(f" ?[{self.masks}]", "", output) if self.masks else output


def with_masks(
    sentence: str,
    masks: str,
    task: Task,
    known: KnownWords = _NONE,
    kept: Sequence[tuple[int, int]] = (),
    *,
    capitals_tell: bool = True,
) -> Masked:
    """Give a sentence's stand-ins and numbers, and the names that are no ``known`` words, to the network as masks.

    Numbers and names within the ranges ``kept`` stay for the network to copy, as all do without masks. So do names for
    which no mask is left: better another name than a sentence that is cut. ``capitals_tell`` as find_names has it.
    """
    found = [(place.start(), place.end(), place[0]) for place in _STAND_IN.finditer(sentence)]
    names = _apart(find_names(sentence, task, known, capitals_tell=capitals_tell), kept) if masks else []
    numbers = _apart(find_numbers(sentence, task), kept) if masks else []
    found += [one for one in numbers if not any(name[0] <= one[0] and one[1] <= name[1] for name in names)]
    is_complete = len(found) <= len(masks)
    found += _apart(names, [(start, end) for start, end, _ in found])[: max(0, len(masks) - len(found))]
    found.sort()
    text = ""
    at = 0
    read: dict[str, str] = {}
    written: dict[str, str] = {}
    for mask, (start, end, output) in zip(masks, found, strict=False):
        text += sentence[at:start] + mask
        read[mask], written[mask] = sentence[start:end], output
        at = end
    return Masked(text + sentence[at:], read, written, masks, is_complete)


def _apart(found: Iterable[tuple[int, int, str]], kept: Sequence[tuple[int, int]]) -> list[tuple[int, int, str]]:
    """Return what overlaps none of the ranges."""
    return [one for one in found if not any(start < one[1] and one[0] < end for start, end in kept)]
