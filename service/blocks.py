"""Blocks of text out of HTML, and back into it.

A block is a run of text between two tags that end a sentence. Its inline elements are ranges of its text, so that they
can be put around other words; untouched elements that it speaks of are single characters of it, which
``service.spans.protect`` takes for what has to come back as it went in.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from service.markup import Kind, Part, cut
from service.text import may_change

STAND_INS = range(0x10FFFD, 0x100000, -1)
"""What may stand for an untouched element: a plane of private use."""
_SPACES = re.compile(r"[ \t\n\f\r]+")
"""What HTML shows as one space; a no-break space is none of it."""
_SOFT_HYPHEN = "\N{SOFT HYPHEN}"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Element(NamedTuple):
    """An inline element: the range of a block's text that it holds, white space at its ends left out."""

    start: int
    end: int
    parent: int
    """Its place among the block's elements, or -1."""
    opening: str
    closing: str
    """Its tags as they are written; without a tag, as broken HTML has it, empty."""


class Block(NamedTuple):
    """A run of text with the inline elements in it."""

    raw: str
    text: str
    """As a reader sees it: references resolved, white space in one line."""
    elements: list[Element]
    """Parents before children, in the order of their start tags."""
    stand_ins: dict[str, str]
    """Characters of the text that stand for untouched elements → these as they are written."""
    spelling: dict[str, str]
    """Characters that are written as a reference → that reference."""


class Page(NamedTuple):
    """HTML as blocks and all that is between them: one gap more than blocks."""

    blocks: list[Block]
    gaps: list[str]

    def join(self, blocks: Sequence[str]) -> str:
        """Put HTML in the place of this page's own blocks."""
        parts = [self.gaps[0]]
        for block, gap in zip(blocks, self.gaps[1:], strict=True):
            parts += [block, gap]
        return "".join(parts)


def split_html(html: str, stand_ins: Sequence[int] = STAND_INS) -> Page:
    """Find the blocks that hold a letter or a digit; joining them as they are restores the input, whatever it is.

    Without ``stand_ins``, for a network that does not carry them over, untouched elements are left out of the text and
    have a place in it, as images do.
    """
    blocks: list[Block] = []
    gaps: list[list[str]] = [[]]
    for run in _runs(cut(html)):
        start, stop = _core(run)
        inner = list(_trimmed(run[start:stop]))
        if any(part.kind is Kind.TEXT and may_change(part.text) for part in inner):
            raw = "".join(part.raw for part in inner)
            whole = "".join(part.raw for part in run[start:stop])
            before, _, after = whole.partition(raw)
            gaps[-1] += [*(part.raw for part in run[:start]), before]
            blocks.append(_read(raw, inner, stand_ins))
            gaps.append([after, *(part.raw for part in run[stop:])])
        else:
            gaps[-1] += [part.raw for part in run]
    return Page(blocks, ["".join(gap) for gap in gaps])


