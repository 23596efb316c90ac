import math
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from model.bundle import Bundle
from model.config import DecodingConfig
from model.search import BeamSearch, Hypothesis
from service.engine import Engine, gather
from service.errors import DecodingFailed, NotReady, Overloaded
from service.metrics import Metrics
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle

CONFIG = DecodingConfig(beam_size=1)
Futures = list[Future[list[Hypothesis]]]


@pytest.fixture
def search() -> Iterator[GatedSearch]:
    search = GatedSearch()
    yield search
    search.gate.set()


@pytest.fixture
def bundle(search: GatedSearch) -> Bundle:
    return fake_bundle(search)


def make_engine(*, max_batch_sentences: int = 8, max_queued_pieces: int = 1000) -> Engine:
    return Engine(Metrics(), max_batch_sentences=max_batch_sentences, max_queued_pieces=max_queued_pieces, threads=1)


@pytest.fixture
def engine(request: pytest.FixtureRequest, search: GatedSearch) -> Iterator[Engine]:
    """Run an engine; a parameter is its limits."""
    engine = make_engine(**getattr(request, "param", {}))
    engine.start()
    yield engine
    search.gate.set()
    engine.close()


def answers(futures: Futures) -> list[list[int]]:
    return [future.result(PATIENCE_SECONDS)[0].pieces for future in futures]


def keep_busy(engine: Engine, bundle: Bundle, search: GatedSearch) -> Futures:
    """Make the engine decode a sentence for as long as the gate is closed."""
    search.gate.clear()
    futures = engine.submit(bundle, [[0]], CONFIG)
    search.wait_for_batches(1)
    return futures


def test_each_future_gets_the_answer_to_its_own_source(engine: Engine, bundle: Bundle) -> None:
    random = Random(0)
    requests = [
        [[random.randrange(100) for _ in range(random.randint(1, 9))] for _ in range(random.randint(0, 5))]
        for _ in range(50)
    ]
    futures = [engine.submit(bundle, sources, CONFIG) for sources in requests]
    assert [answers(of_request) for of_request in futures] == [
        [source[::-1] for source in sources] for sources in requests
    ]


def test_what_piles_up_while_the_device_is_busy_is_decoded_together(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    for request in ([[1], [2, 2]], [], [[3]]):
        futures += engine.submit(bundle, request, CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [1], [2, 2], [3]]
    assert search.batches == [[[0]], [[1], [2, 2], [3]]]


@pytest.mark.parametrize("engine", [{"max_batch_sentences": 2}], indirect=True)
def test_a_batch_has_at_most_its_limit_and_keeps_the_order(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[n] for n in range(1, 6)], CONFIG)
    search.gate.set()
    wait(futures, PATIENCE_SECONDS)
    assert search.batches == [[[0]], [[1], [2]], [[3], [4]], [[5]]]


