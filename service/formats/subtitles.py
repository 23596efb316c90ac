"""Subtitles: srt.

A cue's lines are one text, unless each begins with the dash of another speaker, and its translation is wrapped into as
many.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from typing import NamedTuple

from service.errors import InvalidRequest
from service.formats.encoding import decode
from service.formats.opened import FileJob, Opened
from service.languages import is_spaceless
from service.paragraphs import Wrap, wrap

_NUMBER = re.compile(r"\s*\d+\s*")
_TIME = r"\d{1,3}:\d{1,2}:\d{1,2}(?:[,.]\d{1,3})?"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_SPEAKER = re.compile(r"\s*[-–—‐]\s*")
_PREFIX = re.compile(r"(?:\{\\[^{}]*\}|\s)*")
"""How a program is told where to show a cue."""
_TAG = re.compile(r"</?(?:i|b|u|s|font)(?:\s[^<>]*)?>", re.IGNORECASE)
_PRIVATE = 0xE000
_PRIVATE_END = 0xF8FF


class _Said(NamedTuple):
    """Lines of a cue that are one text."""

    before: str
    text: str
    widths: list[int]


def open_srt(content: bytes, job: FileJob) -> Opened:
    """Open subtitles; InvalidRequest names the line at which they are none."""
    decoded = decode(content)
    newline = "\r\n" if "\r\n" in decoded.text else "\n"
    lines = decoded.text.replace("\r\n", "\n").split("\n")
    pieces: list[str | _Said] = []  # lines that stay, and what is said
    for start, stop in _cues(lines, pieces):
        pieces += _said(lines[start:stop], job.source) if start < stop else ()
    said = [piece for piece in pieces if isinstance(piece, _Said)]

    def write(translations: Sequence[str]) -> bytes:
        remaining = iter(translations)
        written = (
            piece if isinstance(piece, str) else _wrapped(piece, next(remaining), job.target) for piece in pieces
        )
        return decoded.encode("\n".join(written).replace("\n", newline))

    return Opened([_to_html(one.text) for one in said], "html", write)


def _cues(lines: Sequence[str], kept: list[str | _Said]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of lines that hold the text of a cue; those in front of it have been added to ``kept`` then."""
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            kept.append(lines[at])
            at += 1
            continue
        if not _NUMBER.fullmatch(lines[at]):
            raise InvalidRequest(f"Invalid file: line {at + 1} of the .srt file should be the number of a cue")
        if at + 1 == len(lines) or not _TIMES.fullmatch(lines[at + 1]):
            raise InvalidRequest(f"Invalid file: line {at + 2} of the .srt file should be the times of a cue")
        kept += lines[at : at + 2]
        at += 2
        stop = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
        yield at, stop
        at = stop
    if not any(map(_TIMES.fullmatch, (line for line in kept if isinstance(line, str)))):
        raise InvalidRequest("Invalid file: the .srt file has no cues")


def _said(lines: Sequence[str], language: str) -> Iterator[str | _Said]:
    starts = [i for i, line in enumerate(lines) if i == 0 or _SPEAKER.match(line)]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        # The dash may be after the prefix, or before it.
        before = _PREFIX.match(lines[start])[0]  # type: ignore[index]
        if dash := _SPEAKER.match(lines[start], len(before)):
            before += dash[0]
        core = [lines[start][len(before) :].strip(), *map(str.strip, lines[start + 1 : stop])]
        space = "" if is_spaceless(language) else " "
        text = space.join(core)
        if any(map(str.isalpha, _TAG.sub("", text))):
            yield _Said(before, text, [len(_TAG.sub("-", line)) for line in core])
        else:
            yield "\n".join(lines[start:stop])


def _to_html(text: str) -> str:
    """Return HTML of a cue, whose tags are HTML's, and whose other characters mean themselves."""
    at, html = 0, []
    for found in _TAG.finditer(text):
        html += [escape(text[at : found.start()], quote=False), found[0]]
        at = found.end()
    return "".join([*html, escape(text[at:], quote=False)])


def _wrapped(said: _Said, html: str, language: str) -> str:
    """Return the lines of a cue: text with its tags, which are one character each while lines are broken."""
    tags: list[str] = []

    def stand_in(found: re.Match[str]) -> str:
        if _PRIVATE + len(tags) > _PRIVATE_END:
            return ""
        tags.append(found[0])
        return chr(_PRIVATE + len(tags) - 1)

    text = unescape(_TAG.sub(stand_in, " ".join(html.split())))
    lines = [""] * len(said.widths)
    ends = ["\n"] * (len(lines) - 1) + [""]
    wrapped = wrap(text, Wrap(lines, ends, said.widths), language) if len(lines) > 1 else text
    of = {chr(_PRIVATE + i): tag for i, tag in enumerate(tags)}
    return said.before + "".join(of.get(character, character) for character in wrapped)
