"""Files that are one text: txt and html."""

import re
from collections.abc import Sequence

from service.formats.encoding import decode, decode_html
from service.formats.opened import FileJob, Opened

_ROOT = re.compile(r"""<html\b(?:[^<>"']|"[^"]*"|'[^']*')*>""", re.IGNORECASE)
_LANGUAGE = re.compile(r"""(\s(?:xml:)?lang\s*=\s*)("[^"]*"|'[^']*'|[^\s"'<>=]+)|"[^"]*"|'[^']*'""", re.IGNORECASE)
_HEAD_CHARACTERS = 10_000
"""In which ``<html>`` is looked for."""


def open_txt(content: bytes, job: FileJob) -> Opened:
    """Open a text file; lines and paragraphs are the translation's business."""
    decoded = decode(content, job.source)
    return Opened([decoded.text], "text", lambda translations: decoded.encode(translations[0]))


def open_html(content: bytes, job: FileJob) -> Opened:
    """Open an HTML file."""
    decoded = decode_html(content, job.source)

    def write(translations: Sequence[str]) -> bytes:
        html = with_language(translations[0], job.target) if job.target else translations[0]
        return decoded.encode(html, "xmlcharrefreplace")

    return Opened([decoded.text], "html", write)


def with_language(html: str, language: str) -> str:
    """Return HTML that says it is in a language, if it says so of any."""
    found = _ROOT.search(html, 0, _HEAD_CHARACTERS)
    if found is None:
        return html
    root = _LANGUAGE.sub(lambda one: f'{one[1]}"{language}"' if one[1] else one[0], found[0])
    return html[: found.start()] + root + html[found.end() :]
