"""The threads that own a device, and the queue in front of them: sentences in from any thread, hypotheses out through
futures.

On a CPU with few cores each thread decodes a batch of its own on a core of its own. Two threads that share each product
would wait for each other at its end, a thousand times a second, and stand still whenever the HTTP server takes one of
their cores.
"""

import threading
import time
from bisect import insort
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import torch

from model.bundle import Bundle
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from model.search import Sentence
from service.admission import InFlight, Load, OneByOne, Policy, Static, Waiting
from service.errors import NotReady, Overloaded
from service.metrics import Metrics
from service.settings import Settings, Threads, choose_device, share_cores
from service.worker import Job, Worker

CPU_LIMITS = Load(sentences=12, rows=96, positions=0)
GPU_LIMITS = Load(sentences=512, rows=2560, positions=0)
COMPANY_SECONDS = 5.0
"""After one request met another, how long each is held to its share: more of them are to be expected."""


class Engine:
    """Workers, and the queue in front of them. ``limits`` are those of one worker."""

    def __init__(
        self, metrics: Metrics, *, policy: Policy, limits: Load, threads: Threads, max_queued_pieces: int
    ) -> None:
        self.metrics = metrics
        self._policy = policy
        self._limits = limits
        self._for_each = threads.for_each
        self._max_queued_pieces = max_queued_pieces
        self._queue: list[Job] = []  # by turn
        self._queued_pieces = 0
        self._requests = 0
        self._company_until = 0.0
        self._in_flight = [0] * threads.workers
        self._busy_since: list[float | None] = [None] * threads.workers
        self._sentence_seconds = [0.0] * threads.workers
        self._closing = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"engine-{index}", daemon=True)
            for index in range(threads.workers)
        ]
        metrics.queued_sentences.set_function(lambda: len(self._queue))
        metrics.sentences_in_flight.set_function(lambda: sum(self._in_flight))

    def start(self) -> None:
        """Begin to decode."""
        for thread in self._threads:
            thread.start()

    def is_alive(self) -> bool:
        """Say whether all threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def stalled_seconds(self) -> float:
        """Return how long the step that takes longest has been under way; 0 when the engine waits for work."""
        now = time.monotonic()
        return max((now - since for since in self._busy_since if since is not None), default=0.0)

    def close(self) -> None:
        """Refuse new work, finish what was accepted, and end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread.is_alive():
                thread.join()

    def submit(
        self,
        bundle: Bundle,
        sources: Sequence[Sequence[int]],
        config: DecodingConfig,
        *,
        attention: bool = False,
        constraints: Sequence[Sequence[Sequence[int]]] | None = None,
    ) -> list[Future[list[Hypothesis]]]:
        """Queue framed sources of one request, all or none; each future gives the hypotheses of its source, best first.

        ``constraints`` are what the hypotheses of each source have to hold, as in Sentence; by default nothing.

        A future that is cancelled frees what its source holds before the next step. Overloaded when the queue would be
        exceeded, unless it is empty: a request that is within the limits of a request must not be refused for ever.
        NotReady after close. A future fails with DecodingFailed.
        """
        pieces = sum(map(len, sources))
        with self._changed:
            if self._closing:
                raise NotReady("Not ready: shutting down")
            if self._queue and self._queued_pieces + pieces > self._max_queued_pieces:
                self._forget_cancelled()
            if self._queue and self._queued_pieces + pieces > self._max_queued_pieces:
                raise Overloaded(f"Too busy: {len(self._queue)} sentences are waiting")
            now = time.monotonic()
            if self._queue or any(self._in_flight):
                self._company_until = now + COMPANY_SECONDS
            self._requests += 1
            pace_seconds = self._policy.pace * max(self._sentence_seconds) / len(self._threads)
            jobs = [
                Job(
                    bundle,
                    Sentence(source, config, attention, held),
                    Future(),
                    Waiting(now, len(source), config.beam_size),
                    now + position * pace_seconds,
                    self._requests,
                )
                for position, (source, held) in enumerate(zip(sources, constraints or [()] * len(sources), strict=True))
            ]
            for job in jobs:
                insort(self._queue, job, key=lambda job: job.turn)
            self._queued_pieces += pieces
            self._changed.notify_all()
        return [job.future for job in jobs]

    def _run(self, index: int) -> None:
        _name_thread("engine")
        torch.set_num_threads(self._for_each)  # in this thread, as OpenMP keeps the number for each thread
        worker = Worker(self.metrics)
        while (joining := self._next(index, worker)) is not None:
            self._busy_since[index] = time.monotonic()
            before = time.thread_time()
            worker.advance(joining)
            self.metrics.engine_cpu_seconds.inc(time.thread_time() - before)
            self._sentence_seconds[index] = worker.sentence_seconds

    def _next(self, index: int, worker: Worker) -> list[Job] | None:
        """Return who joins the worker's next step, having waited for work if it has none; None when all is done."""
        with self._changed:
            while True:
                load = worker.load
                self._in_flight[index] = load.sentences
                joining = self._take(worker, load)
                if joining or load.sentences:
                    self._in_flight[index] += len(joining)
                    return joining
                if self._closing and not self._queue:
                    return None
                self._busy_since[index] = None
                self._changed.wait(self._window_left())

    def _window_left(self) -> float | None:
        """Return for how long the policy holds back the first of the queue; None when only a change lets anybody in."""
        if not self._queue or not self._policy.window_seconds:
            return None
        return max(0.0, self._queue[0].waiting.came_at + self._policy.window_seconds - time.monotonic())

    def _take(self, worker: Worker, load: Load) -> list[Job]:
        """Take from the queue whom the policy lets in, at most so many that every worker gets an equal part."""
        if not self._queue:
            return []
        limits = worker.limits(self._limits)
        eligible = self._eligible(worker, limits.sentences + 1)
        if any(job.future.cancelled() for job in eligible):
            self._forget_cancelled()
            eligible = self._eligible(worker, limits.sentences + 1)
        waiting = [job.waiting for job in eligible]
        count = self._policy.admits(waiting, load, limits, worker.joins, time.monotonic())
        part = -(-(len(self._queue) + sum(self._in_flight)) // len(self._threads))
        joining = eligible[: min(count, max(0, part - load.sentences))]
        for job in joining:
            self._queue.remove(job)
            self._queued_pieces -= job.waiting.source_pieces
        return joining

    def _eligible(self, worker: Worker, most: int) -> list[Job]:
        """Return the first of the queue, by turn, whose requests do not have their share of the worker yet.

        A request that is alone may have all of it.
        """
        if time.monotonic() >= self._company_until:
            return self._queue[:most]
        share = max(1.0, self._policy.request_share * self._limits.sentences)
        of_request = worker.sentences_of_requests()
        eligible: list[Job] = []
        for job in self._queue:
            of_request[job.request] += 1
            if of_request[job.request] <= share:
                eligible.append(job)
                if len(eligible) == most:
                    break
        return eligible

    def _forget_cancelled(self) -> None:
        self._queue = [job for job in self._queue if not job.future.cancelled()]
        self._queued_pieces = sum(job.waiting.source_pieces for job in self._queue)


def _name_thread(name: str) -> None:
    """Tell the system the thread's name, for top and the like; Python does from 3.14 on."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)


def make_engine(settings: Settings, metrics: Metrics) -> Engine:
    """Return the engine that the settings ask for."""
    is_gpu = choose_device(settings).type == "cuda"
    usual = GPU_LIMITS if is_gpu else CPU_LIMITS
    policies: dict[str, Policy] = {
        "in-flight": InFlight(),
        "static-10ms": Static(window_seconds=0.010),
        "static": Static(),
        "one-by-one": OneByOne(),
    }
    return Engine(
        metrics,
        policy=policies[settings.policy],
        limits=Load(
            settings.max_batch_sentences or usual.sentences,
            settings.max_batch_rows or usual.rows,
            settings.max_batch_positions,
        ),
        threads=share_cores(settings),
        max_queued_pieces=settings.max_queued_pieces,
    )
