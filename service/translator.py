"""Text → sentences → engine → text; shared by the routes and the command line."""

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Optional, TypeVar

from pydantic import ValidationError

from model.config import DecodingConfig, Task
from model.hypothesis import Hypothesis
from service.admission import Visit
from service.carried import Carried
from service.catalogue import Catalogue
from service.codes import only_supported
from service.deadline import Deadline
from service.engine import Engine
from service.errors import InvalidRequest, NotReady
from service.gather import gather
from service.glossary import Glossary, Vocabulary
from service.logs import text_log
from service.paragraphs import unwrap
from service.parsing import TextFormat
from service.run import Answer, Portion, Reading, Run, itself

Result = TypeVar("Result")
Futures = list[Future[list[Hypothesis]]]

HEAD_CHARACTERS = 150
"""Of a text that is streamed, so many are decoded before the next are read ..."""
PORTION_CHARACTERS = 4_000
"""... and from then on so many, some hundred sentences, while those before are decoded."""
INLINE_CHARACTERS = 1_000
"""Which take a fraction of a millisecond to tokenize."""


class Options(NamedTuple):
    """What one request asks for beyond its task and texts."""

    decoding: Mapping[str, int | float] = {}
    """Fields of the bundle's DecodingConfig to replace."""
    n_best: int = 1
    attention: bool = False
    timeout_seconds: float | None = None
    waited_seconds: float = 0.0
    """How much of that is over already."""
    client: str = ""
    """Who asks."""
    text_format: TextFormat = "text"
    glossary: Mapping[str, str] = {}
    """Term → what its translation has to be."""
    parts: int = 1
    """Of a text that are summarized each by itself, if it has so many sentences."""


class Finished(NamedTuple):
    """A sentence of a text that is translated sentence by sentence."""

    place: int
    before: str
    """What stands between the sentence before and this one."""
    output: str


DEFAULTS = Options()


