"""Text → sentences → engine → text; shared by the routes and the command line."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.hypothesis import Hypothesis
from service.catalogue import Catalogue
from service.engine import Engine
from service.errors import DeadlineExceeded, InvalidRequest
from service.gather import gather
from service.text import Document, pack, split_text

Result = TypeVar("Result")

INLINE_CHARACTERS = 1_000
"""Which take a fraction of a millisecond to tokenize."""


class Options(NamedTuple):
    """What one request asks for beyond its task and texts."""

    decoding: Mapping[str, int | float] = {}
    """Fields of the bundle's DecodingConfig to replace."""
    n_best: int = 1
    attention: bool = False
    timeout_seconds: float | None = None


class Answer(NamedTuple):
    """What came of one text: distinct outputs, best first."""

    texts: list[str]
    sources: Sequence[Sequence[int]]
    """The parts that the text was cut into, framed, and for each ..."""
    hypotheses: Sequence[Hypothesis]
    """... the best hypothesis."""


DEFAULTS = Options()


class Translator:
    """Runs tasks on texts of any length."""

    def __init__(self, catalogue: Catalogue, engine: Engine) -> None:
        self.catalogue = catalogue
        self.engine = engine

    async def run(self, task: Task, texts: Sequence[str], options: Options = DEFAULTS) -> list[Answer]:
        """Translate or summarize texts, all sentences queued together; each answer has 1 to ``n_best`` outputs.

        Cancelling it, or its timeout with DeadlineExceeded, gives up what is not decoded yet. InvalidRequest when no
        bundle does the task or the options contradict each other; Overloaded, NotReady and DecodingFailed as from
        Engine.submit.
        """
        bundle = self.catalogue.serving.get(task)
        if bundle is None:
            raise InvalidRequest(_not_supported(task))
        config = _configured(bundle.manifest.decoding, options)
        characters = sum(map(len, texts))
        try:
            async with asyncio.timeout(options.timeout_seconds):
                documents, sources = await _aside(characters, lambda: _prepare(task, texts, bundle))
                futures = self.engine.submit(bundle, sources, config, attention=options.attention)
                hypotheses = await asyncio.wrap_future(gather(futures))
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {options.timeout_seconds:g} s") from error
        decoded = list(zip(sources, hypotheses, strict=True))
        return await _aside(characters, lambda: _finish(task, documents, decoded, bundle))


async def _aside(characters: int, work: Callable[[], Result]) -> Result:
    """Do work on so many characters without holding up the event loop; for a few, a thread would cost more."""
    return work() if characters <= INLINE_CHARACTERS else await asyncio.to_thread(work)


def _configured(decoding: DecodingConfig, options: Options) -> DecodingConfig:
    fields = {**decoding.model_dump(), **options.decoding, "n_best": options.n_best}
    fields["beam_size"] = max(fields["beam_size"], options.n_best)
    if fields["min_length"] > fields["max_length"]:
        shortest, longest = (_with_its_owner(name, fields[name], options) for name in ("min_length", "max_length"))
        raise InvalidRequest(f"Invalid request: {shortest} exceeds {longest}")
    try:
        return DecodingConfig.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(f"Invalid request: {error.errors()[0]['msg'].removeprefix('Value error, ')}") from error


def _with_its_owner(name: str, value: float, options: Options) -> str:
    """Name an option and its value, and say so where the request did not give it and cannot know it."""
    return f"{name} {value}" if name in options.decoding else f"{name} {value} (the bundle's default)"


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
    task: Task,
    documents: Sequence[Document],
    decoded: Sequence[tuple[list[int], list[Hypothesis]]],
    bundle: Bundle,
) -> list[Answer]:
    """Put the hypotheses of each source into its place in the documents."""
    remaining = iter(decoded)
    answers = []
    for document in documents:
        of_document = list(islice(remaining, len(document.sentences)))
        ranked = [[bundle.tokenizer.decode(one.pieces) for one in of_sentence] for _, of_sentence in of_document]
        most = max(map(len, ranked), default=1)
        # The n-th output of a text is made of the n-th of each sentence, or the last that the sentence has.
        outputs = [document.join([r[min(n, len(r) - 1)] for r in ranked], task.target) for n in range(most)]
        sources, best = [source for source, _ in of_document], [of_sentence[0] for _, of_sentence in of_document]
        answers.append(Answer(list(dict.fromkeys(outputs)), sources, best))
    return answers
