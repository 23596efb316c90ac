"""How tests run a translator."""

import asyncio
from collections.abc import Sequence
from typing import Any

from model.config import Task
from model.hypothesis import Hypothesis
from service.run import Answer
from service.translator import Options, Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import GatedSearch


def run(translator: Translator, task: Task, texts: Sequence[str], **options: Any) -> list[Answer]:
    return asyncio.run(translator.run(task, texts, Options(**options)))


def answer_with(search: GatedSearch, *outputs: str) -> None:
    """Make every sentence's hypotheses these."""
    hypotheses = [Hypothesis(list(map(ord, output)), -1.0, -1.0) for output in outputs]
    search.answer = lambda _: hypotheses


async def begin(translator: Translator, text: str, **options: Any) -> asyncio.Task[list[Answer]]:
    """Return what runs once the sentences of a short text wait."""
    task = asyncio.create_task(translator.run(TRANSLATE, [text], Options(**options)))
    await asyncio.sleep(0)
    return task
