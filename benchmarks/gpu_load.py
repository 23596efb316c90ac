"""Loads on an engine in this process, without HTTP: all sentences at hand, or requests at fixed times (an open loop).

The thread that submits shares Python's lock with the engine's, as an HTTP server's would. Latency counts from the
scheduled arrival, so that neither a slow engine nor a late thread is forgiven.
"""

import contextlib
import gc
import itertools
import math
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from model.bundle import Bundle
from model.config import DecodingConfig
from model.data import read_rows
from model.hypothesis import Hypothesis
from model.tokenizer import END
from service.admission import Visit
from service.bench.statistics import percentile
from service.bench.traffic import poisson_arrivals
from service.engine import Engine, make_engine
from service.metrics import Metrics
from service.settings import load_settings

IN_FLIGHT = "in-flight"
SWITCH_SECONDS = 0.0005
"""As the server sets it."""
LEAD_SECONDS = 0.05
NAP_SECONDS = 0.0005
"""Whoever came meanwhile is submitted at one wake-up, each in a call of its own."""
REST_SECONDS = 120.0
CHUNK = 256
"""Sentences that an offline client submits in one call: one call for all would keep the engine waiting for its end."""
UNLIMITED = 10**9
POSITIONS = (32, 64)
"""Of the graphs that a warm-up has to meet."""

Answer = Future[list[Hypothesis]]


class Asked(NamedTuple):
    """A sentence and its options."""

    source: list[int]
    """Framed."""
    config: DecodingConfig


@dataclass(frozen=True)
class Workload:
    """What is asked of an engine, in requests of one sentence each."""

    bundle: Bundle
    sentences: Sequence[Asked]
    """Requests draw from them."""
    seconds: float
    documents_one_in: int = 0
    """Of so many requests that follow each other one is a document; 0: none is."""
    document_sentences: int = 50

    def requests(self, count: int) -> list[list[Asked]]:
        """Return the sentences of so many requests, the same ones whenever it is called."""
        random, every = Random("requests"), self.documents_one_in
        documents = {start + random.randrange(every) for start in range(0, count, every)} if every else set()
        sizes = [self.document_sentences if n in documents else 1 for n in range(count)]
        return [random.choices(self.sentences, k=size) for size in sizes]

    @property
    def sentences_a_request(self) -> float:
        """Return the mean."""
        return 1 + (self.document_sentences - 1) / self.documents_one_in if self.documents_one_in else 1.0


class Bulk(NamedTuple):
    """What sentences that were all at hand took."""

    sentences: int
    pieces: int
    """Of the best hypotheses, without the ends of sentence."""
    seconds: float


class Trial(NamedTuple):
    """What a load led to; latencies are of the requests of one sentence, infinite for what was not answered."""

    policy: str
    sentences_per_second: float
    requests: int
    p50_ms: float
    p99_ms: float
    documents_p50_ms: float | None
    late_p99_ms: float
    """From the scheduled arrival until the request was submitted."""
    broken_off: bool
    """More than one request in a hundred had missed the bound already."""


class Ended(NamedTuple):
    """A sentence that was decoded."""

    request: int
    at: float


def random_sentences(bundle: Bundle, count: int, lengths: tuple[int, int]) -> list[Asked]:
    """Return sources of random pieces, from the first to the second length, all equally probable."""
    random, tokenizer = Random("sources"), bundle.tokenizer
    ordinary = sorted({*range(len(tokenizer))} - {*tokenizer.special_ids, END})
    task, config = bundle.manifest.tasks[0], bundle.manifest.decoding
    drawn = [random.choices(ordinary, k=random.randint(*lengths)) for _ in range(count)]
    return [Asked(tokenizer.frame_source(pieces, task), config) for pieces in drawn]


def real_sentences(bundle: Bundle, texts: Path, count: int, longest: int) -> list[Asked]:
    """Return sources of a TSV whose hypotheses are each as long as its reference, drawn from all of its pairs.

    Those of more than ``longest`` pieces on either side are left out.
    """
    tokenizer, task = bundle.tokenizer, bundle.manifest.tasks[0]
    sentences = []
    for row in read_rows(texts.name, texts.parent):
        source, target = (tokenizer.encode(text) for text in row[:2])
        if 0 < len(source) <= longest and 0 < len(target) <= longest:
            forced = {"min_length": len(target), "max_length": len(target)}
            config = bundle.manifest.decoding.model_copy(update=forced)
            sentences.append(Asked(tokenizer.frame_source(source, task), config))
    return Random("real").choices(sentences, k=count)


def submit(engine: Engine, bundle: Bundle, sentences: Sequence[Asked]) -> list[Answer]:
    """Submit the sentences of one request, those of equal options in one call."""
    by_length: dict[tuple[int, int], list[Asked]] = {}
    for one in sentences:
        by_length.setdefault((one.config.min_length, one.config.max_length), []).append(one)
    visit = Visit()
    return [
        answer
        for same in by_length.values()
        for answer in engine.submit(bundle, [one.source for one in same], same[0].config, visit=visit)
    ]


