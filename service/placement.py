"""Where in a translated text the inline elements of its source belong: around the words that came of theirs.

Elements are placed from the outside to the inside, each around the one run of units that gains most: the sum of the
attention to its own characters less that to all others. So each is there once, within its parent, and apart from its
siblings, whatever the attention looks like.
"""

import unicodedata
from collections.abc import Sequence
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from service.alignment import Alignment, Links, Range, align
from service.blocks import Block, Element, write_block
from service.spans import Protected, without_spans
from service.text import Document

Floats = NDArray[np.float64]

_FREE, _ANCHORED = -1, -2
_TAKEN = -1e6
"""The gain of a unit that a sibling has."""
_MARK = -0.05
"""The gain of a punctuation mark, whose attention says little: it is in a run for the words on both of its sides."""
_FAINT = 0.1
"""A word that attended less to an element is not of it: the network left its words out."""


def write_translation(
    block: Block,
    protected: Protected,
    document: Document,
    sentences: Sequence[str],
    language: str,
    links: Sequence[Links],
) -> str:
    """Return the HTML of a block with sentences in ``language`` in the place of its own.

    ``protected`` is of the block's text and ``document`` of the protected one; ``sentences`` still have stand-ins, and
    ``links`` tell what their pieces attended to.
    """
    target = protected.restore(document.join(sentences, language))
    if not block.elements:
        return write_block(block, target, ())
    alignment = align(protected, document, sentences, language, links)
    return write_block(block, target, place_elements(block.elements, block.text, target, alignment))


def place_elements(elements: Sequence[Element], source: str, target: str, alignment: Alignment) -> list[Range]:
    """Return the range of ``target`` for each element of ``source``; those of children are within their parent's."""
    placer = _Placer(elements, source, target, alignment)
    children: list[list[int]] = [[] for _ in range(len(elements) + 1)]
    for i, element in enumerate(elements):
        children[element.parent].append(i)
    for parent in range(-1, len(elements)):
        if children[parent]:
            placer.place(children[parent], parent)
    return placer.ranges


