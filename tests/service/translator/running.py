"""How tests run a translator."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import closing
from typing import Any, TypeVar

from model.config import Task
from model.hypothesis import Hypothesis
from service.run import Answer
from service.translator import Options, Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import GatedSearch

T = TypeVar("T")


def await_here(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine does.

    asyncio.run would format it, too, to tell who handled SIGINT before: seconds for the attention of a long text.
    """
    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(coroutine)


def run(translator: Translator, task: Task, texts: Sequence[str], **options: Any) -> list[Answer]:
    return await_here(translator.run(task, texts, Options(**options)))


def answer_with(search: GatedSearch, *outputs: str) -> None:
    """Make every sentence's hypotheses these."""
    hypotheses = [Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs]
    search.answer = lambda _: hypotheses


async def begin(translator: Translator, text: str, **options: Any) -> asyncio.Task[list[Answer]]:
    """Return what runs once the sentences of a short text wait."""
    task = asyncio.create_task(translator.run(TRANSLATE, [text], Options(**options)))
    await asyncio.sleep(0)
    return task