@contextlib.contextmanager
def engine_of(policy: str, max_sentences: int, beam_size: int) -> Iterator[Engine]:
    """Run an engine of that policy that refuses nobody."""
    settings = load_settings(
        policy=policy,
        max_batch_sentences=max_sentences,
        max_batch_rows=max_sentences * beam_size,
        max_queued_pieces=UNLIMITED,
    )
    sys.setswitchinterval(SWITCH_SECONDS)
    engine = make_engine(settings, Metrics())
    engine.start()
    try:
        yield engine
    finally:
        engine.close()


def decode_all(engine: Engine, bundle: Bundle, sentences: Sequence[Asked]) -> Bulk:
    """Submit all at once, and wait for the last."""
    if not sentences:
        return Bulk(0, 0, 0.0)
    gc.collect()
    gc.freeze()  # as the service does
    started = time.perf_counter()
    answers = [
        answer
        for first in range(0, len(sentences), CHUNK)
        for answer in submit(engine, bundle, sentences[first : first + CHUNK])
    ]
    # To wait for one after the other would wake this thread at each, which then wants the lock of the engine's.
    ended, count = threading.Event(), itertools.count(1)
    for answer in answers:
        answer.add_done_callback(lambda _: ended.set() if next(count) == len(answers) else None)
    ended.wait()
    seconds = time.perf_counter() - started
    found = [answer.result() for answer in answers]
    return Bulk(len(found), sum(len(best.pieces) for best, *_ in found), seconds)


def warm_up(engine: Engine, bundle: Bundle, sentences: Sequence[Asked], most: int) -> None:
    """Let the network meet batches of 1, 2, 4 … ``most`` sentences, short ones and long ones."""
    for positions in POSITIONS:
        short = [one for one in sentences if max(len(one.source), one.config.max_length) <= positions]
        for count in {min(2**power, most) for power in range(most.bit_length() + 1)}:
            decode_all(engine, bundle, short[:count])


def run_open(engine: Engine, policy: str, workload: Workload, rate: float, bound_ms: float) -> Trial:
    """Send ``rate`` sentences a second for the workload's seconds, once what was sent before is done.

    When more than one request in a hundred has missed the bound, the p99 is known to, and the rest is given up.
    """
    arrivals = poisson_arrivals(rate / workload.sentences_a_request, workload.seconds, seed=1)
    requests = workload.requests(len(arrivals))
    submit(engine, workload.bundle, workload.sentences[:1])[0].result(REST_SECONDS)
    gc.collect()
    gc.freeze()
    start = time.perf_counter() + LEAD_SECONDS
    ended, late, answers, broken_off = _submit_all(engine, workload.bundle, requests, arrivals, start, bound_ms)
    for answer in answers:
        answer.cancel()
    gc.unfreeze()

    ends: list[list[float]] = [[] for _ in requests]
    for request, at in list(ended):
        ends[request].append(at)
    latencies = [
        1000 * (max(done) - start - arrival) if len(done) == len(sentences) else math.inf
        for arrival, sentences, done in zip(arrivals, requests, ends, strict=True)
    ]
    short = [one for one, sentences in zip(latencies, requests, strict=True) if len(sentences) == 1]
    documents = [one for one, sentences in zip(latencies, requests, strict=True) if len(sentences) > 1]
    return Trial(
        policy=policy,
        sentences_per_second=rate,
        requests=len(requests),
        p50_ms=percentile(short, 50),
        p99_ms=math.inf if broken_off else percentile(short, 99),
        documents_p50_ms=percentile(documents, 50) if documents else None,
        late_p99_ms=1000 * percentile(late, 99),
        broken_off=broken_off,
    )


def _submit_all(
    engine: Engine,
    bundle: Bundle,
    requests: Sequence[list[Asked]],
    arrivals: Sequence[float],
    start: float,
    bound_ms: float,
) -> tuple[list[Ended], list[float], list[Answer], bool]:
    """Submit each request at its time, then wait for the answers, until the bound is missed for certain."""
    ended: list[Ended] = []
    missed: list[int] = []
    due = [start + arrival for arrival in arrivals]
    bound, allowed = bound_ms / 1000, sum(len(sentences) == 1 for sentences in requests) // 100

    def note(request: int, answer: Answer) -> None:
        now = time.perf_counter()
        if answer.cancelled() or answer.exception():
            return
        ended.append(Ended(request, now))
        if now - due[request] > bound and len(requests[request]) == 1:
            missed.append(request)

    late: list[float] = []
    answers: list[Answer] = []
    sentences = sum(map(len, requests))
    give_up_at = (due[-1] if due else start) + max(1.0, 2 * min(bound, REST_SECONDS))
    while len(ended) < sentences and len(missed) <= allowed and time.perf_counter() < give_up_at:
        while len(late) < len(due) and (now := time.perf_counter()) >= due[len(late)]:
            request = len(late)
            late.append(now - due[request])
            for answer in submit(engine, bundle, requests[request]):
                answer.add_done_callback(partial(note, request))
                answers.append(answer)
        until = due[len(late)] if len(late) < len(due) else give_up_at
        time.sleep(max(NAP_SECONDS, min(until - time.perf_counter(), 0.01)))
    return ended, late, answers, len(missed) > allowed
