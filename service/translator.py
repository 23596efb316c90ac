"""Text → sentences → engine → text; shared by the routes and the command line."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple

from model.bundle import Bundle
from model.config import Task
from model.search import Hypothesis
from service.catalogue import Catalogue
from service.engine import Engine, gather
from service.errors import InvalidRequest
from service.text import Document, pack, split_text


class Answer(NamedTuple):
    """What came of one text: distinct outputs, best first."""

    texts: list[str]
    parts: int
    """How many sources the text was cut into."""


class Translator:
    """Runs tasks on texts of any length."""

    def __init__(self, catalogue: Catalogue, engine: Engine) -> None:
        self.catalogue = catalogue
        self.engine = engine

    async def run(self, task: Task, texts: Sequence[str], n_best: int = 1) -> list[Answer]:
        """Translate or summarize texts, all sentences queued together; each answer has 1 to ``n_best`` outputs.

        InvalidRequest when no bundle does the task; Overloaded, NotReady and DecodingFailed as from Engine.submit.
        """
        bundle = self.catalogue.serving.get(task)
        if bundle is None:
            raise InvalidRequest(_not_supported(task))
        # Tokenizing, queuing and joining a long text takes milliseconds that the event loop must not lose.
        documents, decoded = await asyncio.to_thread(self._submit, task, texts, bundle, n_best)
        hypotheses = await asyncio.wrap_future(decoded)
        return await asyncio.to_thread(_finish, task, documents, hypotheses, bundle)

    def _submit(
        self, task: Task, texts: Sequence[str], bundle: Bundle, n_best: int
    ) -> tuple[list[Document], Future[list[list[Hypothesis]]]]:
        documents, sources = _prepare(task, texts, bundle)
        decoding = bundle.manifest.decoding
        config = decoding.model_copy(update={"n_best": n_best, "beam_size": max(decoding.beam_size, n_best)})
        return documents, gather(self.engine.submit(bundle, sources, config))


def _not_supported(task: Task) -> str:
    if task.kind == "summarize":
        return f"Summarization of {task.source} is not supported"
    return f"Translation from {task.source} to {task.target} is not supported"


def _prepare(task: Task, texts: Sequence[str], bundle: Bundle) -> tuple[list[Document], list[list[int]]]:
    tokenizer = bundle.tokenizer
    limit = bundle.manifest.max_source_pieces

    def fits(text: str) -> bool:
        return len(tokenizer.encode(text)) <= limit

    documents = [split_text(text, task.source, fits) for text in texts]
    if task.kind == "summarize":
        # A summary is of as much as the network can read, not of each sentence: a headline a line.
        packed = [pack(document.sentences, fits) for document in documents]
        documents = [
            Document(parts, ["", *["\n"] * (len(parts) - 1), ""]) if parts else document
            for document, parts in zip(documents, packed, strict=True)
        ]
    return documents, [tokenizer.encode_source(s, task) for document in documents for s in document.sentences]


def _finish(
    task: Task, documents: Sequence[Document], hypotheses: Sequence[Sequence[Hypothesis]], bundle: Bundle
) -> list[Answer]:
    remaining = iter(hypotheses)
    answers = []
    for document in documents:
        ranked = [
            [bundle.tokenizer.decode(hypothesis.pieces) for hypothesis in of_sentence]
            for of_sentence in islice(remaining, len(document.sentences))
        ]
        most = max(map(len, ranked), default=1)
        # The n-th output of a text is made of the n-th of each sentence, or the last that the sentence has.
        outputs = [document.join([r[min(n, len(r) - 1)] for r in ranked], task.target) for n in range(most)]
        answers.append(Answer(list(dict.fromkeys(outputs)), len(document.sentences)))
    return answers