@pytest.mark.parametrize("engine", [{"max_batch_sentences": 2}], indirect=True)
def test_first_come_is_first_served_across_networks(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    other = fake_bundle(search, name="other")
    futures = keep_busy(engine, bundle, search)
    for one, source in [(bundle, 1), (other, 2), (bundle, 3), (other, 4), (bundle, 5)]:
        futures += engine.submit(one, [[source]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [1], [2], [3], [4], [5]]
    # 3 shares the batch of 1, which came before 2; 5 finds that batch full and must not overtake 2.
    assert search.batches == [[[0]], [[1], [3]], [[2], [4]], [[5]]]


def test_sentences_that_are_searched_otherwise_do_not_share_a_batch(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    wide = DecodingConfig(beam_size=4, n_best=2)
    futures = keep_busy(engine, bundle, search)
    for config, source in [(CONFIG, 1), (wide, 2), (CONFIG, 3)]:
        futures += engine.submit(bundle, [[source]], config)
    search.gate.set()
    assert [len(future.result(PATIENCE_SECONDS)) for future in futures] == [1, 1, 2, 1]
    assert search.batches == [[[0]], [[1], [3]], [[2]]]
    assert search.configs == [CONFIG, CONFIG, wide]


def test_a_cancelled_sentence_is_not_decoded_and_harms_no_other(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    busy = keep_busy(engine, bundle, search)
    futures = engine.submit(bundle, [[1], [2], [3]], CONFIG)
    assert futures[1].cancel()
    search.gate.set()
    assert answers([*busy, futures[0], futures[2]]) == [[0], [1], [3]]
    assert search.batches == [[[0]], [[1], [3]]]


def test_a_batch_that_was_cancelled_whole_is_skipped(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    other = fake_bundle(search, name="other")
    busy = keep_busy(engine, bundle, search)
    futures = engine.submit(bundle, [[1], [2]], CONFIG)
    assert all(future.cancel() for future in futures)
    last = engine.submit(other, [[3]], CONFIG)
    search.gate.set()
    assert answers([*busy, *last]) == [[0], [3]]
    assert search.batches == [[[0]], [[3]]]


def test_a_sentence_that_is_being_decoded_can_no_longer_be_cancelled(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    (future,) = keep_busy(engine, bundle, search)
    assert not future.cancel()
    search.gate.set()
    assert answers([future]) == [[0]]


def fail(*_: object) -> list[list[Hypothesis]]:
    raise RuntimeError("out of memory")


def find_nothing(sources: Sequence[Sequence[int]], _: DecodingConfig) -> list[list[Hypothesis]]:
    return [[] for _ in sources]


@pytest.mark.parametrize(
    ("decode", "logged"),
    [(fail, "decoding 2 sentences with broken failed"), (find_nothing, "broken gave no finite probability")],
)
def test_a_search_that_fails_fails_its_own_sentences_and_the_engine_goes_on(
    decode: Any, logged: str, engine: Engine, bundle: Bundle, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = fake_bundle(GatedSearch(decode), name="broken")
    futures = keep_busy(engine, bundle, search)
    failing = engine.submit(broken, [[1], [2]], CONFIG)
    futures += engine.submit(bundle, [[3]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [3]]
    for future in failing:
        assert isinstance(future.exception(PATIENCE_SECONDS), DecodingFailed)
    assert logged in caplog.text
    assert engine.is_alive()


def find_only_short_ones(sources: Sequence[Sequence[int]], _: DecodingConfig) -> list[list[Hypothesis]]:
    return [[Hypothesis(list(source), -1.0, -1.0)] if len(source) < 3 else [] for source in sources]


def test_a_sentence_for_which_nothing_is_found_does_not_fail_its_batch_mates(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    search.decode = find_only_short_ones
    futures = keep_busy(engine, bundle, search)
    short, long, other = engine.submit(bundle, [[1], [2, 2, 2], [3]], CONFIG)
    search.gate.set()
    assert answers([*futures, short, other]) == [[0], [1], [3]]
    assert isinstance(long.exception(PATIENCE_SECONDS), DecodingFailed)
    assert len(search.batches) == 2


class NaNNetwork:
    """Knows 8 pieces, and the probability of none."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count, length = source.shape
        mask = torch.arange(length) < lengths.unsqueeze(1)
        return torch.zeros(count, length, 2), mask, torch.zeros(count, 2)

    def decode_step(self, pieces: Tensor, state: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        del memory
        return torch.full((*pieces.shape, 8), math.nan), state, mask.float().unsqueeze(1)


def test_a_network_of_nan_is_a_failure_and_not_an_empty_translation(engine: Engine) -> None:
    bundle = fake_bundle(BeamSearch(NaNNetwork(), [0, 1, 2, 3], torch.device("cpu")))
    (future,) = engine.submit(bundle, [[4, 5, 3]], DecodingConfig(beam_size=2))
    assert isinstance(future.exception(PATIENCE_SECONDS), DecodingFailed)


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 4}], indirect=True)
def test_a_request_that_would_overfill_the_queue_is_refused_whole(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1, 1]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[2], [2, 2]], CONFIG)
    futures += engine.submit(bundle, [[3, 3]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [1, 1], [3, 3]]
    assert search.batches == [[[0]], [[1, 1], [3, 3]]]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 4}], indirect=True)
def test_a_request_larger_than_the_queue_is_accepted_when_nothing_waits(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [9 * [1], 9 * [2]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[3]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], 9 * [1], 9 * [2]]
    # What has been decoded no longer counts.
    assert answers(engine.submit(bundle, [[3, 3, 3, 3]], CONFIG)) == [[3, 3, 3, 3]]


def test_closing_finishes_what_was_accepted_and_refuses_what_comes_later(bundle: Bundle, search: GatedSearch) -> None:
    engine = make_engine(max_batch_sentences=1)
    futures = engine.submit(bundle, [[1], [2], [3]], CONFIG)
    engine.start()
    engine.close()
    assert [future.done() for future in futures] == [True, True, True]
    assert answers(futures) == [[1], [2], [3]]
    assert not engine.is_alive()
    with pytest.raises(NotReady):
        engine.submit(bundle, [[4]], CONFIG)
    assert len(search.batches) == 3


def test_an_engine_that_never_started_can_be_closed() -> None:
    engine = make_engine()
    engine.close()
    engine.close()
    assert not engine.is_alive()


def test_what_it_does_is_measured(bundle: Bundle, search: GatedSearch) -> None:
    metrics = Metrics()
    engine = Engine(metrics, max_batch_sentences=8, max_queued_pieces=100, threads=1)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"dragoman_{name}", labels)

    engine.start()
    keep_busy(engine, bundle, search)
    engine.submit(bundle, [[1, 1], [2, 2, 2]], CONFIG)
    assert sample("queued_sentences") == 2
    search.gate.set()
    engine.close()
    assert sample("queued_sentences") == 0
    assert (sample("batch_sentences_count"), sample("batch_sentences_sum")) == (2, 3)
    assert (sample("decode_seconds_count"), sample("queue_seconds_count")) == (2, 3)
    assert sample("pieces_total", bundle="fake", direction="in") == 6
    assert sample("pieces_total", bundle="fake", direction="out") == 6


def test_one_thread_decodes_for_all(engine: Engine, bundle: Bundle) -> None:
    names = set()

    def name_of_thread(sources: Sequence[Sequence[int]], _: DecodingConfig) -> list[list[Hypothesis]]:
        names.add(threading.current_thread().name)
        return [[Hypothesis([], 0.0, 0.0)] for _ in sources]

    bundles = [bundle._replace(search=SimpleNamespace(search=name_of_thread)) for _ in range(3)]
    for one in bundles:
        answers(engine.submit(one, [[1]], CONFIG))
    assert names == {"engine"}


# gather


def hypotheses(piece: int) -> list[Hypothesis]:
    return [Hypothesis([piece], -1.0, -1.0)]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_gathered_results_come_in_the_order_of_the_futures_once_all_are_there(order: list[int]) -> None:
    futures: Futures = [Future() for _ in range(3)]
    gathered = gather(futures)
    for n in order:
        assert not gathered.done()
        futures[n].set_result(hypotheses(n))
    assert gathered.result(0) == [hypotheses(0), hypotheses(1), hypotheses(2)]


def test_nothing_gathered_is_there_at_once() -> None:
    assert gather([]).result(0) == []


def test_what_was_done_before_is_gathered_too() -> None:
    futures: Futures = [Future()]
    futures[0].set_result(hypotheses(7))
    assert gather(futures).result(0) == [hypotheses(7)]


def test_the_first_failure_is_that_of_all_and_cancels_what_still_waits() -> None:
    futures: Futures = [Future() for _ in range(4)]
    running = futures[1]
    running.set_running_or_notify_cancel()
    gathered = gather(futures)
    futures[2].set_exception(DecodingFailed("first"))
    assert isinstance(gathered.exception(0), DecodingFailed)
    assert [future.cancelled() for future in futures] == [True, False, False, True]
    running.set_exception(DecodingFailed("second"))  # too late, and no harm
    assert str(gathered.exception(0)) == "first"


def test_whoever_gives_up_cancels_what_still_waits() -> None:
    futures: Futures = [Future() for _ in range(3)]
    futures[0].set_running_or_notify_cancel()
    gathered = gather(futures)
    assert gathered.cancel()
    assert [future.cancelled() for future in futures] == [False, True, True]
    futures[0].set_result(hypotheses(0))  # too late, and no harm
    assert gathered.cancelled()
