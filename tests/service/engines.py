"""An engine for tests: what is decoded with whom does not hang on the clock."""

import math
from collections.abc import Sequence
from concurrent.futures import Future

from model.bundle import Bundle
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from service.admission import ANY_NUMBER, Joins, Load, Policy, Waiting, fitting
from service.engine import Engine
from service.metrics import Metrics
from service.settings import Threads
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch

CONFIG = DecodingConfig(beam_size=1)
Futures = list[Future[list[Hypothesis]]]


class Eager:
    """Lets in whoever fits, however short they waited."""

    window_seconds = 0.0

    def __init__(self, pace: float = 0.0, foreground_pieces: float = math.inf) -> None:
        self.pace = pace
        self.foreground_pieces = foreground_pieces
        self.most_at_once = ANY_NUMBER

    def admits(self, waiting: Sequence[Waiting], load: Load, limits: Load, joins: Joins, now: float) -> int:
        del joins, now
        return fitting(waiting, load, limits)


def new_engine(
    *,
    workers: int = 1,
    for_each: int = 1,
    sentences: int = 8,
    rows: int = 1000,
    max_queued_pieces: int = 1000,
    policy: Policy | None = None,
) -> Engine:
    return Engine(
        Metrics(),
        policy=policy or Eager(),
        limits=Load(sentences, rows, positions=10_000),
        threads=Threads(workers, for_each),
        max_queued_pieces=max_queued_pieces,
    )


def sample(engine: Engine, name: str) -> float | None:
    return engine.metrics.registry.get_sample_value(f"dragoman_{name}")


def answers(futures: Futures) -> list[list[int]]:
    return [future.result(PATIENCE_SECONDS)[0].pieces for future in futures]


def keep_busy(engine: Engine, bundle: Bundle, search: GatedSearch, workers: int = 1) -> Futures:
    """Make each worker take the one step of a sentence for as long as the gate is closed."""
    search.gate.clear()
    begun = len(search.steps)
    futures = engine.submit(bundle, [[0]] * workers, CONFIG)
    search.wait_for_steps(begun + workers)
    return futures
