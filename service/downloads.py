"""Files that were translated, kept for a while for those who know their names.

On the disk a file has none: nothing that a client sends is ever part of a path, and however the process ends, nothing
is left. Safe to use from several threads.
"""

import asyncio
import re
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import IO, NamedTuple

from service.errors import InvalidRequest

KEEP_SECONDS = 30 * 60.0
MAX_TOTAL_BYTES = 150_000_000
MAX_FILES = 250
"""Each stays open, as many as 1,024 may be where nobody says otherwise."""
MAX_STEM_CHARACTERS = 50


class _Kept(NamedTuple):
    file: IO[bytes]
    size: int
    expires: float


class Downloads:
    """Keeps files, each of which goes after ``keep_seconds``, or earlier for want of room."""

    def __init__(
        self,
        *,
        keep_seconds: float = KEEP_SECONDS,
        max_total_bytes: int = MAX_TOTAL_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keep_seconds = keep_seconds
        self.max_total_bytes = max_total_bytes
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, _Kept] = {}  # in the order in which they expire

    def add(self, content: bytes, stem: str, suffix: str) -> str:
        """Keep a file; return the name under which it can be had, which nobody can guess."""
        if len(content) > self.max_total_bytes:
            raise InvalidRequest(f"Invalid file: its translation exceeds {self.max_total_bytes} bytes")
        secret = secrets.token_urlsafe(24)
        name = f"{secret}.{_safe(stem)}{suffix}"
        with self._lock:
            self._make_room(len(content))
            file = tempfile.TemporaryFile()  # noqa: SIM115 – it is closed when its time is over
            try:
                file.write(content)
                file.flush()
            except OSError:
                with suppress(OSError):  # as what it still has to write cannot be
                    file.close()
                raise
            self._kept[name] = _Kept(file, len(content), self._clock() + self.keep_seconds)
        return name

    def read(self, name: str) -> bytes | None:
        """Return the file of a name that was given out; None if it was not, or has gone."""
        with self._lock:
            self._expire()
            kept = self._kept.get(name)
            if kept is None:
                return None
            kept.file.seek(0)
            return kept.file.read()

    def expire(self) -> None:
        """Remove the files whose time is over."""
        with self._lock:
            self._expire()

    async def watch(self) -> None:
        """Remove files when their time is over, also if nobody asks for any, until cancelled."""
        while True:
            await asyncio.sleep(self.keep_seconds / 10)
            await asyncio.to_thread(self.expire)

    def close(self) -> None:
        """Remove all files."""
        with self._lock:
            while self._kept:
                self._remove_oldest()

    def _make_room(self, size: int) -> None:
        self._expire()
        while self._kept and (
            len(self._kept) >= MAX_FILES or sum(kept.size for kept in self._kept.values()) + size > self.max_total_bytes
        ):
            self._remove_oldest()

    def _expire(self) -> None:
        now = self._clock()
        while self._kept and next(iter(self._kept.values())).expires <= now:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        self._kept.pop(next(iter(self._kept))).file.close()


def _safe(stem: str) -> str:
    """Return letters, digits and hyphens of a name, as much as makes it known again."""
    return re.sub(r"[^\w-]+", "_", stem)[:MAX_STEM_CHARACTERS].strip("_") or "file"
