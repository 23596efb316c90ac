"""Subtitles: srt.

A cue's lines are one text, unless each begins with the dash of another speaker, and its translation is wrapped into as
many.
"""

import re
from collections.abc import Iterator, Sequence
from html import escape, unescape
from itertools import islice
from typing import NamedTuple

from service.blocks import STAND_INS
from service.errors import InvalidRequest
from service.formats.encoding import decode
from service.formats.opened import FileJob, Opened
from service.languages import is_spaceless
from service.paragraphs import Wrap, wrap
from service.text import may_change

_NUMBER = re.compile(r"\s*\d+\s*")
_TIME = r"\d{1,3}:\d{1,2}:\d{1,2}(?:[,.]\d{1,3})?"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_SPEAKER = re.compile(r"\s*[-–—‐]\s*")
_PREFIX = re.compile(r"(?:\{\\[^{}]*\}|\s)*")
"""How a program is told where to show a cue."""
_SPACES = re.compile(r"[ \t\n\f\r]+")
_TAG = re.compile(r"</?(?:i|b|u|s|font)(?:\s[^<>]*)?>", re.IGNORECASE)


class _Said(NamedTuple):
    """Lines of a cue that are one text."""

    raw: str
    before: str
    text: str
    widths: list[int]


def open_srt(content: bytes, job: FileJob) -> Opened:
    """Open subtitles; InvalidRequest where they are none, with the line where that can be told."""
    decoded = decode(content, job.source)
    newline = "\r\n" if "\r\n" in decoded.text else "\n"
    lines = decoded.text.replace("\r\n", "\n").split("\n")
    pieces: list[str | _Said] = []  # lines that stay, and what is said
    for start, stop in _said_lines(lines, pieces):
        pieces += _said(lines[start:stop], job.source)
    said = [(piece, _to_html(piece.text)) for piece in pieces if isinstance(piece, _Said)]

    def write(translations: Sequence[str]) -> bytes:
        translated = zip(said, translations, strict=True)
        written = iter(
            one.raw if translation == html else _wrapped(one, translation, job.target)
            for (one, html), translation in translated
        )
        whole = "\n".join(piece if isinstance(piece, str) else next(written) for piece in pieces)
        return decoded.encode(whole.replace("\n", newline))

    return Opened([html for _, html in said], "html", write)


def _said_lines(lines: Sequence[str], kept: list[str | _Said]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of lines that hold text; those in front of one have been added to ``kept`` then.

    As players have it, a cue may lack its number, and its text may have an empty line.
    """
    at, has_cues = 0, False
    while at < len(lines):
        stop = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
        times = at + 1 if stop - at > 1 and _NUMBER.fullmatch(lines[at]) else at
        if stop > at and _TIMES.fullmatch(lines[times]):
            has_cues = True
            kept += lines[at : times + 1]
            at = times + 1
        elif times > at:
            raise InvalidRequest(f"Invalid file: line {times + 1} of the .srt file should be the times of a cue")
        if at < stop and has_cues:
            yield at, stop
        else:
            kept += lines[at:stop]
        kept += lines[stop : stop + 1]
        at = stop + 1
    if not has_cues:
        raise InvalidRequest(
            "Invalid file: the .srt file has no cues, with times such as 00:00:01,000 --> 00:00:02,500"
        )


def _said(lines: Sequence[str], language: str) -> Iterator[str | _Said]:
    starts = [i for i, line in enumerate(lines) if i == 0 or _SPEAKER.match(line)]
    for start, stop in zip(starts, [*starts[1:], len(lines)], strict=True):
        raw = "\n".join(lines[start:stop])
        # The dash may be after the prefix, or before it.
        before = _PREFIX.match(raw)[0]  # type: ignore[index]
        if dash := _SPEAKER.match(raw, len(before)):
            before += dash[0]
        core = [line.strip() for line in raw[len(before) :].split("\n")]
        text = ("" if is_spaceless(language) else " ").join(core)
        if may_change(_TAG.sub("", text)):
            yield _Said(raw, before, text, [len(_TAG.sub("-", line)) for line in core])
        else:
            yield raw


def _to_html(text: str) -> str:
    """Return HTML of a cue, whose tags are HTML's, and whose other characters mean themselves."""
    at, html = 0, []
    for found in _TAG.finditer(text):
        html += [escape(text[at : found.start()], quote=False), found[0]]
        at = found.end()
    return "".join([*html, escape(text[at:], quote=False)])


def _wrapped(said: _Said, html: str, language: str) -> str:
    """Return the lines of a cue: text with its tags, which are one character each while lines are broken."""
    html = _SPACES.sub(" ", html).strip(" ")
    tags = _TAG.findall(html)
    used = set(unescape(html))
    unused = list(islice((chr(code) for code in STAND_INS if chr(code) not in used), len(tags)))
    lines = len(said.widths)
    if lines == 1 or len(unused) < len(tags):
        return said.before + unescape(html)
    stand_ins = iter(unused)
    text = unescape(_TAG.sub(lambda _: next(stand_ins), html))
    wrapped = wrap(text, Wrap([""] * lines, ["\n"] * (lines - 1) + [""], said.widths), language)
    tag_of = dict(zip(unused, tags, strict=True))
    return said.before + "".join(tag_of.get(character, character) for character in wrapped)
