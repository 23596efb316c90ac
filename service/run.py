"""One run of a task over the texts of a request: what of it needs neither the engine nor the event loop."""

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.guidance import Terms
from model.hypothesis import Hypothesis
from service.glossary import MAX_FORCED_PIECES, Glossary, add_fitting
from service.languages import is_spaceless
from service.parsing import Parsed, TextFormat, parse
from service.preparation import Outcome, Output, Prepared, Sentence, Written, outputs_of, prepare
from service.repetition import repeats

WITHOUT_REPETITION: Mapping[str, int | float] = {"no_repeat_ngram": 3, "repetition_penalty": 1.2}
"""How a sentence is decoded again whose output repeats itself."""


class Answer(NamedTuple):
    """What came of one text: distinct outputs, best first."""

    texts: list[str]
    sources: Sequence[Sequence[int]]
    """The parts that the text was cut into, framed, and for each ..."""
    hypotheses: Sequence[Hypothesis]
    """... the best hypothesis, ..."""
    outcomes: Sequence[Outcome]
    """... and all that came of it."""


def itself(text: str) -> Answer:
    """Return the answer to a text that is its own translation."""
    return Answer([text], [], [], [])


class Reading(NamedTuple):
    """How the texts of a request are to be read."""

    text_format: TextFormat
    glossary: Glossary | None
    """Of translations, what they have to hold."""
    parts: int
    """Of a text to summarize, at least."""


class Portion(NamedTuple):
    """Sentences of a run that are to be decoded, and how."""

    places: Sequence[int]
    """Among all sentences of the run."""
    sources: list[list[int]]
    """What the network reads for each."""
    config: DecodingConfig
    terms: list[Terms | None]
    """What the output of each has to hold."""


