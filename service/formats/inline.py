"""The inside of a paragraph, whatever the file: as HTML to be translated, and back.

Formats know a paragraph as text, spans around some of it, and marks at places in it. In HTML each span and mark has its
number for an id, by which it is found again in the translation. What the translation lost is added at its end, and
what it has twice is left out, so that no image and no footnote depends on how well a text was translated.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from itertools import count
from typing import Any, Literal, NamedTuple, TypeAlias

from service.text import may_change

MAX_DEPTH = 50
"""Of spans in each other; formats take what is deeper for a mark, as an honest paragraph has a handful."""

_TAG = re.compile(r'<(/?)(span|img|br|code)\b(?: id="(\d{1,9})")?[^<>]*>')
_NOT_OF_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_COLUMNS = re.compile(r"((?: *[\t\v] *)+| {3,})")
"""White space that puts what is after it into a column; HTML would make one space of it."""


class Text(NamedTuple):
    """Characters of a paragraph."""

    text: str


class Mark(NamedTuple):
    """What stands at a place in a paragraph, but is none of its words."""

    tag: Literal["img", "br", "code"]
    """In HTML: something without words, the end of a line or column, or something that a sentence has for a noun."""
    content: Any
    """What the format makes of it; a string is white space that is to stay."""
    reads: str = ""
    """What a noun says."""


class Span(NamedTuple):
    """What has a beginning and an end in a paragraph, and nodes between them."""

    wrap: Any
    """What the format makes of it."""
    children: list["Node"]


Node: TypeAlias = Text | Mark | Span


def split_columns(text: str) -> list[Node]:
    """Return the nodes of characters: words, and the white space that is more than a space between them."""
    parts = enumerate(_COLUMNS.split(text))
    return [Mark("br", part) if i % 2 else Text(part) for i, part in parts if part]


def has_text(nodes: Sequence[Node]) -> bool:
    """Say whether there is anything to translate."""
    texts = (node.text for node in nodes if isinstance(node, Text))
    spans = (node.children for node in nodes if isinstance(node, Span))
    return any(map(may_change, texts)) or any(map(has_text, spans))


def to_html(nodes: Sequence[Node]) -> str:
    """Write nodes as HTML."""
    return "".join(_written(nodes, count()))


def _written(nodes: Sequence[Node], ids: Iterator[int]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield escape(node.text, quote=False)
        elif isinstance(node, Span):
            yield f'<span id="{next(ids)}">'
            yield from _written(node.children, ids)
            yield "</span>"
        elif node.tag == "code":
            yield f'<code id="{next(ids)}">{escape(node.reads, quote=False) or "x"}</code>'
        else:
            yield f'<{node.tag} id="{next(ids)}">'


def from_html(html: str, nodes: Sequence[Node]) -> list[Node]:
    """Read the translation of what ``to_html`` wrote of ``nodes``: each span and mark is there once, in some order."""
    unused = dict(enumerate(_in_order(nodes)))
    root: list[Node] = []
    inside = [root]
    at = 0
    for found in _TAG.finditer(html):
        if found.start() < at:  # within a noun
            continue
        _add_text(inside[-1], html[at : found.start()])
        at = found.end()
        closing, name, number = found.groups()
        if closing:
            if name == "span" and len(inside) > 1:
                inside.pop()
            continue
        node = unused.pop(int(number or -1), None)
        if isinstance(node, Span):
            node = Span(node.wrap, [])
        if node is not None:
            inside[-1].append(node)
        if name == "span":
            inside.append(node.children if isinstance(node, Span) else inside[-1])
        elif name == "code" and (end := html.find("</code>", at)) >= 0:
            at = end + len("</code>")
    _add_text(root, html[at:])
    return root + [Span(node.wrap, []) if isinstance(node, Span) else node for node in unused.values()]


def _in_order(nodes: Sequence[Node]) -> Iterator[Mark | Span]:
    """Yield what has an id, in the order of the ids."""
    for node in nodes:
        if not isinstance(node, Text):
            yield node
        if isinstance(node, Span):
            yield from _in_order(node.children)


def _add_text(nodes: list[Node], html: str) -> None:
    text = _NOT_OF_XML.sub("", unescape(html))
    if text:
        nodes.append(Text(text))
