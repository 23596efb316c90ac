"""What a thread decodes in one lane: a batch for each bundle, in which sentences join and leave between steps."""

import itertools
import logging
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Optional

from model.bundle import Bundle
from model.hypothesis import Hypothesis
from model.mixed import MixedBatch
from model.reverse import Found, Reverse
from model.search import Batch, BeamSearch, Sentence
from service.admission import Joins, Lane, Load, Waiting
from service.errors import DecodingFailed
from service.metrics import Metrics

if TYPE_CHECKING:
    from service.tracing import Followed

logger = logging.getLogger(__name__)

FAILED = "The text could not be decoded; the server's log says why"
RECOVERY_SECONDS = 10.0
"""After a failure half as much is admitted, and twice as much again each time that this has passed without another."""


class Promise(Future[list[Hypothesis]]):
    """What a sentence will be answered with; to cancel it is how to say that nobody waits for it any more."""

    cancelled_last = 0
    """Changes whenever any is cancelled: to ask hundreds of them at each step takes half of what a step may."""
    _numbers = itertools.count(1)

    def cancel(self) -> bool:
        """See Future."""
        is_cancelled = super().cancel()
        if is_cancelled:
            Promise.cancelled_last = next(self._numbers)
        return is_cancelled


class Job(NamedTuple):
    """One sentence to decode, and who waits for it."""

    bundle: Bundle
    sentence: Sentence
    future: Promise
    waiting: Waiting
    client: str
    """Who is to be treated as one when there is not enough for all."""
    turn: float
    lane: Lane
    request_id: str | None = None
    followed: Optional["Followed"] = None
    """For the spans of the request, where traces are exported."""
    reverse: Reverse | None = None
    """How the best of what is found is chosen, if not by its score alone."""


Done = list[tuple[int, list[Hypothesis]]]
"""Tickets, each with the hypotheses of its sentence, best first."""


class _Admitted(NamedTuple):
    job: Job
    at: float


@dataclass
class _Decoding:
    """The sentences of one bundle, by their tickets in its batch."""

    name: str
    batch: Batch | MixedBatch
    jobs: dict[int, _Admitted]
    is_encoding: bool = False
    """See Joins; as of its last step, where what a device tells of earlier faults is caught."""