class Run:
    """A task and its texts, whose sentences are read one after the other."""

    def __init__(
        self,
        task: Task,
        bundle: Bundle,
        texts: Sequence[str],
        config: DecodingConfig,
        reading: Reading,
    ) -> None:
        self.task = task
        self.bundle = bundle
        self.config = config
        self.texts = texts
        self.characters = sum(map(len, texts))
        self._parsed: list[Parsed] = [parse(text, reading.text_format, task, bundle.tokenizer) for text in texts]
        self._prepared = [
            [prepare(task, text, bundle, glossary=reading.glossary, parts=reading.parts) for text in parsed.texts]
            for parsed in self._parsed
        ]
        self._sentences: list[tuple[Prepared, Sentence]] = []
        self._gaps: list[int] = []
        self._unread = (
            (prepared, sentence) for of_text in self._prepared for prepared in of_text for sentence in prepared.unread
        )
        self._to_read = sum(len(prepared.protected.text) for of_text in self._prepared for prepared in of_text)
        self._characters_read = 0
        self.is_read = False
        """Whether no sentence is left."""

    @property
    def wants_attention(self) -> bool:
        """Whether there is markup to be put around words."""
        return any(parsed.wants_attention for parsed in self._parsed)

    @property
    def characters_read(self) -> float:
        """Of the texts' characters, how many have been read, about: spans count as one."""
        if self.is_read:
            return self.characters
        return self.characters * self._characters_read / max(1, self._characters_read, self._to_read)

    def read(self, characters: float = math.inf) -> Portion:
        """Read on, until the sentences read have so many characters; there is none only when all had been read."""
        start, stop_at = len(self._sentences), self._characters_read + characters
        for prepared, sentence in self._unread:
            self._sentences.append((prepared, sentence))
            self._gaps.append(len(prepared.sentences) - 1)
            self._characters_read += len(sentence.masked.text)
            if self._characters_read >= stop_at:
                break
        else:
            self.is_read = True
        terms = [sentence.terms for _, sentence in self._sentences[start:]]
        return self._portion(range(start, len(self._sentences)), self.config, terms)

    def _portion(self, places: Sequence[int], config: DecodingConfig, terms: list[Terms | None]) -> Portion:
        sources = [self._sentences[place][1].source for place in places]
        return Portion(places, sources, config, [one if one and one.phrases else None for one in terms])

    def faulty(self, hypotheses: Sequence[Sequence[Hypothesis]]) -> list[Portion]:
        """Return the sentences whose best output has lost a mask, or doubled one, and those that repeat themselves.

        They are decoded again with all of their masks forced, or without repetition.
        """
        lost, looping = [], []
        for place, ((_, sentence), (best, *_)) in enumerate(zip(self._sentences, hypotheses, strict=True)):
            masked = sentence.masked
            if repeats(best.pieces) and not repeats(sentence.source):
                looping.append(place)
            elif masked.written and not masked.is_whole(self.bundle.tokenizer.decode(best.pieces)):
                lost.append(place)
        ways = [(lost, self.config)] if lost else []
        if looping:
            ways.append((looping, self.config.model_copy(update=WITHOUT_REPETITION)))
        return [self._portion(places, config, list(map(self._with_masks, places))) for places, config in ways]

    def _with_masks(self, place: int) -> Terms | None:
        """Return what the output of a sentence has to hold, and all of its masks."""
        sentence = self._sentences[place][1]
        if not sentence.terms:
            return None
        tokenizer, source = self.bundle.tokenizer, sentence.source
        terms = Terms([], [], sentence.terms.words)
        masks = sentence.masked.written
        with_spaces = 2 * len(masks) <= MAX_FORCED_PIECES and not is_spaceless(self.task.target)
        for mask in masks:
            (piece,) = tokenizer.encode(mask)[-1:]
            at = source.index(piece)
            is_apart = with_spaces and tokenizer.pieces(source[at - 1 : at]) == ["▁"]
            terms.phrases.append(source[at - is_apart : at + 1])
            terms.places.append([at])
        for phrase, places in zip(sentence.terms.phrases, sentence.terms.places, strict=True):
            add_fitting(terms, phrase, places)
        return terms

    def best_output(self, place: int, hypotheses: Sequence[Hypothesis]) -> tuple[str, str]:
        """Return what stands before a sentence, from the one before on, and its best output as a reader sees it."""
        prepared, sentence = self._sentences[place]
        (output,) = outputs_of(sentence, hypotheses[:1], self.task.target, self.bundle.tokenizer)
        before = prepared.document.gaps[self._gaps[place]]
        return prepared.protected.restore(before), prepared.protected.restore(output.text)

    def finish(self, hypotheses: Sequence[list[Hypothesis]]) -> list[Answer]:
        """Put the hypotheses of each sentence into its place in the texts, all of which have been read."""
        remaining = iter(hypotheses)
        return [
            self._answer(parsed, of_text, [list(islice(remaining, len(one.sentences))) for one in of_text])
            for parsed, of_text in zip(self._parsed, self._prepared, strict=True)
        ]

    def _answer(self, parsed: Parsed, prepared: Sequence[Prepared], found: Sequence[list[list[Hypothesis]]]) -> Answer:
        tokenizer = self.bundle.tokenizer
        ranked = [
            [outputs_of(*pair, self.task.target, tokenizer) for pair in zip(one.sentences, hypotheses, strict=True)]
            for one, hypotheses in zip(prepared, found, strict=True)
        ]
        most = max((len(outputs) for of_one in ranked for outputs in of_one), default=1)
        texts = [
            parsed.write(
                [Written(one, _nth(of_one, n)) for one, of_one in zip(prepared, ranked, strict=True)],
                self.task.target,
                tokenizer,
            )
            for n in range(most)
        ]
        return Answer(
            list(dict.fromkeys(texts)),
            [sentence.source for one in prepared for sentence in one.sentences],
            [hypotheses[0] for of_one in found for hypotheses in of_one],
            [
                Outcome(one.protected, sentence, outputs)
                for one, of_one in zip(prepared, ranked, strict=True)
                for sentence, outputs in zip(one.sentences, of_one, strict=True)
            ],
        )


def _nth(ranked: Sequence[Sequence[Output]], n: int) -> list[Output]:
    """Return the n-th output of each sentence, or the last that the sentence has."""
    return [outputs[min(n, len(outputs) - 1)] for outputs in ranked]
