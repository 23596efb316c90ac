"""The service's path from text to text without a server, for the command line."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from model.config import Task
from service.catalogue import Catalogue
from service.engine import make_engine
from service.metrics import Metrics
from service.settings import Settings
from service.translator import Translator


@contextmanager
def open_translator(catalogue: Catalogue, settings: Settings) -> Iterator[Translator]:
    """Run an engine for the catalogue for as long as the block."""
    engine = make_engine(settings, Metrics())
    engine.start()
    try:
        yield Translator(catalogue, engine)
    finally:
        engine.close()


def run_in_bulk(translator: Translator, task: Task, texts: Sequence[str]) -> list[str]:
    """Return the best output for each text."""
    return [answer.texts[0] for answer in asyncio.run(translator.run(task, texts))]
