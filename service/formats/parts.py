"""Paragraphs in the XML parts of an archive: what docx, pptx, odt and the contents of an epub have in common.

A part without a translated paragraph stays as it is, byte for byte, and a paragraph whose translation is its text stays
as it was parsed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from service.errors import InvalidRequest
from service.formats.archive import Archive, serialize
from service.formats.inline import Mark, Span, Text, from_html, has_text, to_html
from service.formats.opened import FileJob
from service.text import may_change

MAX_PARAGRAPHS = 100_000
"""With text, of a file; each takes time, and hardly any of an archive where all are alike."""


class Dialect(NamedTuple):
    """How a format writes the inside of a paragraph."""

    read: Callable[[Any], Span]
    """An element → its nodes, in a span with what else is needed to write them."""
    write: Callable[[Any, Span], None]
    """Puts nodes, which may have another order now, into the element that they were read from."""


def _read_plain(element: Any) -> Span:
    lines = re.split("(\n)", element.xpath("string()"))
    return Span(None, [Mark("br", line) if i % 2 else Text(line) for i, line in enumerate(lines)])


def _write_plain(element: Any, root: Span) -> None:
    for child in list(element):
        element.remove(child)
    nodes = (node for node in root.children if not isinstance(node, Span))  # of which there is none
    element.text = "".join(node.text if isinstance(node, Text) else node.content for node in nodes)


PLAIN = Dialect(read=_read_plain, write=_write_plain)
"""An element that holds nothing but characters."""


class _Paragraph(NamedTuple):
    element: Any
    dialect: Dialect
    root: Span
    html: str


class Parts(NamedTuple):
    """The paragraphs of some parts of an archive."""

    trees: dict[str, Any]
    paragraphs: list[tuple[str, _Paragraph]]

    @property
    def texts(self) -> list[str]:
        """HTML of each paragraph."""
        return [paragraph.html for _, paragraph in self.paragraphs]

    def write(self, translations: Sequence[str]) -> dict[str, bytes]:
        """Return the parts that are changed by the translations of the texts."""
        changed = {}
        for (name, (element, dialect, root, html)), translation in zip(self.paragraphs, translations, strict=True):
            if translation != html:
                dialect.write(element, Span(root.wrap, from_html(translation, root.children)))
                changed[name] = self.trees[name]
        return {name: serialize(tree) for name, tree in changed.items()}


def read_parts(
    archive: Archive,
    names: Sequence[str],
    job: FileJob,
    dialect_of: Callable[[Any], Mapping[str, Dialect]],
    is_shown: Callable[[str, Any], bool] = lambda *_: True,
) -> Parts:
    """Find the paragraphs in parts of an archive; InvalidRequest where they have more characters than the job allows,
    or more paragraphs than documents have.

    ``dialect_of`` tells by a part's tree which elements are paragraphs, and ``is_shown`` by its name and a
    paragraph whether anyone sees it.
    """
    parts = Parts({}, [])
    characters = 0
    for name in names:
        tree = archive.parse(name)
        dialects = dialect_of(tree)
        # All are read before one is written, as they may be in each other.
        for element in tree.iter(*dialects):
            text = "".join(element.itertext())
            if not may_change(text):  # most of an empty form
                continue
            characters += len(text)
            job.check(characters)  # now, as a node of each few of them may take a hundred times their memory
            if len(parts.paragraphs) == MAX_PARAGRAPHS:
                raise InvalidRequest(f"Invalid file: it has more than the {MAX_PARAGRAPHS} paragraphs that are allowed")
            dialect = dialects[element.tag]
            root = dialect.read(element)
            if has_text(root.children) and is_shown(name, element):
                parts.trees[name] = tree
                parts.paragraphs.append((name, _Paragraph(element, dialect, root, to_html(root.children))))
    return parts
