"""Which words of a translated text came of which characters of its source, by the attention of the network.

A sentence is aligned by its own attention; what is between sentences, and what was protected, went through unchanged
and is aligned character by character. Where a network has no attention, words are taken to keep their order.

U units of the target sentence, T pieces of it, S pieces of the source, K knots.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.spans import Protected
from service.text import Document

Range = tuple[int, int]

_PRIVATE = "\ue000-\uf8ff\U000f0000-\U0010ffff"
_STAND_IN = re.compile(f"[{_PRIVATE}]")
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff"
"""Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Kana and Han."""
_MARKS = "".join(c for c in map(chr, range(0xFFFF)) if unicodedata.category(c)[0] in "PS")
_LETTER = rf"[^\s{_PRIVATE}{_UNSPACED}{re.escape(_MARKS)}]"
_UNIT = re.compile(rf"[{_PRIVATE}]|[{_UNSPACED}]+|{_LETTER}+(?:['’‑-]{_LETTER}+)*|\S")
_TYPED = str.maketrans("‘’‚‛ʼ´‹›„“”‟«»‐‑‒–—―−", "'" * 8 + '"' * 6 + "-" * 7)
_NEAR = 8
"""Characters that a piece may be away from where it is expected, as normalizing changes some."""


class Links(NamedTuple):
    """What the pieces of a translated sentence attended to, the frame of tag and end of sentence left out."""

    source: Sequence[str]
    target: Sequence[str]
    weights: NDArray[np.floating] | None
    """(T, S); None of a network without attention."""


class Segment(NamedTuple):
    """A stretch of the source, and where the units that came of it looked."""

    start: int
    first_unit: int
    knots: NDArray[np.int64]
    """(K,) Places in the source, ascending, between which attention is even."""
    before: NDArray[np.float64]
    """(U, K) How much of each unit's attention is before each knot."""

    def attended_before(self, place: int) -> NDArray[np.float64]:
        """Return how much of each unit's attention (U,) is before a place in the source."""
        k = int(np.searchsorted(self.knots, place, side="right"))
        if k == 0:
            return np.zeros(len(self.before))
        if k == len(self.knots):
            return np.asarray(self.before[:, -1])
        share = (place - self.knots[k - 1]) / (self.knots[k] - self.knots[k - 1])
        return np.asarray(self.before[:, k - 1] * (1 - share) + self.before[:, k] * share)


class Anchor(NamedTuple):
    """A unit that is the same in source and target."""

    start: int
    end: int
    """Its range of the source."""
    unit: int


class Alignment(NamedTuple):
    """A translated text as units, words most of them, and where in the source each came from."""

    units: list[Range]
    """Ranges of the target in its order; no element begins or ends within one, but in an anchor."""
    segments: list[Segment]
    """In the order of source and target, with all of the units."""
    anchors: list[Anchor]
    """In the order of the source."""

    def segment_at(self, place: int) -> int:
        """Return which segment a place in the source is of, or else follows."""
        return max(0, bisect_right(self.segments, place, key=lambda segment: segment.start) - 1)

    def anchor_at(self, start: int, end: int) -> Anchor | None:
        """Return the anchor that holds a range of the source."""
        i = bisect_right(self.anchors, start, key=lambda anchor: anchor.start) - 1
        return self.anchors[i] if i >= 0 and end <= self.anchors[i].end else None


def align(
    protected: Protected, document: Document, sentences: Sequence[str], language: str, links: Sequence[Links]
) -> Alignment:
    """Align a text with its translation.

    ``document`` is of the protected text, and ``sentences``, with stand-ins, are what it is joined of in ``language``;
    the alignment is of both texts with the spans in the place of their stand-ins. ``links``
    are those of each sentence.
    """
    gaps = document.gaps_around(sentences, language)
    source = _Side(protected)
    target = _Side(protected)
    alignment = Alignment([], [], [])
    for i, gap in enumerate(gaps):
        _align_gap(source.take(document.gaps[i]), target.take(gap), alignment)
        if i < len(sentences):
            _align_sentence(source.take(document.sentences[i]), target.take(sentences[i]), links[i], alignment)
    alignment.anchors.sort()
    return alignment


class _Stretch(NamedTuple):
    """A stretch of a protected text."""

    text: str
    places: list[int]
    """Where each of its characters begins when the spans are in it, and where the last ends."""

    def range(self, start: int, end: int) -> Range:
        return self.places[start], self.places[end]


class _Side:
    """Reads a protected text from left to right."""

    def __init__(self, protected: Protected) -> None:
        self.protected = protected
        self.place = 0

    def take(self, text: str) -> _Stretch:
        places = [self.place]
        for character in text:
            places.append(places[-1] + (len(self.protected.restore(character)) if character > "\uf8ff" else 1))
        self.place = places[-1]
        return _Stretch(text, places)


