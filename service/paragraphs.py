"""Paragraphs that were wrapped at a column, as one line each, and back into lines.

Mail and text files break lines where the next word no longer fits. To the reader such a break is a space; a break
after a label, a verse or a heading is not. They are told apart by what a wrapping program does: of a wrapped
paragraph, no line has room for the first word of the next.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from service.languages import is_spaceless
from service.numbers import number_ranges
from service.spans import span_ranges
from service.text import COLUMNS, LABEL, UNSPACED

MIN_WIDTH, MIN_WIDTH_WITHOUT_SPACES = 40, 20
"""Nobody wraps at less; labels that are as long as this are rare."""

_START = re.compile(
    r"(?P<quote>(?:\s*>)*\s*)"  # as mail quotes
    r"(?P<bullet>(?:[-*+•·‣–—]|\d{1,3}[.)]|[a-zA-Z][.)])\s+)?"
)
_ENDS_A_SENTENCE = re.compile(r"[.!?…:;。！？：；][\"'»“”’)\]」』]*$")
_FIELD = re.compile(r":\w[\w .-]*:\s")
"""Of reST: ``:param x: ``."""
_SPACE = re.compile(r"\s+")
_BREAK_WITHOUT_SPACES = re.compile(r"(?<=[^\sA-Za-z0-9(（「『《“])(?=[^\s，。！？；：、）」』》”,.!?;:)])|\s+")


class Line(NamedTuple):
    """One line: what stands before the text, the text, and what ends the line."""

    quote: str
    bullet: str
    core: str
    end: str


class Wrap(NamedTuple):
    """What the lines of one paragraph were like."""

    before: list[str]
    ends: list[str]
    lengths: list[int]


class Unwrapped(NamedTuple):
    """A text each of whose paragraphs is one line, and for each line how it was wrapped; None where it was not."""

    text: str
    wraps: list[Wrap | None]

    def rewrap(self, text: str, language: str) -> str:
        """Wrap a text in ``language`` that has the same lines as ``self.text``; a paragraph has as many as it had.

        It has fewer only where it has fewer words than it had lines.
        """
        lines = text.splitlines(keepends=True)
        lines += [""] * (len(self.wraps) - len(lines))  # of a last line without words and end, nothing is seen
        return "".join(
            line if how is None else wrap(line, how, language) for line, how in zip(lines, self.wraps, strict=True)
        )


def unwrap(text: str, language: str) -> Unwrapped:
    """Join the lines of each wrapped paragraph of a text in ``language``."""
    raw = text.splitlines(keepends=True)
    lines = [_line(one) for one in raw]
    joined: list[str] = []
    wraps: list[Wrap | None] = []
    start = 0
    while start < len(lines):
        stop = _end_of_paragraph(lines, start)
        if is_wrapped(lines[start:stop], language):
            joined.append(_joined(lines[start:stop], language))
            wraps.append(_wrap_of(lines[start:stop], language))
        else:
            joined += raw[start:stop]
            wraps += [None] * (stop - start)
        start = stop
    return Unwrapped("".join(joined), wraps)


def as_lines(text: str) -> Unwrapped:
    """Return a text none of whose lines was wrapped."""
    return Unwrapped(text, [None] * len(text.splitlines()))


def _line(raw: str) -> Line:
    (content,) = raw.splitlines()
    start = _START.match(content)
    assert start  # it matches the empty text, too
    core = content[start.end() :].rstrip()
    return Line(start["quote"], start["bullet"] or "", core, raw[start.end() + len(core) :])


def _end_of_paragraph(lines: Sequence[Line], start: int) -> int:
    """Return where the lines end that could be one paragraph: the first may be indented otherwise than the rest."""
    stop = start + 1
    if _stands_alone(lines[start].core):
        return stop
    while stop < len(lines) and not _stands_alone(lines[stop].core) and not _begins(lines[stop]):
        if lines[stop].quote.count(">") != lines[start].quote.count(">"):
            break
        if stop > start + 1 and lines[stop].quote != lines[stop - 1].quote:
            break
        stop += 1
    return stop


def _stands_alone(core: str) -> bool:
    """Say whether a line is of no paragraph: blank, a rule such as that below a heading, or a row of a table."""
    return not any(map(str.isalnum, core)) or core.startswith("|") or bool(COLUMNS.search(core))


def _begins(line: Line) -> bool:
    """Say whether a paragraph begins with a line, whatever is before."""
    is_labelled = line.core[0].isupper() and LABEL.match(line.core)
    return bool(line.bullet or is_labelled or _FIELD.match(line.core))


def is_wrapped(lines: Sequence[Line], language: str) -> bool:
    """Say whether a program wrapped these lines: whether there is a width that explains every break."""
    if len(lines) < 2:
        return False
    spaceless = is_spaceless(language)
    lengths = [len(line.quote + line.bullet + line.core) for line in lines]
    if max(lengths) < (MIN_WIDTH_WITHOUT_SPACES if spaceless else MIN_WIDTH):
        return False
    next_words = [1 if spaceless else 1 + len(line.core.split(maxsplit=1)[0]) for line in lines[1:]]
    needed = [length + word for length, word in zip(lengths, next_words, strict=False)]
    if min(needed) <= max(lengths):
        return False
    # Two lines are always full if the first is the longer; a sentence that goes on tells a paragraph from a list.
    return any(not _ENDS_A_SENTENCE.search(line.core) for line in lines[:-1])


def _joined(lines: Sequence[Line], language: str) -> str:
    first, last = lines[0], lines[-1]
    parts = [first.core, *(_space(*pair, language) + pair[1].core for pair in pairwise(lines))]
    return first.quote + first.bullet + "".join(parts) + last.end


def _space(line: Line, following: Line, language: str) -> str:
    """Return what stands between two lines when they are one."""
    return "" if is_spaceless(language) and UNSPACED.search(line.core[-1] + following.core[0]) else " "


def _wrap_of(lines: Sequence[Line], language: str) -> Wrap:
    first, *others = lines
    return Wrap(
        # What stands before the first line is in the text, as a bullet may be translated.
        before=["", *(line.quote for line in others)],
        ends=[line.end for line in lines],
        lengths=[
            len(first.quote + first.bullet + first.core),
            *(len(_space(*pair, language) + pair[1].core) for pair in pairwise(lines)),
        ],
    )


def _breaks(text: str, language: str) -> list[tuple[int, int]]:
    """Return where a text may be broken: between its words, of which a span is one, and a number with its unit."""
    pattern = _BREAK_WITHOUT_SPACES if is_spaceless(language) else _SPACE

    def is_within(ranges: list[tuple[int, int]], place: int) -> bool:
        before = bisect_left(ranges, (place,)) - 1
        return before >= 0 and place < ranges[before][1]

    spans, numbers = span_ranges(text), number_ranges(text)

    places = (found.span() for found in pattern.finditer(text) if found.start() > 0)
    return [place for place in places if not (is_within(spans, place[0]) or is_within(numbers, place[0]))]


def wrap(line: str, how: Wrap, language: str) -> str:
    """Break a line where its lines were, in proportion; only between words."""
    text = line.removesuffix(how.ends[-1])
    breaks = _breaks(text.rstrip(), language)
    total = sum(how.lengths)
    chosen: list[tuple[int, int]] = []
    first = 0
    for wanted in (len(text) * length / total for length in accumulate(how.lengths[:-1])):
        if first == len(breaks):
            break
        after = min(bisect_left(breaks, (wanted,), lo=first), len(breaks) - 1)
        before = max(first, after - 1)
        nearest = min(before, after, key=lambda at: abs(breaks[at][0] - wanted))
        chosen.append(breaks[nearest])
        first = nearest + 1
    starts, stops = [0, *(stop for _, stop in chosen)], [*(start for start, _ in chosen), len(text)]
    parts = [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    ends = [*how.ends[: len(parts) - 1], how.ends[-1]]
    return "".join(before + part + end for before, part, end in zip(how.before, parts, ends, strict=False))
