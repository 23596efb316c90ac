"""Spans out of what is written as a start and an end apart from each other, as bookmarks and fields are."""

from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple, TypeVar

from service.formats.inline import MAX_DEPTH

Entry = TypeVar("Entry")


class Half(NamedTuple):
    """A start or an end; the two have one key."""

    is_start: bool
    key: Hashable


def nest(
    entries: Sequence[Entry],
    half: Callable[[Entry], Half | None],
    pair: Callable[[Entry, list[Entry], Entry], Entry],
) -> list[Entry]:
    """Make one entry, by ``pair``, of each start and its end with what is between them.

    Of two that overlap, the inner start and its end stay as they are, each for itself, as do those without the other
    half.
    """
    frames: list[tuple[Hashable, list[Entry], list[Entry]]] = [(None, [], [])]  # key, start, what came after it
    for entry in entries:
        what = half(entry)
        keys = [key for key, _, _ in frames]
        if what is not None and what.is_start and len(frames) < MAX_DEPTH:
            frames.append((what.key, [entry], []))
        elif what is not None and not what.is_start and what.key in keys[1:]:
            while frames[-1][0] != what.key:
                _flatten(frames)
            _, [start], children = frames.pop()
            frames[-1][2].append(pair(start, children, entry))
        else:
            frames[-1][2].append(entry)
    while len(frames) > 1:
        _flatten(frames)
    return frames[0][2]


def _flatten(frames: list[tuple[Hashable, list[Entry], list[Entry]]]) -> None:
    """Put what was begun last, and does not end, into what is around it."""
    _, start, children = frames.pop()
    frames[-1][2].extend([*start, *children])