def _align_gap(source: _Stretch, target: _Stretch, alignment: Alignment) -> None:
    shift = _indent(source.text) - _indent(target.text)
    for start, end in find_units(target.text, set()):
        unit = len(alignment.units)
        place, after = source.range(start + shift, end + shift)
        alignment.units.append(target.range(start, end))
        alignment.segments.append(Segment(place, unit, np.array([place, after]), np.array([[0.0, 1.0]])))
        alignment.anchors.append(Anchor(place, after, unit))


def _indent(gap: str) -> int:
    return len(gap) - len(gap.lstrip())


def _align_sentence(source: _Stretch, target: _Stretch, links: Links, alignment: Alignment) -> None:
    first = len(alignment.units)
    read = find_pieces(links.source, source.text)
    written = find_pieces(links.target, target.text)
    units = find_units(target.text, {start for start, _ in written})
    if not read or not units:
        return
    if links.weights is None:
        weights = _of_units(units, _stretched(read, len(target.text) / len(source.text)))
    else:
        weights = _of_units(units, written) @ links.weights  # (U, S)
    for n, (start, end) in enumerate(units):
        if _STAND_IN.fullmatch(target.text, start, end) and (at := source.text.find(target.text[start:end])) >= 0:
            weights[n] = [float(here <= at < there) for here, there in read]
            alignment.anchors.append(Anchor(*source.range(at, at + 1), first + n))
    ends = np.cumsum(weights, axis=1)
    before = np.stack([ends - weights, ends], axis=2).reshape(len(units), -1)  # (U, 2 S)
    knots = np.array([source.places[place] for piece in _ascending(read) for place in piece])
    alignment.segments.append(Segment(source.places[0], first, knots, before))
    alignment.units.extend(target.range(*unit) for unit in units)


def _ascending(pieces: Sequence[Range]) -> list[Range]:
    """Return the places of pieces, of which several that are bytes of one character take it once."""
    return [
        (end, end) if n and pieces[n - 1] == (start, end) else (start, end) for n, (start, end) in enumerate(pieces)
    ]


def _stretched(pieces: Sequence[Range], factor: float) -> list[tuple[float, float]]:
    """Return where pieces of the source would be if their translation kept their order; there is no space between."""
    ends = [end * factor for _, end in pieces]
    return list(zip([0.0, *ends], ends, strict=False))


def _of_units(units: Sequence[Range], pieces: Sequence[tuple[float, float]]) -> NDArray[np.float64]:
    """Return how much of each unit's characters each piece has: (U, T), of which a row adds up to 1 or is 0."""
    if not units or not pieces:
        return np.zeros((len(units), len(pieces)))
    of_units, of_pieces = np.array(units, dtype=float)[:, None], np.array(pieces, dtype=float)[None]
    shared = np.minimum(of_units[..., 1], of_pieces[..., 1]) - np.maximum(of_units[..., 0], of_pieces[..., 0])
    shared = np.maximum(shared, 0.0)
    return np.asarray(shared / np.maximum(shared.sum(axis=1, keepdims=True), 1e-9))


def find_units(text: str, cuts: set[int]) -> list[Range]:
    """Cut a text into words, marks and stand-ins; scripts without spaces at ``cuts``, where pieces begin."""
    units: list[Range] = []
    for found in _UNIT.finditer(text):
        start, end = found.span()
        inner = sorted(cuts.intersection(range(start + 1, end))) if re.match(f"[{_UNSPACED}]", found[0]) else []
        units += zip([start, *inner], [*inner, end], strict=True)
    return units


def as_typed(text: str) -> str:
    """Return a text, as long as it was, in small letters and with typed marks, as it may have been to the network."""
    small = "".join(small if len(small := character.lower()) == 1 else character for character in text)
    return small.translate(_TYPED)


def find_pieces(pieces: Sequence[str], text: str) -> list[Range]:
    """Return where in a text each piece of it stands; white space is of no piece, a mask is any stand-in.

    The text may differ from the pieces a little, as by normalizing. Pieces of a character's bytes all stand for it.
    """
    ranges: list[Range] = []
    at = 0
    written = as_typed(_STAND_IN.sub("\ue000", text))
    i = 0
    while i < len(pieces):
        if byte := _BYTE.fullmatch(pieces[i]):
            stop = i + _bytes_of_character(int(byte[1], 16))
            found = [one for one in takewhile(bool, map(_BYTE.fullmatch, pieces[i:stop])) if one]
            stop = i + len(found)
            says = bytes(int(one[1], 16) for one in found).decode(errors="ignore")
        else:
            stop = i + 1
            says = _STAND_IN.sub("\ue000", pieces[i].replace("▁", ""))
        start = None
        for character in as_typed(says):
            place = written.find(character, at, at + _NEAR)
            if place >= 0:
                start, at = place if start is None else start, place + 1
        ranges += [(at if start is None else start, at)] * (stop - i)
        i = stop
    return ranges


def _bytes_of_character(first: int) -> int:
    """Return of how many bytes a character of UTF-8 is that begins with this one."""
    return 1 if first < 0xC0 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
