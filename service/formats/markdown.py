"""Markdown files: the text in their paragraphs, headings and tables, and nothing else of them.

A translation is written into the place of its block, in the same emphasis, and read again: only if that gives the words
and the links that it should does it stay. Else it is written with ever more caution: characters that could mean
something are escaped, and emphasis is HTML's. So no translation turns into a list or a link, whatever it says.
"""

import re
from collections import ChainMap
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

from service.errors import InvalidRequest
from service.formats.encoding import decode
from service.formats.inline import Node, from_html, has_text, to_html
from service.formats.markdown_inline import (
    Inline,
    Style,
    look,
    make_parser,
    read_inline,
    without_empty_emphasis,
    write_inline,
)
from service.formats.opened import FileJob, Opened
from service.languages import is_spaceless
from service.paragraphs import Wrap, wrap
from service.text import may_change

_FRONT_MATTER = re.compile(r"(---|\+\+\+)[ \t]*\n(?=[\w\"'-]+[ \t]*[:=]|\1).*?(?<=\n)\1[ \t]*(?:\n|\Z)", re.DOTALL)
_MARKUP = "*_[]<&!|`~\\"
_Kind = Literal["paragraph", "heading", "cell", "first cell"]
"""The first cell of a row begins its line, where what it begins with may mean something."""


class _Place(NamedTuple):
    """Where the text of a block stands in a file."""

    start: int
    end: int
    prefixes: list[str]
    """What is before each of its lines but the first: a quote's mark, an indentation."""


class _Block(NamedTuple):
    kind: _Kind
    place: _Place
    inline: Inline
    html: str


def open_md(content: bytes, job: FileJob) -> Opened:
    """Open a Markdown file: CommonMark with tables and what is struck through."""
    decoded = decode(content, job.source)
    newline = "\r\n" if "\r\n" in decoded.text else "\n"
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    _check(text, job)
    front = _FRONT_MATTER.match(text)
    start = front.end() if front else 0
    writer = _Writer(make_parser(), job)
    blocks = list(writer.blocks(text, start))

    def write(translations: Sequence[str]) -> bytes:
        written, at = [], 0
        for block, translation in zip(blocks, translations, strict=True):
            if translation != block.html and (lines := writer.write(block, translation)):
                place = block.place
                prefixes = ["", *place.prefixes, *place.prefixes[-1:] * len(lines)]
                written += [text[at : place.start], "\n".join(map(str.__add__, prefixes, lines))]
                at = place.end
        return decoded.encode("".join([*written, text[at:]]).replace("\n", newline))

    return Opened([block.html for block in blocks], "html", write)


def _check(text: str, job: FileJob) -> None:
    """Raise InvalidRequest for more markup and lines than documents have, of which each takes long to parse."""
    most = job.max_characters // 10
    if sum(map(text.count, _MARKUP)) > most:
        raise InvalidRequest(f"Invalid file: the .md file has more than {most} of the characters {_MARKUP}")
    if text.count("\n") > most // 2:
        raise InvalidRequest(f"Invalid file: the .md file has more than {most // 2} lines")


