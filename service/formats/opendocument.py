"""Documents of OpenDocument: odt and odp.

Their paragraphs hold characters and elements side by side, and what an element looks like stands elsewhere, in a style.
Styles that only say in which revision something was written, of which programs make many, are no formatting.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from service.errors import InvalidRequest
from service.formats.archive import Archive
from service.formats.inline import MAX_DEPTH, Mark, Node, Span, Text
from service.formats.nesting import Half, nest
from service.formats.opened import FileJob, Opened
from service.formats.parts import PLAIN, Dialect, read_parts

_TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
_STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_REVISION = "{http://openoffice.org/2009/office}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
_MANIFEST = "{urn:oasis:names:tc:opendocument:xmlns:manifest:1.0}"

_KINDS = "application/vnd.oasis.opendocument."
_EMBEDDED = tuple(_KINDS + name for name in ("chart", "text", "presentation", "graphics"))
"""What documents have within them; formulas have no words, and of a spreadsheet a picture is shown."""
_CONTAINERS = frozenset(_TEXT + name for name in ("span", "a", "meta"))
_BREAKS = frozenset(_TEXT + name for name in ("tab", "line-break"))
_WITHOUT_WORDS = frozenset(_TEXT + name for name in ("note", "ruby", "soft-page-break", "s", "change"))
_STARTS = {f"{_TEXT}{name}-start": f"{_TEXT}{name}-end" for name in ("bookmark", "reference-mark", "change")} | {
    f"{_OFFICE}annotation": f"{_OFFICE}annotation-end"
}
_ENDS = frozenset(_STARTS.values())
_SPACES = re.compile(r"[ \t\r\n]+")
"""What is one space; more of them are a ``text:s``."""
_MIN_COLUMN_SPACES = 2
"""Of a ``text:s``, which is after a space already."""


def open_odt(content: bytes, job: FileJob) -> Opened:
    """Open a text document."""
    return _open(Archive(content, ".odt", job.max_bytes), f"{_KINDS}text", job)


def open_odp(content: bytes, job: FileJob) -> Opened:
    """Open a presentation."""
    return _open(Archive(content, ".odp", job.max_bytes), f"{_KINDS}presentation", job)


def _open(archive: Archive, kind: str, job: FileJob) -> Opened:
    if "mimetype" not in archive or not archive.read("mimetype").startswith(kind.encode()):
        raise InvalidRequest(f"Invalid file: not a {archive.suffix} file, though a zip archive")
    folders = ["", *_embedded(archive)]
    names = [folder + part for folder in folders for part in ("content.xml", "styles.xml")]  # headers are styles
    names = [name for name in dict.fromkeys(names) if name in archive]
    if not names:
        raise InvalidRequest(f"Invalid file: the {archive.suffix} file has no content")
    parts = read_parts(archive, names, job, _dialects, _is_shown)
    return Opened(parts.texts, "html", lambda translations: archive.rewrite(parts.write(translations)))


def _embedded(archive: Archive) -> Iterator[str]:
    """Yield the folders of documents within this one; InvalidRequest if any part is encrypted."""
    name = "META-INF/manifest.xml"
    if name not in archive:
        return
    manifest = archive.parse(name)
    if next(manifest.iter(f"{_MANIFEST}encryption-data"), None) is not None:
        raise archive.encrypted()
    for entry in manifest.iter(f"{_MANIFEST}file-entry"):
        folder = entry.get(f"{_MANIFEST}full-path", "")
        if folder.endswith("/") and entry.get(f"{_MANIFEST}media-type", "").startswith(_EMBEDDED):
            yield folder


def _is_shown(_: str, element: Any) -> bool:
    """Say no to what was deleted, and to what a cell shows of a number."""
    if next(element.iterancestors(f"{_TEXT}tracked-changes"), None) is not None:
        return False
    cell = next(element.iterancestors(f"{_TABLE}table-cell"), None)
    return cell is None or cell.get(f"{_OFFICE}value-type", "string") == "string"


def _dialects(tree: Any) -> dict[str, Dialect]:
    reader = _Reader(frozenset(_invisible_styles(tree)))
    dialect = Dialect(read=lambda element: Span(None, reader.read(element, 0)), write=_fill)
    footers = {f"{_PRESENTATION}{name}-decl": PLAIN for name in ("header", "footer")}
    return {f"{_TEXT}p": dialect, f"{_TEXT}h": dialect, **footers}


def _invisible_styles(tree: Any) -> Iterator[str]:
    for styles in tree.iter(f"{_OFFICE}automatic-styles"):
        for style in styles.iterchildren(f"{_STYLE}style"):
            inherits = style.get(f"{_STYLE}parent-style-name")
            attributes = [name for properties in style for name in properties.attrib]
            if not inherits and all(name.startswith(_REVISION) and name.endswith("rsid") for name in attributes):
                yield style.get(f"{_STYLE}name", "")


class _Reader:
    def __init__(self, invisible_styles: frozenset[str]) -> None:
        self.invisible_styles = invisible_styles

    def read(self, element: Any, depth: int) -> list[Node]:
        return nest(list(self._nodes(element, depth)), _half, _pair)

    def _nodes(self, element: Any, depth: int) -> Iterator[Node]:
        yield from _text(element.text)
        for child in element:
            if child.tag in _CONTAINERS and depth < MAX_DEPTH:
                is_seen = child.tag != f"{_TEXT}span" or child.get(f"{_TEXT}style-name") not in self.invisible_styles
                if is_seen:
                    yield Span((child,), self.read(child, depth + 1))
                else:
                    yield from self._nodes(child, depth + 1)
            else:
                yield _mark(child)
            yield from _text(child.tail)


def _text(text: str | None) -> Iterator[Text]:
    if text:
        yield Text(_SPACES.sub(" ", text))


def _mark(child: Any) -> Mark:
    spaces = child.get(f"{_TEXT}c", "1") if child.tag == f"{_TEXT}s" else ""
    if child.tag in _BREAKS or (spaces.isdecimal() and int(spaces[:6]) >= _MIN_COLUMN_SPACES):
        return Mark("br", child)
    if not isinstance(child.tag, str) or not child.tag.startswith(_TEXT) or child.tag in _WITHOUT_WORDS:
        return Mark("img", child)
    reads = (child.text or "").strip()  # of a field: a page number, a date, the number of a figure
    return Mark("code", child, reads) if reads else Mark("img", child)


def _half(node: Node) -> Half | None:
    if not isinstance(node, Mark) or isinstance(node.content, str):
        return None
    tag = node.content.tag
    name = next((value for key, value in node.content.items() if key.endswith(("}name", "}change-id"))), "")
    if tag in _STARTS:
        return Half(True, (_STARTS[tag], name))
    return Half(False, (tag, name)) if tag in _ENDS else None


def _pair(start: Node, children: list[Node], end: Node) -> Node:
    return Span((start, end), children)


def _fill(element: Any, root: Span) -> None:
    """Put nodes in the place of all that is in an element."""
    # To take out what is large, rather than to move it, takes lxml quadratic time.
    end = etree.SubElement(element, "end")
    _append(element, root.children)
    element.text = end.tail
    for child in list(element)[: element.index(end) + 1]:
        element.remove(child)


def _append(parent: Any, nodes: list[Node]) -> None:
    for node in nodes:
        match node:
            case Text(text) | Mark(_, str(text)):
                last = next(parent.iterchildren(reversed=True), None)  # to ask for a length would count all children
                if last is not None:
                    last.tail = (last.tail or "") + text
                else:
                    parent.text = (parent.text or "") + text
            case Mark(_, element):
                element.tail = None
                parent.append(element)
            case Span((start, end), children):
                _append(parent, [start, *children, end])
            case Span((container,), children):
                container.tail = None
                parent.append(container)
                _fill(container, Span(None, children))
