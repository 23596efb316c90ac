"""Translation of files: what is text in them is translated, and all else stays as it is.

Each format is read into texts and a way back (``service.formats``), so that all texts of a file are
translated together.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias, TypeVar

from service.errors import InvalidRequest
from service.formats.epub import open_epub
from service.formats.markdown import open_md
from service.formats.office import open_docx, open_pptx
from service.formats.opendocument import open_odp, open_odt
from service.formats.opened import FileJob, Format, Opened
from service.formats.subtitles import open_srt
from service.formats.text import open_html, open_txt
from service.text import may_change

Result = TypeVar("Result")
Translate: TypeAlias = Callable[[list[str], Format], Awaitable[list[str]]]
"""Texts → their translations in the same order; HTML keeps its inline tags around the right words."""

FILES_AT_ONCE = 4
"""Files that are read, translated and written at once."""
_THREADS = ThreadPoolExecutor(FILES_AT_ONCE, "files")
"""Of their own, as one that has begun to read a file reads on when the client has left: no text has to wait for it."""
_OPEN: dict[str, Callable[[bytes, FileJob], Opened]] = {
    ".txt": open_txt,
    ".md": open_md,
    ".html": open_html,
    ".srt": open_srt,
    ".docx": open_docx,
    ".pptx": open_pptx,
    ".odt": open_odt,
    ".odp": open_odp,
    ".epub": open_epub,
}
SUPPORTED = tuple(_OPEN)
"""Suffixes of the files that can be translated."""


async def open_file(content: bytes, suffix: str, job: FileJob) -> Opened:
    """Read the texts of a file.

    InvalidRequest if the suffix is not supported, or the file is not what its suffix says, encrypted, or larger than
    ``job`` allows, once unpacked or in its texts.
    """
    opener = _OPEN.get(suffix.lower())
    if opener is None:
        raise InvalidRequest(f"{suffix or 'A file without a suffix'} is not supported; {', '.join(SUPPORTED)} are")
    if len(content) > job.max_bytes:
        raise InvalidRequest(f"Invalid file: {len(content)} bytes exceed the limit of {job.max_bytes}")
    opened = await in_thread(lambda: opener(content, job))
    job.check(sum(map(len, opened.texts)))
    return opened


async def translate_file(opened: Opened, translate: Translate) -> bytes:
    """Return a file with translations in the place of its texts; a text that it has often is translated once."""
    distinct = list(dict.fromkeys(text for text in opened.texts if may_change(text)))
    translations = await translate(distinct, opened.format) if distinct else []
    translation_of = dict(zip(distinct, translations, strict=True))
    return await in_thread(lambda: opened.write([translation_of.get(text, text) for text in opened.texts]))


async def in_thread(work: Callable[[], Result]) -> Result:
    """Do work on a file without holding up the event loop; what has not begun when it is cancelled never does."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
