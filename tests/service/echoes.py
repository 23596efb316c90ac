"""The starters with their tokenizers and settings, but with networks that copy their source, or do worse.

All that is between a request and its answer is real but the weights.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from model.bundle import TOKENIZER, Bundle, load_manifest
from model.hypothesis import Hypothesis
from model.reverse import Found
from model.search import Sentence
from model.tokenizer import UNKNOWN, Tokenizer
from service import state as state_module
from service.catalogue import Catalogue, Entry
from service.settings import STARTERS
from tests.service.live import Live, local_settings, running

Network = Callable[[Sentence, Tokenizer], list[int]]
"""What it writes, as pieces, of a sentence, which is framed."""


def copying(sentence: Sentence, _: Tokenizer) -> list[int]:
    return list(sentence.source[1:-1])


def silent(*_: Any) -> list[int]:
    return []


def repeating(sentence: Sentence, _: Tokenizer) -> list[int]:
    return 4 * copying(sentence, _)


def forgetting_masks(sentence: Sentence, tokenizer: Tokenizer) -> list[int]:
    return [piece for piece in copying(sentence, tokenizer) if piece not in _masks(tokenizer)]


def doubling_masks(sentence: Sentence, tokenizer: Tokenizer) -> list[int]:
    return [piece for one in copying(sentence, tokenizer) for piece in [one] * (1 + (one in _masks(tokenizer)))]


def making_masks_up(sentence: Sentence, tokenizer: Tokenizer) -> list[int]:
    return [*copying(sentence, tokenizer), *_masks(tokenizer)]


def unknowing(sentence: Sentence, _: Tokenizer) -> list[int]:
    return [UNKNOWN if place % 2 else piece for place, piece in enumerate(copying(sentence, _))]


def shuffling(sentence: Sentence, _: Tokenizer) -> list[int]:
    pieces = copying(sentence, _)
    Random(len(pieces)).shuffle(pieces)
    return pieces


def raving(sentence: Sentence, tokenizer: Tokenizer) -> list[int]:
    """Write any pieces, among them bytes that spell line breaks, and stand-ins."""
    random = Random(sum(sentence.source))
    odd = tokenizer.encode("\0\x85\u2028\U000f0000\U000f0001\U0010fffd<b>&amp;{x}")
    return random.choices([*range(4, len(tokenizer)), *odd * 100], k=random.randint(0, 20))


OF_NO_WORDS_BUT_THE_SOURCE_S: list[Network] = [copying, silent, forgetting_masks, doubling_masks, making_masks_up]
ALL: list[Network] = [*OF_NO_WORDS_BUT_THE_SOURCE_S, repeating, shuffling, unknowing, raving]


def _masks(tokenizer: Tokenizer) -> list[int]:
    return [tokenizer.encode(mask)[-1] for mask in tokenizer.masks]


class EchoBatch:
    """Answers all of its sentences at the next step."""

    is_encoding = False

    def __init__(self, search: "EchoSearch") -> None:
        self._search = search
        self._sentences: dict[int, Sentence] = {}
        self._tickets = count()

    def __len__(self) -> int:
        return len(self._sentences)

    @property
    def rows(self) -> int:
        return len(self)

    def admit(self, sentences: Sequence[Sentence]) -> list[int]:
        admitted = {next(self._tickets): sentence for sentence in sentences}
        self._sentences.update(admitted)
        return list(admitted)

    def drop(self, tickets: set[int]) -> None:
        for ticket in tickets:
            del self._sentences[ticket]

    def step(self) -> list[tuple[int, list[Hypothesis]]]:
        done = [(ticket, self._search.answer(sentence)) for ticket, sentence in self._sentences.items()]
        self._sentences.clear()
        return done


class EchoSearch:
    """Stands in for the search over a network with this tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.network = copying

    def batch(self) -> EchoBatch:
        return EchoBatch(self)

    def choose(self, found: Sequence[Found]) -> list[list[Hypothesis]]:
        return [one.hypotheses[: one.reverse.n_best] for one in found]

    def answer(self, sentence: Sentence) -> list[Hypothesis]:
        pieces = self.network(sentence, self.tokenizer)[: sentence.config.longest(len(sentence.source))]
        attention = None
        if sentence.attention:  # to the source's piece at the same place
            size = len(sentence.source)
            attention = [[float(s == min(t + 1, size - 1)) for s in range(size)] for t in range(len(pieces) + 1)]
        hypothesis = Hypothesis(pieces, -1.0, -1.0, [-0.5] * (len(pieces) + 1), attention)
        return [hypothesis] * sentence.config.n_best


def echo_bundle(folder: Path) -> Bundle:
    """Return the bundle of a folder without its network."""
    tokenizer = Tokenizer((folder / TOKENIZER).read_bytes())
    search: Any = EchoSearch(tokenizer)
    return Bundle(load_manifest(folder), tokenizer, search, "float32")


class Echoes:
    """A running service of networks that can be exchanged."""

    def __init__(self, live: Live, bundles: Sequence[Bundle]) -> None:
        self.live = live
        self.searches: list[Any] = [bundle.search for bundle in bundles]

    def ask(self, route: str, network: Network, q: Any, **fields: Any) -> Any:
        """Return the answer to a request, which must be there."""
        for search in self.searches:
            search.network = network
        answer = self.live.client.post(route, json={"q": q, **fields})
        assert answer.status_code == 200, answer.text
        return answer

    def translate(self, network: Network, q: Any, source: str = "de", target: str = "en", **fields: Any) -> Any:
        return self.ask("/translate", network, q, source=source, target=target, **fields).json()["translatedText"]


@contextmanager
def serving_echoes() -> Iterator[Echoes]:
    """Run a service of the starters with networks that copy."""
    entries = [Entry(folder.name, echo_bundle(folder), None) for folder in sorted(STARTERS.iterdir())]
    bundles = [entry.bundle for entry in entries if entry.bundle]
    catalogue = Catalogue(entries, {task: bundle for bundle in bundles for task in bundle.manifest.tasks})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state_module, "load_catalogue", lambda *_: catalogue)
        with running(local_settings(STARTERS, reload_seconds=0)) as live:
            patch.undo()  # it is loaded, and tests of other modules may run while it is served
            yield Echoes(live, bundles)
