"""Documents of Microsoft Office: docx and pptx.

They are rewritten as what they are, zip files of XML, rather than through a library that makes them: what such a
library does not know would be lost or left out, and here text boxes, notes, comments, charts and headers are
paragraphs as all others.
"""

import re
from collections.abc import Sequence
from typing import Any

from service.errors import InvalidRequest
from service.formats.archive import Archive
from service.formats.opened import FileJob, Opened
from service.formats.parts import PLAIN, read_parts
from service.formats.runs import Names, dialect

_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_WORD = (
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}",  # of the variant "strict"
)
_DRAWING = (
    "{http://schemas.openxmlformats.org/drawingml/2006/main}",
    "{http://purl.oclc.org/ooxml/drawingml/main}",
)
_SLIDES = (
    "{http://schemas.openxmlformats.org/presentationml/2006/main}",
    "{http://purl.oclc.org/ooxml/presentationml/main}",
)
_CHARTS = (
    "{http://schemas.openxmlformats.org/drawingml/2006/chart}",
    "{http://purl.oclc.org/ooxml/drawingml/chart}",
)
_LABELS = tuple(c + name for c in _CHARTS for name in ("tx", "strCache", "strLit", "multiLvlStrCache"))
"""What the values of a chart that are text are in."""

_PARTS_OF_DOCX = re.compile(r"word/[^/]+\.xml|word/(charts|diagrams|drawings)/[^/]+\.xml")
_PARTS_OF_PPTX = re.compile(
    r"ppt/(slides|notesSlides|comments|charts|diagrams|drawings|slideLayouts|slideMasters)/[^/]+\.xml",
)
_TEMPLATES = ("ppt/slideLayouts/", "ppt/slideMasters/")


def _all(space: str, names: str) -> frozenset[str]:
    return frozenset(space + name for name in names.split())


def _word(w: str) -> Names:
    return Names(
        run=f"{w}r",
        properties=f"{w}rPr",
        text=f"{w}t",
        characters={f"{w}noBreakHyphen": "\N{NON-BREAKING HYPHEN}", f"{w}softHyphen": "\N{SOFT HYPHEN}"},
        breaks=_all(w, "br cr tab ptab"),
        nouns=_all(w, "fldSimple") | _all(_MATH, "oMath"),
        containers=_all(w, "hyperlink ins moveTo smartTag customXml sdt dir bdo"),
        dropped=_all(w, "proofErr lastRenderedPageBreak"),
        last=frozenset(),
        unseen=_all(w, "lang noProof rPrChange"),
        field=f"{w}fldChar",
    )


def _drawing(a: str) -> Names:
    return Names(
        run=f"{a}r",
        properties=f"{a}rPr",
        text=f"{a}t",
        characters={},
        breaks=_all(a, "br"),
        nouns=_all(a, "fld"),
        containers=frozenset(),
        dropped=frozenset(),
        last=_all(a, "endParaRPr"),
        unseen=frozenset({"lang", "altLang", "dirty", "err", "noProof", "smtClean", "smtId"}),
        field="",
    )


DIALECTS = {
    **{f"{w}p": dialect(_word(w)) for w in _WORD},
    **{f"{a}p": dialect(_drawing(a)) for a in _DRAWING},
    **{f"{p}text": PLAIN for p in _SLIDES},  # of comments
    **{f"{c}v": PLAIN for c in _CHARTS},  # names of series and categories
}


def open_docx(content: bytes, job: FileJob) -> Opened:
    """Open a document of Word."""
    archive = Archive(content, ".docx", job.max_bytes)
    return _open(archive, [name for name in archive.names if _PARTS_OF_DOCX.fullmatch(name)], job)


def open_pptx(content: bytes, job: FileJob) -> Opened:
    """Open slides of PowerPoint."""
    archive = Archive(content, ".pptx", job.max_bytes)
    return _open(archive, [name for name in archive.names if _PARTS_OF_PPTX.fullmatch(name)], job)


def _open(archive: Archive, names: Sequence[str], job: FileJob) -> Opened:
    if "[Content_Types].xml" not in archive or not names:
        raise InvalidRequest(f"Invalid file: not a {archive.suffix} file, though a zip archive")
    parts = read_parts(archive, names, job, lambda _: DIALECTS, _is_shown)
    return Opened(parts.texts, "html", lambda translations: archive.rewrite(parts.write(translations)))


def _is_shown(name: str, element: Any) -> bool:
    """Say no to the numbers of charts, and to the prompts of templates, "Click to edit …", which are on no slide."""
    if element.tag.startswith(_CHARTS):
        return next(element.iterancestors(*_LABELS), None) is not None
    if not name.startswith(_TEMPLATES):
        return True
    shape = next(element.iterancestors(*(f"{p}sp" for p in _SLIDES)), None)
    return shape is None or next(shape.iter(*(f"{p}ph" for p in _SLIDES)), None) is None
