"""Files that are replaced whole: a kill at any moment leaves the old content or the new."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the path's place when the block ends, and vanishes when it raises.

    OSError when the folder does not exist or is full.
    """
    # Of one name, so that what a kill leaves behind is overwritten by the next attempt.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file's content."""
    with open_atomically(path) as file:
        file.write(content)
