"""The engine without HTTP: all texts at hand, or one at a time."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from model.config import Task
from service.bench.statistics import Percentiles, percentiles
from service.catalogue import Catalogue
from service.offline import open_translator
from service.settings import Settings
from service.translator import Translator

WARM_UP_TEXTS = 64


class Bulk(NamedTuple):
    """What all texts together took."""

    seconds: float
    sentences: int
    pieces: int
    """Target pieces of the best outputs, by the engine's own counter."""


class Single(NamedTuple):
    """What the texts took one after another: all of them, and each."""

    bulk: Bulk
    latency: Percentiles


def measure_offline(catalogue: Catalogue, settings: Settings, task: Task, texts: Sequence[str]) -> Bulk:
    """Translate all texts as one request, after a warm-up."""
    with open_translator(catalogue, settings) as translator:
        asyncio.run(translator.run(task, texts[:WARM_UP_TEXTS]))
        pieces_before = _pieces_out(translator, task)
        started = time.perf_counter()
        answers = asyncio.run(translator.run(task, texts))
        seconds = time.perf_counter() - started
    # Once the engine has ended, so that it has counted all.
    return Bulk(seconds, sum(len(answer.sources) for answer in answers), _pieces_out(translator, task) - pieces_before)


def measure_single(catalogue: Catalogue, settings: Settings, task: Task, texts: Sequence[str]) -> Single:
    """Translate one text after another, after a warm-up."""
    with open_translator(catalogue, settings) as translator:
        asyncio.run(_one_after_another(translator, task, texts[:WARM_UP_TEXTS]))
        pieces_before = _pieces_out(translator, task)
        each_ms, sentences = asyncio.run(_one_after_another(translator, task, texts))
    pieces = _pieces_out(translator, task) - pieces_before
    return Single(Bulk(sum(each_ms) / 1000, sentences, pieces), percentiles(each_ms))


async def _one_after_another(translator: Translator, task: Task, texts: Sequence[str]) -> tuple[list[float], int]:
    each_ms: list[float] = []
    sentences = 0
    for text in texts:
        started = time.perf_counter()
        (answer,) = await translator.run(task, [text])
        each_ms.append(1000 * (time.perf_counter() - started))
        sentences += len(answer.sources)
    return each_ms, sentences


def _pieces_out(translator: Translator, task: Task) -> int:
    name = translator.catalogue.serving[task].manifest.name
    labels = {"bundle": name, "direction": "out"}
    return int(translator.engine.metrics.registry.get_sample_value("dragoman_pieces_total", labels) or 0)
