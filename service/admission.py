"""Who may join the sentences that are being decoded, and when: the policies, apart from any thread or network.

The sentences of a client, which ``service.waiting`` weighs against other clients', wait in the order of their turns. A
sentence's turn is when it came; each further sentence of one request has its turn ``pace`` later than the one before,
so that documents take turns. A turn never changes, and later requests have later ones: nobody starves.

They wait in two lanes. The first ``foreground_pieces`` of each request are in the foreground; the rest of a document is
in the background, in a batch of its own, which stands still for most of the time while there is a foreground.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

ANY_NUMBER = sys.maxsize
SENTENCE_CHARACTERS = 40
"""Of an ordinary sentence."""


class Lane(IntEnum):
    """Where a sentence waits and is decoded."""

    FOREGROUND = 0
    BACKGROUND = 1


class Load(NamedTuple):
    """How much is being decoded, or may be."""

    sentences: int
    rows: int
    """Hypotheses: the beam sizes of all sentences."""
    positions: int
    """Source positions, each sentence padded to the longest."""


@dataclass(eq=False)
class Visit:
    """A request as the engine knows it, which may submit its sentences one after the other.

    It is let in, or refused, once; and what comes later has the turns that it would have had with the first.
    """

    client: str = ""
    """Whose requests are to be treated as one when there is not enough for all."""
    patience_seconds: float = math.inf
    """After which nobody waits for it any more."""
    characters: float = 0.0
    """Of all its texts, those that are translated twice, through another language, counted twice; 0: not known."""
    read: float = 0.0
    """Of which so many are in what was submitted, and in what is submitted next."""
    pieces: int = 0
    """Submitted so far."""
    turn: float = 0.0
    """The earliest that its next sentence may have."""

    @property
    def left(self) -> float:
        """Of the characters, how many come later than what is submitted next."""
        return max(0.0, self.characters - self.read)

    @property
    def share(self) -> float:
        """Of the request's sentences, how many will have been submitted when the next are; more than 0."""
        return min(1.0, max(1.0, self.read) / max(1.0, self.characters))

    def to_come(self, pieces: int) -> int:
        """Return about how many pieces come later, if so many are submitted now; a piece has a character at least."""
        return round(min(self.left, (self.pieces + pieces) * (1 / self.share - 1)))

    def sentences(self, first: int) -> int:
        """Return about how many sentences there are in all, if so many are submitted first.

        Those that come later are as long as these, but where these are no measure: one word may be before a document.
        """
        return math.ceil(min(first / self.share, first + self.left / SENTENCE_CHARACTERS))


class Waiting(NamedTuple):
    """What a policy sees of a sentence at the door."""

    came_at: float
    """Seconds of a monotonic clock."""
    source_pieces: int
    beam_size: int


class Joins(NamedTuple):
    """What is known of earlier joining."""

    seconds: float
    """What encoding costs whoever is being decoded, however little is encoded."""
    last_at: float
    """When somebody joined last, by the same clock as ``came_at``."""
    is_encoding: bool = False
    """Whether somebody who joined is still being encoded, beside the steps of the others."""


class Policy(Protocol):
    """Decides how many of those who wait join now."""

    window_seconds: float
    """How long an idle engine may hold back who waits."""
    pace: float
    """Distance of the turns of one request's sentences, in mean times that a sentence takes."""
    foreground_pieces: float
    """Source pieces of a request that are decoded in the foreground."""
    most_at_once: int
    """Sentences that may join at a time."""

    def admits(self, waiting: Sequence[Waiting], load: Load, limits: Load, joins: Joins, now: float) -> int:
        """Return how many of ``waiting``, which stand in the order in which they are next, may join ``load`` now."""
        ...


def fitting(waiting: Sequence[Waiting], load: Load, limits: Load) -> int:
    """Return how many from the first on fit into the limits beside ``load``; one always fits when there is no load.

    Nobody overtakes one who does not fit, who would else wait for ever.
    """
    sentences, rows = load.sentences, load.rows
    longest = load.positions // load.sentences if load.sentences else 0
    for count, one in enumerate(waiting):
        sentences += 1
        rows += one.beam_size
        longest = max(longest, one.source_pieces)
        fits = sentences <= limits.sentences and rows <= limits.rows and sentences * longest <= limits.positions
        if not fits and sentences > 1:
            return count
    return len(waiting)


class InFlight:
    """Sentences join between any two steps.

    To encode someone makes all others wait: those who are being decoded, and those who still have no place. So those
    at the door are let in once they have waited there together as long as the others would lose together by stopping
    for them (as in the ski-rental problem, that is at most twice the least possible loss), and at once when nobody is
    being decoded. They wait at the door since they came, or since it was open last: under load they come in by groups,
    and the others stop less often.

    On a GPU, which encodes beside the steps of the others, what they lose is what the host takes to ask for it. There
    one group is encoded at a time, as to encode a hundred takes about as long as to encode one.
    """

    window_seconds = 0.0
    pace = 2.0

    def __init__(self, foreground_pieces: float = math.inf, most_at_once: int = ANY_NUMBER) -> None:
        self.foreground_pieces = foreground_pieces
        self.most_at_once = most_at_once

    def admits(self, waiting: Sequence[Waiting], load: Load, limits: Load, joins: Joins, now: float) -> int:
        """See Policy."""
        if joins.is_encoding:
            return 0
        count = fitting(waiting[: self.most_at_once], load, limits)
        if not load.sentences:
            return count
        waited = sum(now - max(one.came_at, joins.last_at) for one in waiting[:count])
        others = load.sentences + len(waiting) - count
        return count if waited >= others * joins.seconds else 0


class Static:
    """Batches whose sentences all start together; the next starts when the last sentence of this one has ended.

    What other servers do, to compare with. A batch that is not full waits ``window_seconds`` for more.
    """

    pace = 0.0
    foreground_pieces = math.inf
    most_at_once = ANY_NUMBER

    def __init__(self, window_seconds: float = 0.0) -> None:
        self.window_seconds = window_seconds

    def admits(self, waiting: Sequence[Waiting], load: Load, limits: Load, joins: Joins, now: float) -> int:
        """See Policy."""
        del joins
        if load.sentences or not waiting:
            return 0
        count = fitting(waiting, load, limits)
        is_full = count < len(waiting) or count == limits.sentences
        return count if is_full or now - waiting[0].came_at >= self.window_seconds else 0


class OneByOne:
    """No batches at all, to compare with."""

    window_seconds = 0.0
    pace = 0.0
    foreground_pieces = math.inf
    most_at_once = ANY_NUMBER

    def admits(self, waiting: Sequence[Waiting], load: Load, limits: Load, joins: Joins, now: float) -> int:
        """See Policy."""
        del limits, joins, now
        return 1 if waiting and not load.sentences else 0
