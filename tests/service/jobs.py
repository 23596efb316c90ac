"""Jobs for a worker, what came of them, and a clock that its tests move."""

from collections.abc import Sequence
from typing import NoReturn

from model.bundle import Bundle
from model.config import DecodingConfig
from model.search import Sentence
from service.admission import Lane, Waiting
from service.metrics import Metrics
from service.worker import Job, Promise


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def job(bundle: Bundle, source: Sequence[int], *, beam_size: int = 1, came_at: float = 0.0) -> Job:
    """Return a sentence of a bundle that is to be decoded."""
    sentence = Sentence(source, DecodingConfig(beam_size=beam_size))
    return Job(bundle, sentence, Promise(), Waiting(came_at, len(source), beam_size), "", came_at, Lane.FOREGROUND)


def answer_of(one: Job) -> list[int]:
    """Return the pieces that it was answered with."""
    return one.future.result(0)[0].pieces


def error_of(one: Job) -> BaseException | None:
    """Return what it failed with, if it did."""
    return one.future.exception(0)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    """Return the value of a metric."""
    return metrics.registry.get_sample_value(f"dragoman_{name}", labels)


def fail(_: object) -> NoReturn:
    """Stand in for what finds no memory."""
    raise RuntimeError("out of memory")
