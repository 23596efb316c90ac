"""The two lanes of a thread that decodes, and which of them takes the next step.

Each lane is a batch of its own, so a row that waits costs no step anything. While both have work they share the time of
the thread by weighted fair queueing (Demers et al. 1989): a lane's clock runs by the time that its steps took over its
weight, and the lane whose clock is behind is next. A lane without work gains no claim by that.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from service.admission import Lane
from service.metrics import Metrics
from service.worker import Job, Worker

WEIGHTS = {Lane.FOREGROUND: 3.0, Lane.BACKGROUND: 1.0}


class Turn(NamedTuple):
    """A lane's next step, and who joins before it."""

    lane: Lane
    joining: Sequence[Job]


class Lanes:
    """A worker for each lane. Belongs to one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self.workers = {lane: Worker(metrics) for lane in Lane}
        self._clocks = dict.fromkeys(Lane, 0.0)

    @property
    def sentences(self) -> int:
        """How many sentences are being decoded."""
        return sum(worker.load.sentences for worker in self.workers.values())

    @property
    def sentence_seconds(self) -> float:
        """Moving mean of the work for a sentence, of the lane where it is more."""
        return max(worker.sentence_seconds for worker in self.workers.values())

    def next(self, take: Callable[[Lane, Worker], Sequence[Job]]) -> Turn | None:
        """Return whose turn it is, with whom ``take`` lets into that lane; None when neither has work."""
        first, second = sorted(Lane, key=lambda lane: (self._clocks[lane], lane))
        if (turn := self._turn(first, take)) is None:
            self._clocks[first] = self._clocks[second]
            turn = self._turn(second, take)
        return turn

    def _turn(self, lane: Lane, take: Callable[[Lane, Worker], Sequence[Job]]) -> Turn | None:
        worker = self.workers[lane]
        joining = take(lane, worker)
        return Turn(lane, joining) if joining or worker.load.sentences else None

    def advance(self, turn: Turn) -> None:
        """Take the step."""
        started = time.monotonic()
        self.workers[turn.lane].advance(turn.joining)
        self._clocks[turn.lane] += (time.monotonic() - started) / WEIGHTS[turn.lane]
