"""Books: epub, which are zip files of XHTML documents, an index of these, and tables of contents.

Documents go the way of all HTML, as text: a parser would write them anew, and many a book is not well-formed XML.
"""

import re
from collections.abc import Iterator, Sequence
from posixpath import dirname, join, normpath
from typing import Any
from urllib.parse import unquote

from lxml import etree

from service.errors import InvalidRequest
from service.formats.archive import Archive, guarded_parser, serialize
from service.formats.encoding import Decoded, decode_html
from service.formats.opened import FileJob, Opened
from service.formats.parts import PLAIN, read_parts
from service.formats.text import with_language
from service.markup import VOID

_OPF = "{http://www.idpf.org/2007/opf}"
_NCX = "{http://www.daisy.org/z3986/2005/ncx/}"
_LANGUAGE = "{http://purl.org/dc/elements/1.1/}language"
_XHTML = "application/xhtml+xml"
_EMPTY = re.compile(
    r"""<(?P<name>[A-Za-z][\w:.-]*)(?P<attributes>(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*/>""",
)


def open_epub(content: bytes, job: FileJob) -> Opened:
    """Open a book: its documents, of which one may be the navigation, and the older table of contents."""
    archive = Archive(content, ".epub", job.max_bytes)
    if "META-INF/container.xml" not in archive:
        raise InvalidRequest("Invalid file: not a .epub file, though a zip archive")
    packages = {name: archive.parse(name) for name in archive.names if name.endswith(".opf")}
    names = list(dict.fromkeys(name for item in packages.items() for name in _documents(*item) if name in archive))
    if not names:
        raise InvalidRequest("Invalid file: the .epub file has no documents")
    if not _encrypted(archive).isdisjoint(names):
        raise archive.encrypted()
    documents = {name: decode_html(archive.read(name), job.source) for name in names}
    contents = [name for name in archive.names if name.endswith(".ncx")]
    parts = read_parts(archive, contents, job, lambda _: {f"{_NCX}text": PLAIN})

    def write(translations: Sequence[str]) -> bytes:
        pages = zip(documents.items(), translations, strict=False)
        changed = {name: _written(decoded, page, job.target) for (name, decoded), page in pages}
        changed |= parts.write(translations[len(documents) :])
        changed |= {name: serialize(tree) for name, tree in packages.items() if _put_language(tree, job.target)}
        return archive.rewrite(changed)

    return Opened([*(_without_empty_tags(page.text) for page in documents.values()), *parts.texts], "html", write)


def _documents(package: str, tree: Any) -> Iterator[str]:
    for item in tree.iter(f"{_OPF}item"):
        if item.get("media-type") == _XHTML:
            yield normpath(join(dirname(package), unquote(item.get("href", ""))))


def _encrypted(archive: Archive) -> set[str]:
    """Return the parts that are encrypted; fonts often are, which harms nobody."""
    name = "META-INF/encryption.xml"
    if name not in archive:
        return set()
    references = archive.parse(name).iter("{http://www.w3.org/2001/04/xmlenc#}CipherReference")
    return {unquote(reference.get("URI", "")) for reference in references}


def _without_empty_tags(xhtml: str) -> str:
    """Return XHTML in which an element that holds nothing has an end tag, as it has to have in HTML, which we read."""

    def with_end(found: re.Match[str]) -> str:
        name = found["name"]
        return found[0] if name.lower() in VOID else f"<{name}{found['attributes']}></{name}>"

    return _EMPTY.sub(with_end, xhtml)


def _written(decoded: Decoded, page: str, language: str) -> bytes:
    if page == _without_empty_tags(decoded.text):
        page = decoded.text
    if language:
        page = with_language(page, language)
    content, before = decoded.encode(page, "xmlcharrefreplace"), decoded.encode(decoded.text)
    if _is_well_formed(content) or not _is_well_formed(before):
        return content
    # No program would show it. What can be read of it is better than nothing, and if that is nothing, the source is.
    try:
        root = etree.fromstring(content, guarded_parser(recover=True))
    except etree.LxmlError:
        return before
    return before if root is None else serialize(root.getroottree())


def _is_well_formed(content: bytes) -> bool:
    try:
        etree.fromstring(content, guarded_parser())
    except (etree.LxmlError, ValueError):
        return False
    return True


def _put_language(tree: Any, language: str) -> bool:
    """Have a package say that the book is in a language; say whether it said otherwise."""
    others = [element for element in tree.iter(_LANGUAGE) if language not in ("", element.text)]
    for element in others:
        element.text = language
    return bool(others)
