from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from model.config import Task
from service.bench import offline
from service.bench.offline import WARM_UP_TEXTS, measure_offline, measure_single
from service.metrics import Metrics
from service.run import Answer

TASK = Task.parse("translate:de:en")


class FakeTranslator:
    """Finds two sentences in every text, and writes three pieces for each."""

    def __init__(self) -> None:
        self.engine = SimpleNamespace(metrics=Metrics())
        self.catalogue = SimpleNamespace(serving={TASK: SimpleNamespace(manifest=SimpleNamespace(name="fake"))})
        self.runs: list[list[str]] = []

    async def run(self, task: Task, texts: Sequence[str]) -> list[Answer]:
        assert task == TASK
        self.runs.append(list(texts))
        self.engine.metrics.pieces.labels("fake", "out").inc(2 * 3 * len(texts))
        self.engine.metrics.pieces.labels("fake", "in").inc(1)
        return [Answer([text], [[], []], [], []) for text in texts]


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> FakeTranslator:
    fake = FakeTranslator()

    @contextmanager
    def opened(catalogue: Any, settings: Any) -> Iterator[FakeTranslator]:
        assert (catalogue, settings) == ("catalogue", "settings")
        yield fake

    monkeypatch.setattr(offline, "open_translator", opened)
    return fake


def test_all_texts_go_at_once_and_the_warm_up_is_not_counted(translator: FakeTranslator) -> None:
    texts = [f"Satz {n}." for n in range(100)]
    bulk = measure_offline("catalogue", "settings", TASK, texts)  # type: ignore[arg-type]
    assert translator.runs == [texts[:WARM_UP_TEXTS], texts]
    assert (bulk.sentences, bulk.pieces) == (200, 600)
    assert bulk.seconds > 0


def test_texts_go_one_after_another_and_the_warm_up_is_not_counted(translator: FakeTranslator) -> None:
    texts = [f"Satz {n}." for n in range(5)]
    single = measure_single("catalogue", "settings", TASK, texts)  # type: ignore[arg-type]
    assert translator.runs == [[text] for text in texts + texts]
    assert (single.bulk.sentences, single.bulk.pieces) == (10, 30)
    assert 0 < single.latency.p50_ms <= single.latency.p99_ms <= 1000 * single.bulk.seconds
