"""Files that are replaced whole: a kill at any moment leaves the old content or the new."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def open_atomically(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the path's place when the block ends, and vanishes when it raises.

    OSError when the folder does not exist or is full.
    """
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)  # a temporary file is private, which a file of a bundle must not be
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the file's content."""
    with open_atomically(path) as file:
        file.write(content)
