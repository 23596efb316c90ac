"""The threads that own a device, and the queue in front of them: sentences in from any thread, hypotheses out through
futures.

On a CPU with few cores each thread decodes a batch of its own on a core of its own. Two threads that share each product
would wait for each other at its end, a thousand times a second, and stand still whenever the HTTP server takes one of
their cores.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from model.arenas import MOST_PLACES
from model.bundle import Bundle
from model.config import MAX_BEAM_SIZE, DecodingConfig, Task
from model.guidance import Terms
from model.hypothesis import Hypothesis
from model.mixed import LONGEST
from model.reverse import MARGIN, Reverse
from model.search import Sentence
from service.admission import InFlight, Lane, Load, OneByOne, Policy, Static, Visit, Waiting
from service.errors import NotReady, Overloaded
from service.lanes import Lanes, Turn
from service.logs import request_id
from service.metrics import Metrics
from service.settings import Settings, Threads, choose_device, share_cores
from service.waiting import WaitingRoom
from service.worker import Job, Promise, Worker

if TYPE_CHECKING:
    from service.tracing import Followed

logger = logging.getLogger(__name__)

CPU_LIMITS = Load(sentences=12, rows=96, positions=50_000)
GPU_JOIN_SENTENCES = 256
"""For at most 128 cuDNN reads a layer in one kernel, but the host has to ask for twice as many groups."""
GPU_SENTENCES = MOST_PLACES + GPU_JOIN_SENTENCES
"""More than there are places: who is encoded before there is one leaves none empty while it is encoded."""
GPU_LIMITS = Load(GPU_SENTENCES, rows=5 * GPU_SENTENCES, positions=GPU_SENTENCES * LONGEST)
FOREGROUND_PIECES = 64
"""Some six short sentences: what somebody waits for, rather than a document."""
CLOSE_SECONDS = 3.0
"""How long the threads may take to end, when nobody waits any more for what they decode."""
CAUTION = 4 / 3
"""How much longer than predicted a request may take: the prediction is a mean, and who is late was decoded in vain."""


class Engine:
    """Threads that decode, and the queue in front of them. ``limits`` are those of one lane of one thread."""

    def __init__(
        self, metrics: Metrics, *, policy: Policy, limits: Load, threads: Threads, max_queued_pieces: int
    ) -> None:
        self.metrics = metrics
        self.follow: Callable[[Sequence[Sequence[int]], DecodingConfig], Followed] | None = None
        """Begins to follow what is submitted, where traces are exported."""
        self._policy = policy
        self._limits = limits
        self._for_each = threads.for_each
        self._max_queued_pieces = max_queued_pieces
        self._rooms = {lane: WaitingRoom() for lane in Lane}
        self._pieces_to_come: dict[Visit, int] = {}
        self._in_flight = {lane: [0] * threads.workers for lane in Lane}
        self._busy_since: list[float | None] = [None] * threads.workers
        self._sentence_seconds = {lane: [0.0] * threads.workers for lane in Lane}
        self._cancelled_last = 0
        self._closing = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, args=(index,), name=f"engine-{index}", daemon=True)
            for index in range(threads.workers)
        ]
        metrics.queued_sentences.set_function(self._queued_sentences)
        metrics.sentences_in_flight.set_function(lambda: sum(map(sum, self._in_flight.values())))
        metrics.stalled_seconds.set_function(self.stalled_seconds)

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
        """Refuse new work, finish what was accepted, and end the threads; after CLOSE_SECONDS they are given up."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        give_up_at = time.monotonic() + CLOSE_SECONDS
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, give_up_at - time.monotonic()))
        if hanging := sum(thread.is_alive() for thread in self._threads):
            logger.error("given up: after %g s %d threads are still decoding", CLOSE_SECONDS, hanging)

    def submit(
        self,
        bundle: Bundle,
        sources: Sequence[Sequence[int]],
        config: DecodingConfig,
        *,
        attention: bool = False,
        terms: Sequence[Terms | None] | None = None,
        reverse: Task | None = None,
        visit: Visit | None = None,
    ) -> list[Future[list[Hypothesis]]]:
        """Queue framed sources of one request, all or none; each future gives the hypotheses of its source, best first.

        ``terms`` are what the hypotheses of each source have to hold, as in Sentence, with a beam that is wide enough
        for them; by default nothing. ``reverse`` is the task by which the best of what is found is chosen, too, where
        ``config`` has a weight for it. A request that submits more than once gives its ``visit``, and has to leave
        when it may not submit all that is to come.

        A future that is cancelled frees what its source holds before the next step. Overloaded when the client's part
        of the queue would be exceeded, unless it has nothing there: a request that is within the limits of a request
        must not be refused for ever; and when the answer would come too late for who waits. One that has been let in
        is never refused. NotReady after close. A future fails with DecodingFailed.
        """
        visit = visit or Visit()
        chosen_by = _reverse(bundle, config, reverse)
        # Among all that the beam has found; as one copy, since others wait while the sentences are queued.
        searched = config.model_copy(update={"n_best": config.beam_size}) if chosen_by else config
        margin = MARGIN if chosen_by and config.n_best == 1 else math.inf
        pieces = sum(map(len, sources))
        to_come = visit.to_come(pieces)
        jobs = []
        with self._changed:
            if self._closing:
                raise NotReady("Not ready: shutting down")
            if not visit.pieces:
                self._let_in(visit, visit.sentences(len(sources)), pieces + to_come)
            now = time.monotonic()
            followed = self.follow(sources, config) if self.follow and sources else None
            pace_seconds = self._policy.pace * max(map(self._seconds_between, Lane))
            visit.turn = max(now, visit.turn)
            for source, held in zip(sources, terms or [None] * len(sources), strict=True):
                visit.pieces += len(source)
                lane = Lane.FOREGROUND if visit.pieces <= self._policy.foreground_pieces else Lane.BACKGROUND
                wide = _wide_enough(searched, held, chosen_by)
                sentence = Sentence(source, wide, attention, terms=held, margin=margin)
                waiting = Waiting(now, len(source), sentence.config.beam_size)
                job = Job(
                    bundle,
                    sentence,
                    Promise(),
                    waiting,
                    visit.client,
                    visit.turn,
                    lane,
                    request_id.get(),
                    followed,
                    chosen_by,
                )
                jobs.append(job)
                visit.turn += pace_seconds
                self._rooms[lane].add(job)
            if to_come:
                self._pieces_to_come[visit] = to_come
            else:
                self._pieces_to_come.pop(visit, None)
            self._changed.notify_all()
        if followed:
            for job in jobs:
                job.future.add_done_callback(followed.done)
        return [job.future for job in jobs]

    def refuse_early(self, visit: Visit) -> None:
        """Raise what ``submit`` would for a single short sentence, so that nothing is prepared in vain."""
        with self._changed:
            if not visit.pieces:
                self._let_in(visit, sentences=1, pieces=1)

    def leave(self, visit: Visit) -> None:
        """Expect no more of a request."""
        with self._changed:
            self._pieces_to_come.pop(visit, None)

    def _let_in(self, visit: Visit, sentences: int, pieces: int) -> None:
        """Raise Overloaded if a request that begins with so many sentences has no room, or no chance to be in time."""
        if not self._has_room(visit.client, pieces):
            for room in self._rooms.values():
                room.forget_cancelled()
            if not self._has_room(visit.client, pieces):
                raise Overloaded(f"Too busy: {self._queued_sentences()} sentences are waiting")
        if not self._queued_sentences() or math.isinf(visit.patience_seconds):
            return  # if it takes too long by itself, no other time is better
        in_foreground = math.ceil(sentences * min(1.0, self._policy.foreground_pieces / max(pieces, 1)))
        parts = {Lane.FOREGROUND: in_foreground, Lane.BACKGROUND: sentences - in_foreground}
        seconds = max(self._predict_seconds(visit.client, lane, part) for lane, part in parts.items())
        late = seconds - visit.patience_seconds / CAUTION
        if late > 0:
            raise Overloaded("Too busy: the answer would come too late", retry_after_seconds=math.ceil(late))

    def _has_room(self, client: str, pieces: int) -> bool:
        """Say whether a client may have so many more pieces waiting: those who wait have equal parts of the queue."""
        to_come = sum(more for visit, more in self._pieces_to_come.items() if visit.client == client)
        waiting = to_come + sum(room.pieces[client] for room in self._rooms.values())
        if not waiting:
            return True
        expected = {visit.client for visit in self._pieces_to_come}
        clients = expected.union(*(room.pieces for room in self._rooms.values()))
        return waiting + pieces <= self._max_queued_pieces // len(clients)

    def _predict_seconds(self, client: str, lane: Lane, sentences: int) -> float:
        """Return when so many more sentences of a client will be decoded, by how they followed each other of late.

        0 if that is unknown. While others wait too, a client is given its part of them.
        """
        room = self._rooms[lane]
        clients = len(room.pieces.keys() | {client})
        waiting = min(len(room), clients * room.sentences_of(client) + (clients - 1) * sentences)
        return (sum(self._in_flight[lane]) + waiting + sentences) * self._seconds_between(lane)

    def _seconds_between(self, lane: Lane) -> float:
        """Return the mean time from one answered sentence of a lane to the next."""
        return max(self._sentence_seconds[lane]) / len(self._threads)

    def _queued_sentences(self) -> int:
        return sum(map(len, self._rooms.values()))

    def _run(self, index: int) -> None:
        _name_thread("engine")
        torch.set_num_threads(self._for_each)  # in this thread, as OpenMP keeps the number for each thread
        lanes = Lanes(self.metrics)
        while (turn := self._next(index, lanes)) is not None:
            self._busy_since[index] = time.monotonic()
            before = time.thread_time()
            lanes.advance(turn)
            self.metrics.engine_cpu_seconds.inc(time.thread_time() - before)
            for lane in Lane:
                self._sentence_seconds[lane][index] = lanes.sentence_seconds(lane)
            del turn  # or a bundle that is served no more would be held until the thread has other work

    def _next(self, index: int, lanes: Lanes) -> Turn | None:
        """Return the thread's next step, having waited for work if there is none; None when all is done."""
        with self._changed:
            while True:
                for lane, worker in lanes.workers.items():
                    self._in_flight[lane][index] = worker.load.sentences
                if turn := lanes.next(self._take):
                    self._in_flight[turn.lane][index] += len(turn.joining)
                    return turn
                self._busy_since[index] = None
                if self._closing and not self._queued_sentences():
                    return None
                self._changed.wait(self._window_left())

    def _window_left(self) -> float | None:
        """Return for how long the policy holds back who waits; None when only a change lets anybody in."""
        came_at = [job.waiting.came_at for room in self._rooms.values() for job in room.first(1)]
        if not came_at or not self._policy.window_seconds:
            return None
        return max(0.0, min(came_at) + self._policy.window_seconds - time.monotonic())

    def _take(self, lane: Lane, worker: Worker) -> list[Job]:
        """Take from a lane's queue whom the policy lets in, at most so many that every thread gets an equal part."""
        room = self._rooms[lane]
        if not room:
            return []
        limits = worker.limits(self._limits)
        if self._cancelled_last != Promise.cancelled_last:
            self._cancelled_last = Promise.cancelled_last
            for each in self._rooms.values():
                each.forget_cancelled()
        load = worker.load
        most = min(limits.sentences, self._policy.most_at_once)
        waiting = [job.waiting for job in room.first(most + 1)]
        count = self._policy.admits(waiting, load, limits, worker.joins, time.monotonic())
        part = -(-(len(room) + sum(self._in_flight[lane])) // len(self._threads))
        return room.take(min(count, max(0, part - load.sentences)))


def _wide_enough(config: DecodingConfig, terms: Terms | None, chosen_by: Reverse | None) -> DecodingConfig:
    wide = min(MAX_BEAM_SIZE, 1 + sum(map(len, terms.phrases))) if terms else 1
    if wide <= config.beam_size:
        return config
    return config.model_copy(update={"beam_size": wide, "n_best": wide if chosen_by else config.n_best})


def _reverse(bundle: Bundle, config: DecodingConfig, task: Task | None) -> Reverse | None:
    if task is None or not config.reverse_weight:
        return None
    tag = bundle.tokenizer.frame_source([], task)[0]
    return Reverse(tag, config.reverse_weight, config.length_penalty, config.n_best)


def _name_thread(name: str) -> None:
    """Tell the system the thread's name, for top and the like; Python does from 3.14 on."""
    with suppress(OSError):
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)


def make_engine(settings: Settings, metrics: Metrics) -> Engine:
    """Return the engine that the settings ask for."""
    is_gpu = choose_device(settings).type == "cuda"
    usual = GPU_LIMITS if is_gpu else CPU_LIMITS
    policies: dict[str, Policy] = {
        # On a GPU a step takes about as long for one as for many, so that two lanes would take twice as long as one.
        "in-flight": InFlight(math.inf, GPU_JOIN_SENTENCES) if is_gpu else InFlight(FOREGROUND_PIECES),
        "static-10ms": Static(window_seconds=0.010),
        "static": Static(),
        "one-by-one": OneByOne(),
    }
    limits = Load(
        settings.max_batch_sentences or usual.sentences,
        settings.max_batch_rows or usual.rows,
        settings.max_batch_positions or usual.positions,
    )
    if is_gpu and settings.policy != "in-flight":  # a batch of which some wait for the places of others were not static
        limits = limits._replace(sentences=min(limits.sentences, MOST_PLACES))
    return Engine(
        metrics,
        policy=policies[settings.policy],
        limits=limits,
        threads=share_cores(settings),
        max_queued_pieces=settings.max_queued_pieces,
    )