def _runs(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield what is between breaks, and each break by itself."""
    run: list[Part] = []
    for part in parts:
        if part.kind is Kind.BREAK:
            yield run
            yield [part]
            run = []
        else:
            run.append(part)
    yield run


def _is_blank(part: Part) -> bool:
    return part.kind is not Kind.NOUN and (part.kind is not Kind.TEXT or not part.text.strip())


def _core(run: Sequence[Part]) -> tuple[int, int]:
    """Return the range of a run without what is around all of its words, as the link of a paragraph that is one is."""
    words = [i for i, part in enumerate(run) if not _is_blank(part)]
    if not words:
        return 0, 0
    first, last = words[0], words[-1]
    ends = _pair(run)
    start = next((i for i in range(first) if run[i].kind is Kind.OPEN and first <= ends[i] <= last), first)
    start_of = {end: i for i, end in ends.items()}
    stop = next((i + 1 for i in range(len(run) - 1, last, -1) if start <= start_of.get(i, -1) <= last), last + 1)
    return start, stop


def _pair(run: Sequence[Part]) -> dict[int, int]:
    """Return where each element ends: at its end tag, or with the element around it, or with the run."""
    opened: list[int] = []
    names: Counter[str] = Counter()
    ends: dict[int, int] = {}
    for i, part in enumerate(run):
        if part.kind is Kind.OPEN:
            opened.append(i)
            names[part.name] += 1
        elif part.kind is Kind.CLOSE and names[part.name]:
            closed = ""
            while closed != part.name:
                closed = run[opened[-1]].name
                names[closed] -= 1
                ends[opened.pop()] = i
    return ends | dict.fromkeys(opened, len(run))


def _trimmed(run: Sequence[Part]) -> Iterator[Part]:
    """Yield the parts without the white space around them; that within a tag at an end of the run stays in it."""
    for i, part in enumerate(run):
        if part.kind is Kind.TEXT and part.raw == part.text:
            raw = part.raw
            raw = raw.lstrip() if i == 0 else raw
            raw = raw.rstrip() if i == len(run) - 1 else raw
            yield part._replace(raw=raw, text=raw)
        else:
            yield part


class _Reader:
    """Puts together the text of a block and its elements, part by part."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.length = 0
        self.ends_in_space = True
        self.elements: list[Element] = []
        self.opened: list[int] = []
        self.is_after_empty = False

    def write(self, text: str) -> None:
        text = _SPACES.sub(" ", text.replace(_SOFT_HYPHEN, ""))
        if self.ends_in_space and text.startswith(" "):
            text = text[1:]
            if self.is_after_empty:  # an image between two spaces has both
                self.elements[-1] = self.elements[-1]._replace(opening=f"{self.elements[-1].opening} ")
        if text:
            self.text.append(text)
            self.length += len(text)
            self.ends_in_space = text.endswith(" ")
            self.is_after_empty = False

    def put(self, raw: str) -> None:
        parent = self.opened[-1] if self.opened else -1
        self.elements.append(Element(self.length, self.length, parent, raw, ""))
        self.is_after_empty = True

    def open(self, raw: str) -> None:
        self.put(raw)
        self.opened.append(len(self.elements) - 1)
        self.is_after_empty = False

    def close(self, raw: str) -> None:
        place = self.opened.pop()
        self.elements[place] = self.elements[place]._replace(end=self.length, closing=raw)
        self.is_after_empty = False


def _read(raw: str, parts: Sequence[Part], stand_ins: Sequence[int]) -> Block:
    reader = _Reader()
    free = _unused(parts, stand_ins)
    standing: dict[str, str] = {}
    ending = Counter(_pair(parts).values())
    for i, part in enumerate(parts):
        if part.kind is Kind.TEXT:
            reader.write(part.text)
        elif part.kind is Kind.OPEN:
            reader.open(part.raw)
        elif part.kind is Kind.CLOSE and ending[i]:
            for _ in range(ending[i] - 1):  # elements that have no end tag of their own
                reader.close("")
            reader.close(part.raw)
        elif part.kind is Kind.NOUN and (stand_in := next(free, "")):
            standing[stand_in] = part.raw
            reader.write(stand_in)
        else:
            reader.put(part.raw)
    for _ in range(ending[len(parts)]):
        reader.close("")
    text = "".join(reader.text)
    return Block(raw, text, _without_spaces(reader.elements, text), standing, _spelling(parts))


def _unused(parts: Sequence[Part], stand_ins: Sequence[int]) -> Iterator[str]:
    used = set().union(*(part.text for part in parts))
    return (chr(code) for code in stand_ins if chr(code) not in used)


def _without_spaces(elements: Sequence[Element], text: str) -> list[Element]:
    """Return the elements without white space at their ends, if they hold anything else."""
    after = list(range(len(text) + 1))  # the place after the last character up to here that is no white space, ...
    for i, character in enumerate(text, 1):
        after[i] = after[i - 1] if character.isspace() else i
    before = list(range(len(text) + 1))  # ... and the place of the next that is none
    for i in range(len(text) - 1, -1, -1):
        before[i] = before[i + 1] if text[i].isspace() else i
    trimmed: list[Element] = []
    for element in elements:
        start, end = before[element.start], after[element.end]
        if start >= end:
            start = end = element.start
        if element.parent >= 0:
            parent = trimmed[element.parent]
            start, end = (min(max(place, parent.start), parent.end) for place in (start, end))
        trimmed.append(element._replace(start=start, end=end))
    return trimmed


def _spelling(parts: Sequence[Part]) -> dict[str, str]:
    texts = [part for part in parts if part.kind is Kind.TEXT]
    literal = set().union(*(part.text for part in texts if part.raw == part.text))
    references = {part.text: part.raw for part in reversed(texts) if len(part.text) == 1 and part.raw.endswith(";")}
    escapes = {character: escape for character, escape in _ESCAPES.items() if character != ">" or ">" not in literal}
    return escapes | {character: raw for character, raw in references.items() if character not in literal}


def write_block(block: Block, text: str, places: Sequence[tuple[int, int]]) -> str:
    """Write ``text``, in which each element of the block has a place, as HTML.

    Places are ranges of the text, each within that of the parent and apart from those of its siblings.
    """
    children: list[list[int]] = [[] for _ in range(len(block.elements) + 1)]
    for i in sorted(range(len(places)), key=lambda i: (*places[i], i)):
        children[block.elements[i].parent].append(i)
    table = str.maketrans(block.spelling | block.stand_ins)
    written: list[str] = []
    at = 0

    def write_until(end: int) -> int:
        written.append(text[at:end].translate(table))
        return max(at, end)

    inside = [(iter(children[-1]), len(text), "")]
    while inside:
        siblings, end, closing = inside[-1]
        if (child := next(siblings, None)) is not None:
            at = write_until(places[child][0])
            written.append(block.elements[child].opening)
            inside.append((iter(children[child]), places[child][1], block.elements[child].closing))
        else:
            at = write_until(end)
            written.append(closing)
            inside.pop()
    return "".join(written)
