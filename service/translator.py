"""Text → sentences → engine → text; shared by the routes and the command line."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from model.bundle import Bundle
from model.config import MAX_BEAM_SIZE, DecodingConfig, Task
from model.hypothesis import Hypothesis
from service.catalogue import Catalogue
from service.engine import Engine
from service.errors import DeadlineExceeded, InvalidRequest, NotReady, Overloaded
from service.gather import gather
from service.spans import Masked, Protected, protect, stand_ins, with_masks
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
    """... the best hypothesis, ..."""
    spans: Sequence[Mapping[str, str]]
    """... and what each of its masks stands for."""


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
                prepared = await _aside(characters, lambda: _prepare(task, texts, bundle))
                sources = [source for text in prepared for source in text.sources]
                futures = self.engine.submit(bundle, sources, config, attention=options.attention)
                hypotheses = await gather(futures)
                if broken := await _aside(characters, lambda: _broken(prepared, hypotheses, bundle)):
                    await self._mend(bundle, broken, hypotheses, config, options)
        except TimeoutError as error:
            raise DeadlineExceeded(f"No answer within {options.timeout_seconds:g} s") from error
        decoded = list(zip(sources, hypotheses, strict=True))
        return await _aside(characters, lambda: _finish(task, prepared, decoded, bundle))

    async def _mend(
        self,
        bundle: Bundle,
        broken: Sequence["_Broken"],
        hypotheses: list[list[Hypothesis]],
        config: DecodingConfig,
        options: Options,
    ) -> None:
        """Decode broken sentences again, with all of their masks forced."""
        constraints = [[bundle.tokenizer.encode(mask)[-1:] for mask in one.masks] for one in broken]
        width = max(config.beam_size, *(1 + len(forced) for forced in constraints))
        try:
            futures = self.engine.submit(
                bundle,
                [one.source for one in broken],
                config.model_copy(update={"beam_size": min(width, MAX_BEAM_SIZE)}),
                attention=options.attention,
                constraints=constraints,
            )
        except (Overloaded, NotReady):  # an answer with the mask at its end is better than none
            return
        mended = await gather(futures)
        for one, found in zip(broken, mended, strict=True):
            hypotheses[one.place] = found


async def _aside(characters: int, work: Callable[[], Result]) -> Result:
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


class _Text(NamedTuple):
    """A text on its way: what is protected in it, and its sentences, with masks and as the network reads them."""

    protected: Protected
    document: Document
    sentences: list[Masked]
    sources: list[list[int]]


class _Broken(NamedTuple):
    """A sentence whose best output has lost a mask, or doubled one."""

    place: int
    """Among all sentences of the request."""
    source: list[int]
    masks: list[str]


def _prepare(task: Task, texts: Sequence[str], bundle: Bundle) -> list[_Text]:
    tokenizer = bundle.tokenizer
    masks = tokenizer.masks if task.kind == "translate" else ""  # a summary need not hold each address
    limit = bundle.manifest.max_source_pieces

    read: dict[str, tuple[Masked, list[int]]] = {}  # each sentence has to be encoded to see whether it fits

    def fits(text: str) -> bool:
        sentence = text.strip()
        masked = with_masks(sentence, masks)
        read[sentence] = masked, tokenizer.encode(masked.text)
        has_masks_enough = not masks or len(stand_ins(sentence)) <= len(masks)
        return has_masks_enough and len(read[sentence][1]) <= limit

    prepared = []
    for text in texts:
        protected = protect(text) if masks else Protected(text, [])
        document = split_text(protected.text, task.source, fits)
        if task.kind == "summarize" and document.sentences:
            # A summary is of as much as the network can read, not of each sentence: a headline a line.
            parts = pack(document.sentences, fits)
            document = Document(parts, ["", *["\n"] * (len(parts) - 1), ""])
        sentences = [read[sentence][0] for sentence in document.sentences]
        sources = [tokenizer.frame_source(read[sentence][1], task) for sentence in document.sentences]
        prepared.append(_Text(protected, document, sentences, sources))
    return prepared


def _broken(texts: Sequence[_Text], hypotheses: Sequence[Sequence[Hypothesis]], bundle: Bundle) -> list[_Broken]:
    sentences = [one for text in texts for one in zip(text.sentences, text.sources, strict=True)]
    return [
        _Broken(place, source, list(masked.stand_in_of))
        for place, ((masked, source), (best, *_)) in enumerate(zip(sentences, hypotheses, strict=True))
        if masked.stand_in_of and not masked.is_whole(bundle.tokenizer.decode(best.pieces))
    ]


def _finish(
    task: Task, texts: Sequence[_Text], decoded: Sequence[tuple[list[int], list[Hypothesis]]], bundle: Bundle
) -> list[Answer]:
    """Put the hypotheses of each source into its place in the texts."""
    remaining = iter(decoded)
    answers = []
    for text in texts:
        of_text = list(islice(remaining, len(text.sentences)))
        ranked = [
            _whole(masked, [bundle.tokenizer.decode(one.pieces) for one in hypotheses])
            for masked, (_, hypotheses) in zip(text.sentences, of_text, strict=True)
        ]
        most = max(map(len, ranked), default=1)
        # The n-th output of a text is made of the n-th of each sentence, or the last that the sentence has.
        outputs = [
            text.protected.restore(text.document.join([r[min(n, len(r) - 1)] for r in ranked], task.target))
            for n in range(most)
        ]
        sources, best = [source for source, _ in of_text], [hypotheses[0] for _, hypotheses in of_text]
        spans = [
            {mask: text.protected.restore(stand_in) for mask, stand_in in masked.stand_in_of.items()}
            for masked in text.sentences
        ]
        answers.append(Answer(list(dict.fromkeys(outputs)), sources, best, spans))
    return answers


def _whole(masked: Masked, outputs: Sequence[str]) -> list[str]:
    """Return a sentence's outputs with its stand-ins, without those but the best that are not whole."""
    return [masked.restore(output) for n, output in enumerate(outputs) if n == 0 or masked.is_whole(output)]
