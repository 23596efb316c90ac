"""Small documents of each format, and translations that can be told from what was there."""

import asyncio
import re
from collections.abc import Callable, Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from service.blocks import split_html, write_block
from service.files import open_file, translate_file
from service.formats.opened import FileJob, Format

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
ODF = "urn:oasis:names:tc:opendocument:xmlns"


def zipped(parts: Mapping[str, str | bytes], compression: int = ZIP_DEFLATED) -> bytes:
    written = BytesIO()
    with ZipFile(written, "w", compression) as archive:
        for name, content in parts.items():
            archive.writestr(name, content, ZIP_STORED if name == "mimetype" else compression)
    return written.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def docx(body: str, **parts: str | bytes) -> bytes:
    """Return a document whose body is the XML; other parts by the names of their files in ``word/``."""
    others = {f"word/{name.replace('_', '.')}": content for name, content in parts.items()}
    return zipped({"[Content_Types].xml": "<Types/>", "word/document.xml": word_part("document", body), **others})


def word_part(name: str, body: str) -> str:
    spaces = f'xmlns:w="{W}" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    inner = f"<w:body>{body}</w:body>" if name == "document" else body
    return f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:{name} {spaces}>{inner}</w:{name}>'


def slide(paragraphs: str, shape: str = "", name: str = "sld") -> str:
    return (
        f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<p:{name} xmlns:p="{P}" xmlns:a="{A}"><p:cSld>'
        f"<p:spTree><p:sp>{shape}<p:txBody>{paragraphs}</p:txBody></p:sp></p:spTree></p:cSld></p:{name}>"
    )


def pptx(paragraphs: str, **parts: str) -> bytes:
    others = {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    return zipped({"[Content_Types].xml": "<Types/>", "ppt/slides/slide1.xml": slide(paragraphs), **others})


def odf_part(body: str, styles: str = "", root: str = "document-content") -> str:
    names = ("office", "text", "style", "draw", "manifest", "table", "presentation")
    spaces = " ".join(f'xmlns:{name}="{ODF}:{name}:1.0"' for name in names)
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<office:{root} {spaces} xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' xmlns:ooo="http://openoffice.org/2009/office"><office:automatic-styles>{styles}</office:automatic-styles>'
        f"<office:body><office:text>{body}</office:text></office:body></office:{root}>"
    )


def odt(body: str, automatic_styles: str = "", **parts: str) -> bytes:
    kind = "application/vnd.oasis.opendocument.text"
    others = {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    return zipped({"mimetype": kind, "content.xml": odf_part(body, automatic_styles), **others})


def xhtml(body: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml"'
        f' xml:lang="de" lang="de"><head><title>titel</title><script src="a.js"/></head><body>{body}</body></html>'
    )


OPF = """<?xml version="1.0"?>
<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>buch</dc:title><dc:language>de</dc:language></metadata><manifest>
<item id="a" href="text/ein%20kapitel.xhtml" media-type="application/xhtml+xml"/>
<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="i" href="i.png" media-type="image/png"/></manifest></package>"""
NCX = """<?xml version="1.0"?>
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/" version="2005-1"><docTitle><text>buch</text></docTitle><navMap>
<navPoint><navLabel><text>eins &amp; zwei</text></navLabel><content src="a.xhtml"/></navPoint></navMap></ncx>"""
CONTAINER = '<container><rootfiles><rootfile full-path="OEBPS/content.opf"/></rootfiles></container>'


def epub(body: str = "<p>hallo <b>welt</b></p>", **parts: str) -> bytes:
    others = {name.replace("__", "/") + ".xml": content for name, content in parts.items()}
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": CONTAINER,
            "OEBPS/content.opf": OPF,
            "OEBPS/toc.ncx": NCX,
            "OEBPS/nav.xhtml": xhtml('<nav><ol><li><a href="text/ein%20kapitel.xhtml">eins</a></li></ol></nav>'),
            "OEBPS/text/ein kapitel.xhtml": xhtml(body),
            "OEBPS/i.png": b"\x89PNG",
            **others,
        }
    )


def capitals(text: str) -> str:
    """Return a text in capitals that has the same length."""
    return "".join(upper if len(upper := character.upper()) == 1 else character for character in text)


def shout(text: str, kind: Format) -> str:
    """Translate into capitals, HTML as the service does: what is no text stays, and tags move away from spaces."""
    if kind == "text":
        return capitals(text)
    page = split_html(text)
    return page.join([write_block(b, capitals(b.text), [(e.start, e.end) for e in b.elements]) for b in page.blocks])


def shout_in_place(text: str, _: Format) -> str:
    """Translate into capitals without moving anything."""
    parts = re.split(r"(<code.*?</code>|<[^>]*>|&[^;]*;)", text)
    return "".join(part if i % 2 else capitals(part) for i, part in enumerate(parts))


def echo(text: str, _: Format) -> str:
    """Leave a text as it is."""
    return text


def translated(
    content: bytes, suffix: str, translate: Callable[[str, Format], str] = shout, **options: str | int
) -> bytes:
    """Return a file that was translated text by text."""

    async def together(texts: list[str], kind: Format) -> list[str]:
        return [translate(text, kind) for text in texts]

    async def work() -> bytes:
        opened = await open_file(content, suffix, FileJob(**options))  # type: ignore[arg-type]
        return await translate_file(opened, together)

    return asyncio.run(work())


def texts_of(content: bytes, suffix: str, **options: str) -> list[str]:
    """Return what of a file is translated."""
    texts: list[str] = []

    def keep(text: str, _: Format) -> str:
        texts.append(text)
        return text

    translated(content, suffix, keep, **options)
    return texts
