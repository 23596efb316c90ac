"""Networks that do as they are told, and a way to wait for what a thread does."""

import threading
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.search import Hypothesis

PATIENCE_SECONDS = 30.0
"""After which what a test waits for is taken for lost."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Poll a condition until it holds; fail when it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        pause.wait(0.005)


class GatedSearch:
    """Stands in for a search: notes each batch, and answers when its gate is open.

    ``decode`` makes the answers; by default each source backwards.
    """

    def __init__(self, decode: Callable[..., list[list[Hypothesis]]] | None = None) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[list[int]]] = []
        self.configs: list[DecodingConfig] = []
        self.decode = decode or _backwards

    def search(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
        self.batches.append([list(source) for source in sources])
        self.configs.append(config)
        assert self.gate.wait(PATIENCE_SECONDS)
        return self.decode(sources, config)

    def wait_for_batches(self, count: int) -> None:
        """Return when that many searches have begun."""
        wait_until(lambda: len(self.batches) >= count)


def _backwards(sources: Sequence[Sequence[int]], config: DecodingConfig) -> list[list[Hypothesis]]:
    return [[Hypothesis(list(source[::-1]), -1.0, -1.0)] * config.n_best for source in sources]


class CharacterTokenizer:
    """One piece for each character; the tag is 1 and the end is 2, neither of which a text has."""

    def encode(self, text: str) -> list[int]:
        return list(map(ord, " ".join(text.split())))

    def encode_source(self, text: str, task: Task) -> list[int]:
        del task
        return [1, *self.encode(text), 2]

    def decode(self, pieces: Sequence[int]) -> str:
        return "".join(chr(piece) for piece in pieces if piece > 2)


def fake_bundle(
    search: Any, *, name: str = "fake", tasks: Sequence[str] = ("translate:de:en",), max_source_pieces: int = 100
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
    tokenizer: Any = CharacterTokenizer()
    return Bundle(manifest, tokenizer, search)
