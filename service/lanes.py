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
MEAN_WEIGHT = 0.05
ENOUGH_ANSWERS = 20
"""Until so many times were seen their mean says nothing: the first sentences of a process take many times as long."""
LONGEST_STEP_SECONDS = 1.0
"""As how long a step counts at most: in a longer one the machine stood still, as a virtual one does that is moved.

Otherwise one lane would have to wait for what the other lost, and everybody be told to come back later.
"""


class Turn(NamedTuple):
    """A lane's next step, and who joins before it."""

    lane: Lane
    joining: Sequence[Job]


class Lanes:
    """A worker for each lane. Belongs to one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self.workers = {lane: Worker(metrics) for lane in Lane}
        self._clocks = dict.fromkeys(Lane, 0.0)
        self._unanswered_seconds = dict.fromkeys(Lane, 0.0)  # since a sentence of the lane was answered, or came first
        self._answers = dict.fromkeys(Lane, 0)
        self._mean_seconds = dict.fromkeys(Lane, 0.0)

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
        worker, started = self.workers[turn.lane], time.monotonic()
        worked_for = [lane for lane, one in self.workers.items() if one.load.sentences or lane is turn.lane]
        before = worker.answered
        worker.advance(turn.joining)
        seconds = min(time.monotonic() - started, LONGEST_STEP_SECONDS)
        self._clocks[turn.lane] += seconds / WEIGHTS[turn.lane]
        for lane in worked_for:
            self._unanswered_seconds[lane] += seconds
        if answered := worker.answered - before:
            self._note_answered(turn.lane, answered)
        elif not worker.load.sentences:  # all were given up
            self._unanswered_seconds[turn.lane] = 0.0

    def sentence_seconds(self, lane: Lane) -> float:
        """Return the moving mean of the time from one answered sentence of a lane to the next; 0 if it is unknown.

        The other lane's steps count while both have work.
        """
        return self._mean_seconds[lane] if self._answers[lane] >= ENOUGH_ANSWERS else 0.0

    def _note_answered(self, lane: Lane, sentences: int) -> None:
        now = self._unanswered_seconds[lane] / sentences
        self._answers[lane] += 1
        weight = max(MEAN_WEIGHT, 1 / self._answers[lane])
        self._mean_seconds[lane] += (now - self._mean_seconds[lane]) * weight
        self._unanswered_seconds[lane] = 0.0