class Translator:
    """Runs tasks on texts of any length."""

    def __init__(self, catalogue: Catalogue, engine: Engine, before: Optional["Translator"] = None) -> None:
        """Serve a catalogue; what was made of bundles that another translator serves too is not made again."""
        self.catalogue = catalogue
        self.engine = engine
        self._glossaries: dict[Task, Glossary] = {
            task: before._glossaries[task]
            if before and before.catalogue.serving.get(task) is bundle
            else Glossary(Vocabulary.of(task, bundle.tokenizer), bundle.glossaries.get(task, {}))
            for task, bundle in catalogue.serving.items()
            if task.kind == "translate"
        }

    async def run(self, task: Task, texts: Sequence[str], options: Options = DEFAULTS) -> list[Answer]:
        """Translate or summarize texts, all sentences queued together; each answer has 1 to ``n_best`` outputs.

        Cancelling it, or its timeout with DeadlineExceeded, gives up what is not decoded yet. InvalidRequest when no
        bundle does the task or the options contradict each other; Overloaded, NotReady and DecodingFailed as from
        Engine.submit.
        """
        return await self.run_along([task], texts, options)

    async def run_along(self, route: Sequence[Task], texts: Sequence[str], options: Options = DEFAULTS) -> list[Answer]:
        """Do the tasks of a route one after the other, each on the best outputs of the one before; see ``run``."""
        visit = _visit(options, len(route) * sum(map(len, texts)))
        try:
            return await self._run_along(visit, route, texts, options)
        finally:
            self.engine.leave(visit)

    async def run_each(
        self, routes: Sequence[Sequence[Task]], texts: Sequence[str], options: Options = DEFAULTS
    ) -> list[Answer]:
        """Do for each text the tasks of its own route, all at once; one without any is its own answer. See ``run``."""
        visit = _visit(options, sum(len(route) * len(text) for route, text in zip(routes, texts, strict=True)))
        places: dict[tuple[Task, ...], list[int]] = {}
        for place, route in enumerate(routes):
            places.setdefault(tuple(route), []).append(place)
        answers = dict(enumerate(map(itself, texts)))

        async def run(route: Sequence[Task], places: Sequence[int]) -> None:
            found = await self._run_along(visit, route, [texts[place] for place in places], options)
            answers.update(zip(places, found, strict=True))

        try:
            await _all([run(route, of_route) for route, of_route in places.items() if route])
        finally:
            self.engine.leave(visit)
        return [answers[place] for place in range(len(texts))]

    async def _run_along(
        self, visit: Visit, route: Sequence[Task], texts: Sequence[str], options: Options
    ) -> list[Answer]:
        self.engine.refuse_early(visit)
        async with Deadline(options.timeout_seconds, options.waited_seconds).held():
            if len(route) == 1 or options.text_format != "text":
                return await self._run_all(visit, route, texts, options)
            # What one of them wrapped, the next could not tell from lines.
            unwrapped = await aside(sum(map(len, texts)), lambda: [unwrap(text, route[0].source) for text in texts])
            whole = [one.text for one in unwrapped]
            answers = await self._run_all(visit, route, whole, options._replace(text_format="lines"))
            return [
                answer._replace(texts=[one.rewrap(text, route[-1].target) for text in answer.texts])
                for one, answer in zip(unwrapped, answers, strict=True)
            ]

    async def _run_all(
        self, visit: Visit, route: Sequence[Task], texts: Sequence[str], options: Options
    ) -> list[Answer]:
        if len(route) == 1:
            return await self._run(visit, route[0], texts, options)
        characters = sum(map(len, texts)) + sum(map(len, options.glossary))
        carried = await aside(characters, lambda: self._carried(route, texts, options))
        options, texts = options._replace(glossary={}), carried.texts
        for task in route[:-1]:
            answers = await self._run(visit, task, texts, options._replace(n_best=1, attention=False))
            texts = [answer.texts[0] for answer in answers]
        answers = await self._run(visit, route[-1], texts, options)
        return await aside(characters, lambda: list(map(carried.arrived, answers)))

    def _carried(self, route: Sequence[Task], texts: Sequence[str], options: Options) -> Carried:
        """Return the texts with what carries the terms of the request; InvalidRequest where a network carries none."""
        first, last = route[0], route[-1]
        vocabulary = self._glossaries[first].vocabulary
        carried = Carried(texts, Glossary(vocabulary, options.glossary), last.target, options.text_format)
        for task in route:
            if carried and not self.catalogue.serving[task].tokenizer.masks:
                name = self.catalogue.serving[task].manifest.name
                raise InvalidRequest(
                    f"Invalid request: glossary has no effect on what is translated through {first.target}: "
                    f"{name} was trained without masks, which carry terms over"
                )
        return carried

    async def _run(self, visit: Visit, task: Task, texts: Sequence[str], options: Options) -> list[Answer]:
        run = await self._open(task, texts, options)
        hypotheses = await gather(await self._read_on(run, visit, options))
        return await self._finish(run, hypotheses, visit, options)

    async def stream(
        self, task: Task, text: str, options: Options = DEFAULTS
    ) -> AsyncGenerator[Finished | Answer, None]:
        """Yield each sentence of a text, in order, as soon as it is there, and at last the answer. Raises as ``run``.

        The answer counts: what went wrong in a sentence is mended only when all are there.
        """
        visit = _visit(options, len(text))
        self.engine.refuse_early(visit)
        current: Futures = []
        following: Futures = []
        hypotheses: list[list[Hypothesis]] = []
        # Not around what is yielded: whoever goes on after that may be another task, which a timeout would not know.
        deadline = Deadline(options.timeout_seconds, options.waited_seconds)
        try:
            async with deadline.held():
                run = await self._open(task, [text], options)
                following = await self._read_on(run, visit, options, HEAD_CHARACTERS)
            while following:
                current, following = following, []
                for future in current:
                    async with deadline.held():
                        hypotheses.append(await asyncio.wrap_future(future))
                    place = len(hypotheses) - 1
                    yield Finished(place, *run.best_output(place, hypotheses[-1]))
                    if not following and not run.is_read:  # after the first sentence: reading slows decoding
                        async with deadline.held():
                            following = await self._read_on(run, visit, options, PORTION_CHARACTERS)
            async with deadline.held():
                (answer,) = await self._finish(run, hypotheses, visit, options)
        finally:
            self.engine.leave(visit)
            for future in (*current, *following):
                future.cancel()
        yield answer

    async def _open(self, task: Task, texts: Sequence[str], options: Options) -> Run:
        bundle = self.catalogue.serving.get(task)
        if bundle is None:
            raise InvalidRequest(_not_supported(task, self.catalogue.serving))
        config = _configured(bundle.manifest.decoding, options)
        glossary = self._glossaries.get(task)

        def read() -> Run:
            terms = glossary.under(options.glossary) if glossary else None
            return Run(task, bundle, texts, config, Reading(options.text_format, terms, options.parts))

        return await aside(sum(map(len, texts)) + sum(map(len, options.glossary)), read)

    async def _read_on(self, run: Run, visit: Visit, options: Options, characters: float = math.inf) -> Futures:
        """Cut the next so many characters into sentences and queue these."""
        before = run.characters_read
        portion = await aside(run.characters, lambda: run.read(characters))
        visit.read += run.characters_read - before
        return self._submit(run, portion, visit, options)

    def _submit(self, run: Run, portion: Portion, visit: Visit, options: Options) -> Futures:
        return self.engine.submit(
            run.bundle,
            portion.sources,
            portion.config,
            attention=options.attention or run.wants_attention,
            terms=portion.terms,
            reverse=run.bundle.reverse_of(run.task),
            visit=visit,
        )

    async def _finish(
        self, run: Run, hypotheses: list[list[Hypothesis]], visit: Visit, options: Options
    ) -> list[Answer]:
        """Decode again what went wrong, and put everything together."""
        for again in await aside(run.characters, lambda: run.faulty(hypotheses)):
            try:
                futures = self._submit(run, again, visit, options)
            except NotReady:  # an answer with a mask at its end is better than none
                break
            for place, found in zip(again.places, await gather(futures), strict=True):
                hypotheses[place] = found
        answers = await aside(run.characters, lambda: run.finish(hypotheses))
        self.engine.metrics.characters.labels(run.task).inc(sum(map(len, run.texts)))
        for text, answer in zip(run.texts, answers, strict=True):
            output = answer.texts[0]
            text_log.info("%s: %r → %r", run.task, text, output, extra={"source_text": text, "output_text": output})
        return answers


async def _all(work: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Do all at once; when one fails, give up the others and fail as it did."""
    if len(work) == 1:  # as nearly always
        await work[0]
        return
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def aside(characters: int, work: Callable[[], Result]) -> Result:
    """Do work on so many characters without holding up the event loop; for a few, a thread would cost more."""
    return work() if characters <= INLINE_CHARACTERS else await asyncio.to_thread(work)


def _visit(options: Options, characters: int) -> Visit:
    patience = math.inf if options.timeout_seconds is None else options.timeout_seconds - options.waited_seconds
    return Visit(options.client, patience, characters)


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


def _not_supported(task: Task, served: Iterable[Task]) -> str:
    alike = [other for other in served if other.kind == task.kind]
    if task.kind == "summarize":
        return (
            f"Summarization of {task.source} is not supported{only_supported([other.source for other in alike], 'of ')}"
        )
    targets = [other.target for other in alike if other.source == task.source]
    return f"Translation from {task.source} to {task.target} is not supported{only_supported(targets, 'to ')}"
