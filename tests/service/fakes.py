"""Networks that do as they are told, and a way to wait for what a thread does."""

import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from types import SimpleNamespace
from typing import Any

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.hypothesis import Hypothesis
from model.search import BeamSearch, Sentence

PATIENCE_SECONDS = 30.0
"""After which what a test waits for is taken for lost."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition until it holds; fail when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        pause.wait(0.005)


class BackwardsBatch:
    """Stands in for a batch: a sentence takes a step for each of its pieces, and is answered with ``answer``."""

    is_encoding = False

    def __init__(self, answer: Callable[[Sentence], list[Hypothesis]]) -> None:
        self._answer = answer
        self._sentences: dict[int, Sentence] = {}
        self._steps_left: dict[int, int] = {}
        self._tickets = count()

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def rows(self) -> int:
        return sum(sentence.config.beam_size for sentence in self._sentences.values())

    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        admitted = {next(self._tickets): sentence for sentence in sentences}
        self._sentences.update(admitted)
        self._steps_left.update({ticket: len(sentence.source) for ticket, sentence in admitted.items()})
        return list(admitted)

    def drop(self, tickets: set[int]) -> None:
        for ticket in tickets:
            del self._sentences[ticket], self._steps_left[ticket]

    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        for ticket in self._steps_left:
            self._steps_left[ticket] -= 1
        done = [ticket for ticket, left in self._steps_left.items() if left <= 0]
        answers = [(ticket, self._answer(self._sentences[ticket])) for ticket in done]
        self.drop(set(done))
        return answers


class GatedBatch:
    """Passes on to another batch, having told its search what is done; a step waits until the gate is open."""

    def __init__(self, search: "GatedSearch", batch: Any) -> None:
        self._search = search
        self._batch = batch
        self._sources: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def rows(self) -> int:
        rows: int = self._batch.rows
        return rows

    @property
    def is_encoding(self) -> bool:
        is_encoding: bool = self._batch.is_encoding
        return is_encoding

    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        sources = [list(sentence.source) for sentence in sentences]
        self._search.admissions.append(sources)
        self._search.sentences.extend(sentences)
        self._search.on_admission(sentences)
        tickets: list[int] = self._batch.admit(sentences)
        self._sources.update(zip(tickets, sources, strict=True))  # other threads admit, too
        return tickets

    def drop(self, tickets: set[int]) -> None:
        self._search.dropped.extend(self._sources.pop(ticket) for ticket in sorted(tickets))
        self._batch.drop(tickets)

    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        self._search.steps.append(list(self._sources.values()))
        assert self._search.gate.wait(PATIENCE_SECONDS)
        done: list[tuple[int, list[Hypothesis]]] = self._batch.step()
        for ticket, _ in done:
            del self._sources[ticket]
        return done


class GatedSearch:
    """Stands in for a search: notes who is admitted, steps and leaves, and takes a step when its gate is open.

    ``answer`` makes the answer to a sentence at its last step; by default the source backwards. With
    ``make_batch`` another search does the work.
    """

    def __init__(self, make_batch: Callable[[], Any] | None = None) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.sentences: list[Sentence] = []
        self.admissions: list[list[list[int]]] = []
        self.steps: list[list[list[int]]] = []
        self.dropped: list[list[int]] = []
        self.answer: Callable[[Sentence], list[Hypothesis]] = backwards
        self.on_admission: Callable[[Sequence[Sentence]], object] = lambda _: None
        self._make_batch = make_batch or (lambda: BackwardsBatch(lambda sentence: self.answer(sentence)))

    def batch(self) -> GatedBatch:
        return GatedBatch(self, self._make_batch())

    search = BeamSearch.search

    @property
    def configs(self) -> list[DecodingConfig]:
        """How each sentence was to be decoded."""
        return [sentence.config for sentence in self.sentences]

    @property
    def sources(self) -> list[list[int]]:
        """All sentences in the order in which they were admitted."""
        return [list(sentence.source) for sentence in self.sentences]

    def wait_for_steps(self, number: int) -> None:
        """Return when that many steps have begun."""
        wait_until(lambda: len(self.steps) >= number)


def backwards(sentence: Sentence) -> list[Hypothesis]:
    """Answer a sentence with its source backwards, as often as hypotheses are wanted."""
    source = list(sentence.source[::-1])
    return [Hypothesis(source, -1.0, -1.0, [-0.5] * (len(source) + 1))] * sentence.config.n_best


class CharacterTokenizer:
    """One piece for each character; the tag is 1 and the end is 2, neither of which a text has."""

    def __init__(self, masks: str = "") -> None:
        self.masks = masks

    def __len__(self) -> int:
        return 128  # of which a glossary has to know what they are

    def encode(self, text: str) -> list[int]:
        return list(map(ord, " ".join(text.split())))

    def encode_source(self, text: str, task: Task) -> list[int]:
        return self.frame_source(self.encode(text), task)

    def frame_source(self, pieces: Sequence[int], task: Task) -> list[int]:
        del task
        return [1, *pieces, 2]

    def decode(self, pieces: Sequence[int]) -> str:
        return "".join(chr(piece) for piece in pieces if piece > 2)

    def pieces(self, ids: Sequence[int]) -> list[str]:
        return list(map(chr, ids))


def fake_bundle(
    search: Any,
    *,
    name: str = "fake",
    tasks: Sequence[str] = ("translate:de:en",),
    max_source_pieces: int = 100,
    masks: str = "",
) -> Bundle:
    """Return what an engine and a translator need of a bundle."""
    manifest: Any = SimpleNamespace(
        name=name,
        version="1",
        tasks=[Task.parse(task) for task in tasks],
        max_source_pieces=max_source_pieces,
        decoding=DecodingConfig(beam_size=2),
        parameters=1,
        scores=(),
    )
    tokenizer: Any = CharacterTokenizer(masks)
    return Bundle(manifest, tokenizer, search, "float32")