class _Writer:
    def __init__(self, parser: MarkdownIt, job: FileJob) -> None:
        self.parser = parser
        self.job = job
        self.references: dict[str, Any] = {}

    def blocks(self, text: str, start: int) -> Iterator[_Block]:
        """Find the blocks that have text, in their order."""
        env: dict[str, Any] = {"references": self.references}
        space = "" if is_spaceless(self.job.source) else " "
        tokens = self.parser.parse(text[start:], env)
        for kind, token, place in _places(tokens, text, start):
            inline = read_inline(token.content, token.children or [], space)
            if inline is not None and has_text(inline.nodes):
                yield _Block(kind, place, inline, to_html(inline.nodes))

    def write(self, block: _Block, translation: str) -> list[str]:
        """Return the lines of a block; none, if there is no way to write its translation."""
        nodes = without_empty_emphasis(from_html(translation, block.inline.nodes))
        wanted = look(nodes)
        for style in (Style(block.inline.spelling), Style({}, escaped=True), Style({}, escaped=True, tags=True)):
            line = write_inline(nodes, style).strip()
            for lines in (self._wrapped(line, block), line):
                if lines and look(self._read(lines, block.kind)) == wanted:
                    return (lines.replace("|", "\\|") if "cell" in block.kind else lines).split("\n")
        return []

    def _wrapped(self, line: str, block: _Block) -> str:
        """Break lines where the block's were."""
        widths = block.inline.widths
        parts = line.split("\n")
        if len(parts) != len(widths) or is_spaceless(self.job.target) != is_spaceless(self.job.source):
            return line
        return "\n".join(
            wrap(part, Wrap([""] * len(width), ["\n"] * (len(width) - 1) + [""], width), self.job.target)
            if len(width) > 1
            else part
            for part, width in zip(parts, widths, strict=True)
        )

    def _read(self, lines: str, kind: _Kind) -> list[Node]:
        """Read what was written of a block; nothing, if it is no longer one of its kind."""
        env = {"references": ChainMap({}, self.references)}
        if kind == "cell":
            (inline,) = self.parser.parseInline(lines, env)
        else:
            tokens = self.parser.parse(f"# {lines}" if kind == "heading" else lines, env)
            block = "heading" if kind == "heading" else "paragraph"
            if [token.type for token in tokens] != [f"{block}_open", "inline", f"{block}_close"]:
                return []
            inline = tokens[1]
        space = "" if is_spaceless(self.job.target) else " "
        read = read_inline(inline.content, inline.children or [], space)
        return read.nodes if read and (kind == "paragraph" or "\n" not in lines) else []


def _places(tokens: Sequence[Token], text: str, start: int) -> Iterator[tuple[_Kind, Token, _Place]]:
    """Yield what holds text with its place; a text whose lines are not found again is left out."""
    lines = text[start:].split("\n")
    offsets = [start]
    for line in lines:
        offsets.append(offsets[-1] + len(line) + 1)
    row, column = -1, 0
    for before, token in pairwise(tokens):
        if token.type != "inline" or token.map is None or not may_change(token.content):
            continue
        first = token.map[0]
        if before.type in ("th_open", "td_open"):
            cell = token.content.replace("|", "\\|")
            at = lines[first].find(cell, column if row == first else 0)
            if at >= 0:
                row, column = first, at + len(cell)
                kind: _Kind = "cell" if lines[first].find("|", 0, at) >= 0 else "first cell"
                yield kind, token, _Place(offsets[first] + at, offsets[first] + column, [])
        elif before.type == "heading_open" and before.markup.startswith("#"):
            at = lines[first].find(token.content, lines[first].index("#"))  # not before it, as in "1. # 1"
            if at >= 0:
                yield "heading", token, _Place(offsets[first] + at, offsets[first] + at + len(token.content), [])
        else:
            yield from _paragraph(token, lines, offsets)


def _paragraph(token: Token, lines: Sequence[str], offsets: Sequence[int]) -> Iterator[tuple[_Kind, Token, _Place]]:
    assert token.map is not None
    first = token.map[0]
    content = token.content.split("\n")
    of_block = lines[first : first + len(content)]
    if columns := _columns(content, of_block):
        prefixes = [line[:at] for line, (at, _) in zip(of_block, columns, strict=True)]
        last = first + len(columns) - 1
        place = _Place(offsets[first] + columns[0][0], offsets[last] + columns[-1][1], prefixes[1:])
        yield "paragraph", token, place


def _columns(content: Sequence[str], lines: Sequence[str]) -> list[tuple[int, int]]:
    """Return where the lines of a paragraph begin and end in those of the file."""
    found = []
    for text, line in zip(content, lines, strict=False):
        end = len(line.rstrip())
        start = end - len(text.strip())
        if line[start:end] != text.strip():
            return []
        found.append((start, end))
    return found if len(found) == len(content) else []
