"""The thread that owns a device: sentences in from any thread, hypotheses out through futures.

There is no timer: a batch is what piled up while the device was busy with the one before.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import NamedTuple

import torch

from model.bundle import Bundle
from model.config import DecodingConfig
from model.search import Hypothesis
from service.errors import DecodingFailed, NotReady, Overloaded
from service.metrics import Metrics

logger = logging.getLogger(__name__)


FAILED = "The text could not be decoded; the server's log says why"


class Job(NamedTuple):
    """One sentence to decode."""

    bundle: Bundle
    source: Sequence[int]
    config: DecodingConfig
    future: Future[list[Hypothesis]]
    queued_at: float


class Engine:
    """One thread that decodes, and the queue in front of it.

    ``threads`` is how many threads a matrix product may use, None for as many as there are cores.
    """

    def __init__(
        self, metrics: Metrics, *, max_batch_sentences: int, max_queued_pieces: int, threads: int | None = None
    ) -> None:
        self._metrics = metrics
        self._max_batch_sentences = max_batch_sentences
        self._max_queued_pieces = max_queued_pieces
        self._threads = threads
        self._queue: deque[Job] = deque()
        self._queued_pieces = 0
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        metrics.queued_sentences.set_function(lambda: len(self._queue))

    def start(self) -> None:
        """Begin to decode."""
        self._thread.start()

    def is_alive(self) -> bool:
        """Say whether the thread runs."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Refuse new work, finish what was accepted, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def submit(
        self, bundle: Bundle, sources: Sequence[Sequence[int]], config: DecodingConfig
    ) -> list[Future[list[Hypothesis]]]:
        """Queue framed sources, all or none; each future gives the hypotheses of its source, best first.

        Overloaded when they would exceed the queue, unless it is empty: a request that is within the limits of a
        request must not be refused for ever. NotReady after close. A future fails with DecodingFailed.
        """
        pieces = sum(map(len, sources))
        with self._changed:
            if self._closing:
                raise NotReady("The service is shutting down")
            if self._queue and self._queued_pieces + pieces > self._max_queued_pieces:
                raise Overloaded(f"Too busy: {len(self._queue)} sentences are waiting")
            now = time.monotonic()
            jobs = [Job(bundle, source, config, Future(), now) for source in sources]
            self._queue.extend(jobs)
            self._queued_pieces += pieces
            self._changed.notify_all()
        return [job.future for job in jobs]

    def _run(self) -> None:
        # In this thread, as OpenMP keeps the number for each thread.
        if self._threads:
            torch.set_num_threads(self._threads)
        while jobs := self._next_batch():
            self._decode(jobs)

    def _next_batch(self) -> list[Job]:
        """Wait for work and take what can share a batch with the oldest sentence; empty when the engine is closed.

        First come, first served: whoever waits for another network keeps its place.
        """
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return []
                taken = self._take()
                # A cancelled one must not be answered: setting its result would raise.
                if jobs := [job for job in taken if job.future.set_running_or_notify_cancel()]:
                    return jobs

    def _take(self) -> list[Job]:
        first = self._queue[0]
        taken: list[Job] = []
        passed_over: list[Job] = []
        while self._queue and len(taken) < self._max_batch_sentences:
            job = self._queue.popleft()
            shares = job.bundle is first.bundle and job.config == first.config
            (taken if shares else passed_over).append(job)
        self._queue.extendleft(reversed(passed_over))
        self._queued_pieces -= sum(len(job.source) for job in taken)
        return taken

    def _decode(self, jobs: Sequence[Job]) -> None:
        started = time.monotonic()
        bundle, config = jobs[0].bundle, jobs[0].config
        try:
            results = bundle.search.search([job.source for job in jobs], config)
        except Exception:
            logger.exception("decoding %d sentences with %s failed", len(jobs), bundle.manifest.name)
            for job in jobs:
                job.future.set_exception(DecodingFailed(FAILED))
            return
        for job, hypotheses in zip(jobs, results, strict=True):
            if hypotheses:
                job.future.set_result(hypotheses)
            else:
                logger.error("%s gave no finite probability for a sentence", bundle.manifest.name)
                job.future.set_exception(DecodingFailed(FAILED))
        metrics, name = self._metrics, bundle.manifest.name
        metrics.decode_seconds.observe(time.monotonic() - started)
        metrics.batch_sentences.observe(len(jobs))
        for job, hypotheses in zip(jobs, results, strict=True):
            metrics.queue_seconds.observe(started - job.queued_at)
            metrics.pieces.labels(name, "in").inc(len(job.source))
            metrics.pieces.labels(name, "out").inc(len(hypotheses[0].pieces) if hypotheses else 0)


def gather(futures: Sequence[Future[list[Hypothesis]]]) -> Future[list[list[Hypothesis]]]:
    """Return one future for all results in order: it wakes who waits once, however many sentences there are.

    It fails with the first failure. What is still queued then, or when it is cancelled, is not decoded for nobody.
    """
    gathered: Future[list[list[Hypothesis]]] = Future()
    remaining = len(futures)
    lock = threading.RLock()  # cancelling a future settles it in the same thread

    def settle(future: Future[list[Hypothesis]]) -> None:
        nonlocal remaining
        with lock:
            remaining -= 1
            if gathered.done():
                return
            error = future.exception()
            # Whoever waits may cancel at any moment, but not once it is running.
            if (error or not remaining) and gathered.set_running_or_notify_cancel():
                if error:
                    gathered.set_exception(error)
                else:
                    gathered.set_result([f.result() for f in futures])

    def cancel_the_rest(_: Future[list[list[Hypothesis]]]) -> None:
        for future in futures:
            future.cancel()

    gathered.add_done_callback(cancel_the_rest)
    if not futures:
        gathered.set_result([])
    for future in futures:
        future.add_done_callback(settle)
    return gathered
