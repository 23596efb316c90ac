"""The inside of a Markdown block: emphasis, links and code as nodes that remember how they were written."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, reference, table
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.token import Token

from service.errors import InvalidRequest
from service.formats.inline import MAX_DEPTH, Mark, Node, Span, Text

MAX_TOKENS = 500_000
"""Of a file with tables: a row has all columns of its head, also those that it leaves out, so two bytes may be many."""
_NOTE = re.compile(r"\[\^[^\]\s]{1,100}\]:?|\[[ xX]\](?=\s)")
"""A footnote, or the box of a task, which CommonMark does not know."""
_FOOTNOTE = re.compile(r"\[\^[^\]\s]+\]:")
"""What begins a line of its own, though not to CommonMark."""
_BREAK = re.compile(r"( *)(\\?)\n[ \t]*")
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*+)[^>]*?(/?)>", re.DOTALL)
_SPECIAL = re.compile(r"[\\`*_\[\]<>&~!#]|^[+=-]|(?<=^\d)[.)]|(?<=^\d\d)[.)]|(?<=^\d\d\d)[.)]")
_What = str | tuple[Literal["link"], str]
"""What is around words. Where a link leads is never copied, as any number of them may share a long reference."""
_HTML: dict[_What, str] = {"em": "<em>", "strong": "<strong>", "s": "<s>"}
_PLAIN_TAGS = {tag: name for name, tag in _HTML.items()}


class Inline(NamedTuple):
    """The nodes of a block."""

    nodes: list[Node]
    widths: list[list[int]]
    """Lengths of its lines, those between two hard breaks together."""
    spelling: dict[str, str]
    """Characters that it only has escaped, or as a reference → how."""


class Style(NamedTuple):
    """How nodes are written."""

    spelling: dict[str, str]
    escaped: bool = False
    """Whether characters that could mean something are escaped."""
    tags: bool = False
    """Whether emphasis is written as HTML, which may be within a word, or beside a mark."""


class _Wrap(NamedTuple):
    """What a span was written as, and what it is, by which it is known again."""

    opening: str
    closing: str
    what: _What
    label: str = ""
    """Of a link whose text is its label: once it has another text, it needs the label apart from it."""


def make_parser() -> MarkdownIt:
    """Return a parser whose tokens can be found in their source."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"]).disable("text_join")
    parser.block.ruler.at("reference", _reference)
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    parser.inline.ruler.at("link", _link)
    parser.inline.ruler.at("image", _image)
    parser.inline.ruler.before("link", "note", _note)
    return parser


