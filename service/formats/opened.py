"""A file that was read: the texts in it, and the way back into a file."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from service.errors import InvalidRequest

Format = Literal["text", "html"]


class FileJob(NamedTuple):
    """How a file is to be read and written."""

    source: str = ""
    """Language of the texts; how lines are joined depends on it, and what texts older than UTF-8 are in."""
    target: str = ""
    """Language of the translations, which documents that name theirs are given; empty: they keep it."""
    max_bytes: int = 50_000_000
    """What a file may be when it is unpacked."""
    max_characters: int = 1_000_000
    """What its texts may have together, those that it has often as often."""

    def check(self, characters: int) -> None:
        """Raise InvalidRequest for more characters than texts may have."""
        if characters > self.max_characters:
            raise InvalidRequest(
                f"Invalid file: its text, with all repetitions, exceeds the limit of {self.max_characters} characters"
            )


class Opened(NamedTuple):
    """The texts of a file, all in one format, and what makes a file of as many translations."""

    texts: list[str]
    format: Format
    write: Callable[[Sequence[str]], bytes]
