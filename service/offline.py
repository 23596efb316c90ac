"""The service's path from text to text without a server, for the command line."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from model.config import Task
from service.catalogue import Catalogue
from service.engine import make_engine
from service.metrics import Metrics
from service.run import Answer
from service.settings import Settings
from service.translator import DEFAULTS, Options, Translator

TEXTS_AT_ONCE = 256
"""Enough to fill a batch of like lengths, few enough that the first come out soon."""


@contextmanager
def open_translator(catalogue: Catalogue, settings: Settings) -> Iterator[Translator]:
    """Run an engine for the catalogue for as long as the block."""
    engine = make_engine(settings, Metrics())
    engine.start()
    try:
        yield Translator(catalogue, engine)
    finally:
        engine.close()


def chunks(texts: Iterable[str], size: int = TEXTS_AT_ONCE) -> Iterator[list[str]]:
    """Yield the texts as they come, so many at once."""
    remaining = iter(texts)
    while chunk := list(islice(remaining, size)):
        yield chunk


def run_in_bulk(translator: Translator, task: Task, texts: Sequence[str], options: Options = DEFAULTS) -> list[Answer]:
    """Return the answer to each text."""
    return asyncio.run(translator.run(task, texts, options))