def _reference(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    is_footnote = _FOOTNOTE.match(state.src, state.bMarks[start] + state.tShift[start])
    return not is_footnote and reference(state, start, end, silent)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    found = table(state, start, end, silent)
    if len(state.tokens) > MAX_TOKENS:
        raise InvalidRequest("Invalid file: the tables of the .md file have more cells than are allowed")
    return found


def _link(state: StateInline, silent: bool) -> bool:
    found = link(state, silent)
    if found and not silent:
        state.tokens[-1].meta["end"] = state.pos
    return found


def _image(state: StateInline, silent: bool) -> bool:
    found = image(state, silent)
    if found and not silent:
        state.tokens[-1].meta["end"] = state.pos
    return found


def _note(state: StateInline, silent: bool) -> bool:
    found = _NOTE.match(state.src, state.pos, state.posMax)
    if found is None or (found[0].endswith("]") and "^" not in found[0] and state.pos > 0):
        return False
    if not silent:
        state.push("note", "", 0).content = found[0]
    state.pos = found.end()
    return True


class _Reader:
    """Follows the tokens of a block through its source."""

    def __init__(self, source: str, space: str) -> None:
        self.source, self.space = source, space
        self.at = 0
        self.line_start = 0
        self.widths: list[list[int]] = [[]]
        self.literal: set[str] = set()
        self.spelling: dict[str, str] = {}
        self.nodes: list[list[Node]] = [[]]
        self.opened: list[tuple[str, _What, int]] = []

    def take(self, length: int) -> str:
        """Return what the next characters are written as; a line's end in it is a space to Markdown too."""
        raw = self.source[self.at : self.at + length]
        self.at += len(raw)
        return raw.replace("\n", " ")

    def add(self, node: Node) -> None:
        self.nodes[-1].append(node)

    def open(self, raw: str, what: _What) -> None:
        self.opened.append((raw, what, self.at))
        self.nodes.append([])

    def close(self, raw: str) -> None:
        opening, what, start = self.opened.pop()
        children = self.nodes.pop()
        label = self.source[start : self.at - len(raw)].replace("\n", " ") if raw in ("]", "][]") else ""
        self.add(Span(_Wrap(opening, raw, what, label), children))

    def end_line(self, is_hard: bool) -> bool:
        found = _BREAK.match(self.source, self.at)
        if found is None:
            return False
        self.widths[-1].append(self.at - self.line_start)
        if is_hard or _FOOTNOTE.match(self.source, found.end()):
            self.widths.append([])
            self.add(Mark("br", f"{found[1]}{found[2]}\n"))
        elif self.space:
            self.add(Text(self.space))
        self.at = self.line_start = found.end()
        return True


def read_inline(source: str, tokens: Sequence[Token], space: str) -> Inline | None:
    """Return the nodes of a block, whose lines are joined by ``space``; None if its tokens are not found in it."""
    reader = _Reader(source, space)
    pairs = _pairs(tokens)
    is_within_autolink = False
    for i, token in enumerate(tokens):
        if token.info == "auto" or is_within_autolink:
            is_within_autolink = token.info != "auto" or token.nesting > 0
            if token.type == "link_open":
                raw = reader.take(source.find(">", reader.at) + 1 - reader.at)
                reader.add(Mark("code", raw, raw[1:-1]))
        elif not _read(reader, token, pairs.get(i, "")):
            return None
        if len(reader.opened) > MAX_DEPTH:
            return None
    if reader.at != len(source) or reader.opened:
        return None
    reader.widths[-1].append(reader.at - reader.line_start)
    spelling = {character: raw for character, raw in reader.spelling.items() if character not in reader.literal}
    return Inline(reader.nodes[0], reader.widths, spelling)


def _read(reader: _Reader, token: Token, half: str) -> bool:
    """Read one token; say whether it was found."""
    match token.type:
        case "text":
            text = token.content
            reader.literal.update(text)
            reader.add(Text(text))
            return reader.take(len(text)) == text.replace("\n", " ")
        case "text_special":
            reader.spelling.setdefault(token.content, token.markup)
            reader.add(Text(token.content))
            return reader.take(len(token.markup)) == token.markup
        case "softbreak" | "hardbreak":
            return reader.end_line(token.type == "hardbreak")
        case "code_inline":
            end = re.compile(f"(?<!`){token.markup}(?!`)").search(reader.source, reader.at + len(token.markup))
            raw = reader.take(end.end() - reader.at) if end else ""
            reader.add(Mark("code", raw, token.content))
            return bool(raw)
        case "image":
            reader.add(Mark("img", reader.take(token.meta["end"] - reader.at)))
        case "link_open":
            reader.open(reader.take(1), ("link", str(token.attrGet("href"))))
        case "link_close":
            reader.close(reader.take(token.meta["end"] - reader.at))
        case "html_inline" if half == "start":
            raw = reader.take(len(token.content))
            reader.open(raw, _PLAIN_TAGS.get(raw, " ".join(raw.split())))
        case "html_inline" if half == "end":
            reader.close(reader.take(len(token.content)))
        case "html_inline" | "note":
            tag = "br" if re.match(r"<br\b", token.content, re.IGNORECASE) else "img"
            reader.add(Mark(tag, reader.take(len(token.content))))  # type: ignore[arg-type]
        case _ if token.nesting > 0:
            reader.open(reader.take(len(token.markup)), token.tag)
        case _:
            raw = reader.take(len(token.markup))
            reader.close(raw)
            return raw == token.markup
    return True


def _pairs(tokens: Sequence[Token]) -> dict[int, str]:
    """Return which tags of HTML begin or end an element that nests with the emphasis and links around it."""
    pairs: dict[int, str] = {}
    frames: list[tuple[list[tuple[int, str]], Counter[str]]] = [
        ([], Counter())
    ]  # open elements, one frame each emphasis
    for i, token in enumerate(tokens):
        tag = _TAG.fullmatch(token.content) if token.type == "html_inline" else None
        opened, names = frames[-1]
        if token.nesting > 0:
            frames.append(([], Counter()))
        elif token.nesting < 0:
            if len(frames) > 1:
                frames.pop()
        elif tag and not tag[1] and not tag[3]:
            opened.append((i, tag[2].lower()))
            names[tag[2].lower()] += 1
        elif tag and tag[1] and names[wanted := tag[2].lower()]:
            name = ""
            while name != wanted:
                place, name = opened.pop()
                names[name] -= 1
            pairs[place], pairs[i] = "start", "end"
    return pairs


def write_inline(nodes: Sequence[Node], style: Style) -> str:
    """Write nodes as Markdown, in which only hard breaks end a line."""
    return "".join(_written(nodes, style))


def _written(nodes: Sequence[Node], style: Style) -> Iterator[str]:
    for node in nodes:
        match node:
            case Text(text) if style.escaped:
                yield _SPECIAL.sub(lambda found: "\\" + found[0], text.replace("\n", " "))
            case Text(text):
                yield "".join(style.spelling.get(character, character) for character in text.replace("\n", " "))
            case Mark(_, raw):
                yield raw
            case Span(wrap, children):
                as_tag = _HTML.get(wrap.what) if style.tags else None
                inner = write_inline(children, style)
                closing = wrap.closing if inner == wrap.label or not wrap.label else f"][{wrap.label}]"
                yield f"{as_tag or wrap.opening}{inner}{as_tag.replace('<', '</') if as_tag else closing}"


def without_empty_emphasis(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes without emphasis around nothing, as of words that a translation left out."""
    kept: list[Node] = []
    for node in nodes:
        if isinstance(node, Span):
            node = Span(node.wrap, without_empty_emphasis(node.children))
        if not isinstance(node, Span) or node.children or node.wrap.what not in _HTML:
            kept.append(node)
    return kept


def look(nodes: Sequence[Node]) -> list[tuple[str, _What]]:
    """Return what a reader gets of nodes: words, and what is around and between them, without how it is written."""
    parts: list[tuple[str, _What]] = []
    for kind, group in groupby(_looks(nodes), itemgetter(0)):
        if kind == "text":
            words = "".join(str(text) for _, text in group).split()
            parts += [(kind, " ".join(words))] if words else []
        else:
            parts += group
    return parts


def _looks(nodes: Sequence[Node]) -> Iterator[tuple[str, _What]]:
    for node in nodes:
        match node:
            case Text(text):
                yield "text", text
            case Mark(_, raw):
                yield "mark", " ".join(raw.split())
            case Span(wrap, children):
                yield "span", wrap.what
                yield from _looks(children)
                yield "end", wrap.what
