"""Text → sentences → engine → text; shared by the routes and the command line."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from model.config import DecodingConfig, Task
from model.hypothesis import Hypothesis
from service.catalogue import Catalogue
from service.engine import Engine
from service.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded
from service.gather import gather
from service.paragraphs import beginning, unwrap
from service.parsing import TextFormat
from service.run import Answer, Reading, Run, joined

Result = TypeVar("Result")
Futures = list[Future[list[Hypothesis]]]

HEAD_CHARACTERS = 300
"""Of a text that is streamed, so many are on their way before the rest of it is looked at."""
INLINE_CHARACTERS = 1_000
"""Which take a fraction of a millisecond to tokenize."""


class Options(NamedTuple):
    """What one request asks for beyond its task and texts."""

    decoding: Mapping[str, int | float] = {}
    """Fields of the bundle's DecodingConfig to replace."""
    n_best: int = 1
    attention: bool = False
    timeout_seconds: float | None = None
    text_format: TextFormat = "text"
    glossary: Mapping[str, str] = {}
    """Term → what its translation has to be."""
    parts: int = 1
    """Of a text that are summarized each by itself, if it has so many sentences."""


class Finished(NamedTuple):
    """A sentence of a text that is translated sentence by sentence."""

    place: int
    output: str


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
        return await self.run_along([task], texts, options)

    async def run_along(self, route: Sequence[Task], texts: Sequence[str], options: Options = DEFAULTS) -> list[Answer]:
        """Do the tasks of a route one after the other, each on the best outputs of the one before; see ``run``."""
        async with _Deadline(options.timeout_seconds).held():
            if len(route) == 1 or options.text_format != "text":
                return await self._run_each(route, texts, options)
            # What one of them wrapped, the next could not tell from lines.
            unwrapped = await aside(sum(map(len, texts)), lambda: [unwrap(text, route[0].source) for text in texts])
            whole = [one.text for one in unwrapped]
            answers = await self._run_each(route, whole, options._replace(text_format="lines"))
            return [
                answer._replace(texts=[one.rewrap(text, route[-1].target) for text in answer.texts])
                for one, answer in zip(unwrapped, answers, strict=True)
            ]

    async def _run_each(self, route: Sequence[Task], texts: Sequence[str], options: Options) -> list[Answer]:
        for task in route[:-1]:
            answers = await self._run(task, texts, options._replace(n_best=1, attention=False))
            texts = [answer.texts[0] for answer in answers]
        return await self._run(route[-1], texts, options)

    async def _run(self, task: Task, texts: Sequence[str], options: Options) -> list[Answer]:
        run, futures = await self._begin(task, texts, options)
        hypotheses = await gather(futures)
        return await self._finish(run, hypotheses, options)

    async def stream(
        self, task: Task, text: str, options: Options = DEFAULTS
    ) -> AsyncGenerator[Finished | Answer, None]:
        """Yield each sentence of a text, in order, as soon as it is there, and at last the answer. Raises as ``run``.

        The answer counts: what went wrong in a sentence is mended only when all are there.
        """
        head = text
        if task.kind == "translate" and options.text_format == "text":  # to cut all of a document takes a while
            head = await aside(len(text), lambda: beginning(text, task.source, HEAD_CHARACTERS))
        parts = [part for part in (head, text[len(head) :]) if part]
        beginnings = [asyncio.ensure_future(self._begin(task, [part], options)) for part in parts or [text]]
        answers: list[Answer] = []
        place = 0
        # Not around what is yielded: whoever goes on after that may be another task, which a timeout would not know.
        deadline = _Deadline(options.timeout_seconds)
        try:
            for begun in beginnings:
                async with deadline.held():
                    run, futures = await begun
                hypotheses = []
                for n, future in enumerate(futures):
                    async with deadline.held():
                        hypotheses.append(await asyncio.wrap_future(future))
                    yield Finished(place, run.best_output(n, hypotheses[-1]))
                    place += 1
                async with deadline.held():
                    answers += await self._finish(run, hypotheses, options)
        finally:
            for begun in beginnings:
                _give_up(begun)
        yield joined(answers)

    async def _begin(self, task: Task, texts: Sequence[str], options: Options) -> tuple[Run, Futures]:
        """Cut texts into sentences and queue them."""
        bundle = self.catalogue.serving.get(task)
        if bundle is None:
            raise InvalidRequest(_not_supported(task))
        config = _configured(bundle.manifest.decoding, options)
        reading = Reading(options.text_format, options.glossary, options.parts)
        characters = sum(map(len, texts)) + sum(map(len, options.glossary))
        run = await aside(characters, lambda: Run(task, bundle, texts, config, reading))
        attention = options.attention or run.wants_attention
        constraints = run.constraints if options.glossary else None
        return run, self.engine.submit(bundle, run.sources, config, attention=attention, constraints=constraints)

    async def _finish(self, run: Run, hypotheses: list[list[Hypothesis]], options: Options) -> list[Answer]:
        """Decode again what went wrong, and put everything together."""
        for again in await aside(run.characters, lambda: run.faulty(hypotheses)):
            try:
                futures = self.engine.submit(
                    run.bundle,
                    [run.sources[place] for place in again.places],
                    again.config,
                    attention=options.attention or run.wants_attention,
                    constraints=again.constraints,
                )
            except (Overloaded, NotReady):  # an answer with a mask at its end is better than none
                break
            for place, found in zip(again.places, await gather(futures), strict=True):
                hypotheses[place] = found
        return await aside(run.characters, lambda: run.finish(hypotheses))


def _give_up(begun: "asyncio.Future[tuple[Run, Futures]]") -> None:
    """Let nobody decode what was begun, or is about to be."""
    if begun.done() and not begun.cancelled() and not begun.exception():
        for future in begun.result()[1]:
            future.cancel()
    else:
        begun.cancel()


class _Deadline:
    """So many seconds from now, or never."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._at = None if seconds is None else asyncio.get_running_loop().time() + seconds

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Give up what is awaited in the block when the time is over, with DeadlineExceeded."""
        try:
            async with asyncio.timeout_at(self._at):
                yield
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {self.seconds:g} s") from error


async def aside(characters: int, work: Callable[[], Result]) -> Result:
    """Do work on so many characters without holding up the event loop; for a few, a thread would cost more."""
    return work() if characters <= INLINE_CHARACTERS else await asyncio.to_thread(work)


def _configured(decoding: DecodingConfig, options: Options) -> DecodingConfig:
    if not options.decoding and options.n_best == decoding.n_best:
        return decoding
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