class Worker:
    """Decodes what it is given, a step of all its sentences at a time. Belongs to one thread."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._decoding: dict[BeamSearch, _Decoding] = {}
        self._rows = 0
        self._lengths = Counter[int]()  # of sources
        self._share = 1.0
        self._failed_at = 0.0
        self._cancelled_last = 0
        self._join_seconds = 0.0
        self._joined_at = 0.0
        self.load = Load(0, 0, 0)
        """What is being decoded."""
        self.answered = 0
        """How many sentences have been decoded to their end."""

    @property
    def joins(self) -> Joins:
        """What the cheapest admission of late took, which is what it costs to stop for one at all; and the last one."""
        is_encoding = any(decoding.is_encoding for decoding in self._decoding.values())
        return Joins(self._join_seconds, self._joined_at, is_encoding)

    def limits(self, limits: Load) -> Load:
        """Return the limits, or less of them for a while after a failure."""
        self._recover()
        return limits if self._share >= 1 else Load(*(max(1, int(limit * self._share)) for limit in limits))

    def _recover(self) -> None:
        """Admit more by all the time that has passed, in which there may have been nobody to ask for the limits."""
        while self._share < 1 and time.monotonic() - self._failed_at > RECOVERY_SECONDS:
            self._share *= 2
            self._failed_at += RECOVERY_SECONDS

    def advance(self, joining: Sequence[Job]) -> None:
        """Drop whom nobody waits for, let the others join, and take a step; answer who is done."""
        if self._cancelled_last != Promise.cancelled_last:
            self._cancelled_last = Promise.cancelled_last
            for search in list(self._decoding):
                self._drop_cancelled(search)
        wanted = [job for job in joining if not job.future.cancelled()]  # since they were taken from the queue
        if len(wanted) < len(joining):
            self._metrics.dropped_sentences.inc(len(joining) - len(wanted))
        by_search: dict[BeamSearch, list[Job]] = {}
        for job in wanted:
            by_search.setdefault(job.bundle.search, []).append(job)
        for search, jobs in by_search.items():
            self._admit(search, jobs)
        for search in list(self._decoding):
            self._step(search)
            if search in self._decoding and not self._decoding[search].jobs:
                del self._decoding[search]  # with all that its batch grew to, and the network if it is served no more
        self.load = self._load()

    def _load(self) -> Load:
        """Return what is being decoded; counted as it comes and goes, as there may be a thousand."""
        sentences = sum(len(decoding.jobs) for decoding in self._decoding.values())
        return Load(sentences, self._rows, sentences * max(self._lengths, default=0))

    def _hold(self, decoding: _Decoding, ticket: int, admitted: _Admitted) -> None:
        decoding.jobs[ticket] = admitted
        self._rows += admitted.job.waiting.beam_size
        self._lengths[admitted.job.waiting.source_pieces] += 1

    def _let_go(self, decoding: _Decoding, ticket: int) -> _Admitted:
        admitted = decoding.jobs.pop(ticket)
        length = admitted.job.waiting.source_pieces
        self._rows -= admitted.job.waiting.beam_size
        self._lengths[length] -= 1
        if not self._lengths[length]:
            del self._lengths[length]
        return admitted

    def _drop_cancelled(self, search: BeamSearch) -> None:
        decoding = self._decoding[search]
        cancelled = {ticket for ticket, one in decoding.jobs.items() if one.job.future.cancelled()}
        if not cancelled:
            return
        self._metrics.dropped_sentences.inc(len(cancelled))
        for ticket in cancelled:
            self._let_go(decoding, ticket)
        try:
            decoding.batch.drop(cancelled)
        except Exception:  # a GPU may tell only now what went wrong before
            self._fail_all(search)

    def _admit(self, search: BeamSearch, jobs: Sequence[Job]) -> None:
        name = jobs[0].bundle.manifest.name
        decoding = self._decoding.get(search) or _Decoding(name, search.batch(), {})
        started = time.monotonic()
        try:
            tickets = decoding.batch.admit([job.sentence for job in jobs])
        except Exception:
            self._fail(jobs, "encoding %d sentences with %s failed, of the requests %s", name)
            return
        self._decoding[search] = decoding
        seconds = time.monotonic() - started
        self._join_seconds = min(seconds, self._join_seconds * 1.01) or seconds
        self._joined_at = started + seconds
        self._metrics.encode_seconds.observe(seconds)
        self._metrics.pieces.labels(name, "in").inc(sum(len(job.sentence.source) for job in jobs))
        for ticket, job in zip(tickets, jobs, strict=True):
            self._hold(decoding, ticket, _Admitted(job, started))
            self._metrics.queue_seconds.observe(started - job.waiting.came_at)
            if job.followed:
                job.followed.admitted()

    def _step(self, search: BeamSearch) -> None:
        decoding = self._decoding[search]
        name, batch = decoding.name, decoding.batch
        if not decoding.jobs:
            return
        started = time.monotonic()
        self._metrics.step_sentences.observe(len(decoding.jobs))
        self._metrics.step_rows.observe(batch.rows)
        try:
            done = batch.step()
            decoding.is_encoding = batch.is_encoding
            self._metrics.step_seconds.observe(time.monotonic() - started)
            done = self._chosen(search, done)
        except Exception:
            self._fail_all(search)
            return
        now = time.monotonic()
        self._metrics.pieces.labels(name, "out").inc(sum(len(found[0].pieces) for _, found in done if found))
        for ticket, hypotheses in done:
            job, admitted_at = self._let_go(decoding, ticket)
            self._metrics.decode_seconds.observe(now - admitted_at)
            self._answer(job, hypotheses)
        self.answered += len(done)

    def _chosen(self, search: BeamSearch, done: Done) -> Done:
        """Choose by both directions where that is wanted."""
        jobs = self._decoding[search].jobs
        found = {
            ticket: Found(job.sentence.source, hypotheses, job.reverse)
            for ticket, hypotheses in done
            if (job := jobs[ticket].job).reverse and not job.future.cancelled()
        }
        if not found:
            return done
        started = time.monotonic()
        chosen = dict(zip(found, search.choose(list(found.values())), strict=True))
        self._metrics.choose_seconds.observe(time.monotonic() - started)
        return [(ticket, chosen.get(ticket, hypotheses)) for ticket, hypotheses in done]

    def _answer(self, job: Job, hypotheses: list[Hypothesis]) -> None:
        name = job.bundle.manifest.name
        if not hypotheses:
            logger.error("%s gave no finite probability for a sentence of the request %s", name, job.request_id or "-")
        # Whoever waits may cancel at any moment, but not once it is running.
        if job.future.set_running_or_notify_cancel():
            if hypotheses:
                job.future.set_result(hypotheses)
            else:
                job.future.set_exception(DecodingFailed(FAILED))

    def _fail_all(self, search: BeamSearch) -> None:
        """Fail a whole batch: what was left half done is not worth saving, the next sentences begin in a new one."""
        decoding = self._decoding.pop(search)
        name = decoding.name
        jobs = [self._let_go(decoding, ticket).job for ticket in list(decoding.jobs)]
        self._fail(jobs, "decoding %d sentences with %s failed, of the requests %s", name)

    def _fail(self, jobs: Sequence[Job], message: str, name: str) -> None:
        """Log the exception that is being handled, fail the jobs, and admit less for a while."""
        logger.exception(message, len(jobs), name, ", ".join(sorted({job.request_id or "-" for job in jobs})))
        self._recover()
        self._share = max(self._share / 2, 1 / 1024)
        self._failed_at = time.monotonic()
        for job in jobs:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(DecodingFailed(FAILED))