class _Placer:
    """Knows which elements are placed already: as ranges of characters, and as boxes, which are ranges of units."""

    def __init__(self, elements: Sequence[Element], source: str, target: str, alignment: Alignment) -> None:
        self.elements, self.source, self.target, self.alignment = elements, source, target, alignment
        self.bare = without_spans(source, longer_than=1)  # whose marks are their own; one character is a mark itself
        self.units = alignment.units
        self.ranges: list[Range] = [(0, 0)] * len(elements)
        self.boxes: dict[int, Range] = {}
        self.anchored: set[int] = set()
        self.owner = np.full(len(self.units), _FREE)  # which of the elements that were placed last has a unit
        self.total = np.concatenate([np.zeros(0), *(segment.before[:, -1] for segment in alignment.segments)])
        self.is_mark = np.array([end - start == 1 and _is_mark(target[start]) for start, end in self.units], dtype=bool)

    def place(self, siblings: Sequence[int], parent: int) -> None:
        """Place all children of an element that has its place, or of the text."""
        box = (0, len(self.units)) if parent < 0 else self.boxes[parent]
        around = (0, len(self.target)) if parent < 0 else self.ranges[parent]
        self.owner[slice(*box)] = _FREE
        rest = [i for i in siblings if not self._anchor(i, box, around)]
        holding = [i for i in rest if self.elements[i].start < self.elements[i].end]
        wanted = {i: self._best_run(i, box) for i in holding}
        for i in sorted(holding, key=lambda i: -wanted[i][0]):
            run = wanted[i][1]
            if (self.owner[slice(*run)] != _FREE).any():
                _, run = self._best_run(i, box)
            if run[0] < run[1]:
                self._take(i, self._with_marks(i, run, box))
        for i in rest:
            if i not in self.boxes:
                self._put(i, box, around)

    def _anchor(self, i: int, box: Range, around: Range) -> bool:
        """Place an element that is within a span which went through unchanged."""
        start, end, parent = self.elements[i][:3]
        anchor = self.alignment.anchor_at(start, end)
        if anchor is None or not box[0] <= anchor.unit < box[1]:
            return False
        if (end <= anchor.start or start >= anchor.end) and parent not in self.anchored:
            return False
        offset = self.units[anchor.unit][0] - anchor.start
        start, end = (min(max(place + offset, around[0]), around[1]) for place in (start, end))
        self.ranges[i], self.boxes[i] = (start, end), (anchor.unit, anchor.unit + 1)
        self.anchored.add(i)
        self.owner[anchor.unit] = _ANCHORED
        return True

    def _window(self, start: int, end: int, box: Range) -> tuple[Range, Floats]:
        """Return units that may have come of a range of the source, and how much they attended to it: (U,)."""
        segments = self.alignment.segments
        first, last = self.alignment.segment_at(start), self.alignment.segment_at(max(start, end - 1))
        begin, stop = segments[first].first_unit, segments[last].first_unit + len(segments[last].before)
        inside = self.total[begin:stop].copy()
        for segment in {first: segments[first], last: segments[last]}.values():
            at = segment.first_unit - begin
            inside[at : at + len(segment.before)] = segment.attended_before(end) - segment.attended_before(start)
        low, high = max(begin, box[0]), min(stop, box[1])
        if low >= high:  # the parent is elsewhere, as it was put around the wrong words
            return box, np.zeros(box[1] - box[0])
        return (low, high), inside[low - begin : high - begin]

    def _best_run(self, i: int, box: Range) -> tuple[float, Range]:
        """Return the run of free units that gains most for an element, and how much; if no word is its, an empty run.

        The run of the largest sum is found in one pass (Bentley 1984, Programming pearls: algorithm design techniques).
        """
        element = self.elements[i]
        if box[0] == box[1]:
            return 0.0, box
        (low, high), inside = self._window(element.start, element.end, box)
        gain = 2 * inside - self.total[low:high]
        if any(map(str.isalnum, self.source[element.start : element.end])):
            gain[self.is_mark[low:high]] = _MARK
            inside = np.where(self.is_mark[low:high], 0.0, inside)
        is_free = self.owner[low:high] == _FREE
        sums = np.concatenate([[0.0], np.cumsum(np.where(is_free, gain, _TAKEN))])
        least = np.minimum.accumulate(sums[:-1])
        end = int(np.argmax(sums[1:] - least))
        best = float(sums[end + 1] - least[end])
        if best > 0:
            start = int(np.flatnonzero(sums[: end + 1] == least[end])[-1])
            return best, (low + start, low + end + 1)
        word = int(np.argmax(np.where(is_free, inside, -1.0)))
        found = is_free[word] and inside[word] >= _FAINT
        return best, (low + word, low + word + int(found))

    def _take(self, i: int, run: Range) -> None:
        self.boxes[i] = run
        self.owner[slice(*run)] = i
        self.ranges[i] = self.units[run[0]][0], self.units[run[1] - 1][1]

    def _with_marks(self, i: int, run: Range, box: Range) -> Range:
        """Return the run with at most as many marks at each of its ends as the element has there."""
        text = self.bare[self.elements[i].start : self.elements[i].end]
        start, end = run
        while start + 1 < end and self.is_mark[start]:
            start += 1
        while end - 1 > start and self.is_mark[end - 1]:
            end -= 1
        marks, are_apart = _marks_in_front(text)
        for _ in range(marks):
            if start > box[0] and self._is_free_mark(start - 1) and (are_apart or self._joins(start - 1)):
                start -= 1
        marks, are_apart = _marks_in_front(text[::-1])
        for _ in range(marks):
            if end < box[1] and self._is_free_mark(end) and (are_apart or self._joins(end - 1)):
                end += 1
        return start, end

    def _is_free_mark(self, unit: int) -> bool:
        return bool(self.is_mark[unit] and self.owner[unit] == _FREE)

    def _joins(self, unit: int) -> bool:
        """Say whether there is no space between a unit and the next."""
        return self.units[unit][1] == self.units[unit + 1][0]

    def _put(self, i: int, box: Range, around: Range) -> None:
        """Place an element that holds nothing, or of whose words nothing came, where least is torn apart."""
        place = self.elements[i].start
        at = box[0] if box[0] == box[1] else self._best_cut(place, box)
        if at == box[0]:
            target = around[0]
        elif at == box[1]:
            target = around[1]
        elif place > 0 and self.source[place - 1].isspace():
            target = self.units[at][0]
        else:
            target = self.units[at - 1][1]
        self.ranges[i], self.boxes[i] = (target, target), (at, at)

    def _best_cut(self, place: int, box: Range) -> int:
        """Return before which unit to cut, so that those in front looked before a place and the others after it.

        No sibling is cut, and no mark cut off its word but where the source has it so.
        """
        segment = self.alignment.segments[self.alignment.segment_at(place)]
        (low, high), inside = self._window(segment.start, place, box)
        sums = np.concatenate([[0.0], np.cumsum(2 * inside - self.total[low:high])])
        beside = self.source[max(0, place - 1) : place + 1]
        is_between_words = len(beside) < 2 or beside != beside.strip()

        def may_be_cut(at: int) -> bool:
            if not box[0] < at < box[1]:
                return True
            if self.owner[at - 1] == self.owner[at] >= 0:
                return False
            has_mark = self.is_mark[at - 1] or self.is_mark[at]
            return not (is_between_words and has_mark and self._joins(at - 1))

        return max(filter(may_be_cut, range(low, high + 1)), key=lambda at: float(sums[at - low]), default=box[0])


def _marks_in_front(text: str) -> tuple[int, bool]:
    """Return how many marks are before the first word, and whether there is space around any of them."""
    front = "".join(takewhile(lambda character: _is_mark(character) or character.isspace(), text))
    marks = "".join(front.split())
    return len(marks), marks != front


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "P"
