import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from random import Random
from weakref import ref

import pytest
import torch

from model.bundle import Bundle
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from model.search import Sentence
from service import engine as engine_module
from service.admission import Static
from service.engine import Engine
from service.errors import DecodingFailed
from tests.service.engines import CONFIG, answers, keep_busy, new_engine, sample
from tests.service.fakes import PATIENCE_SECONDS, BackwardsBatch, GatedSearch, backwards, fake_bundle, wait_until

one_or_two_workers = pytest.mark.parametrize("engine", [{"workers": 1}, {"workers": 2}], indirect=True)


# Each its own answer


def random_sources(random: Random, most: int) -> list[list[int]]:
    return [[random.randrange(100) for _ in range(random.randint(1, 9))] for _ in range(random.randint(0, most))]


@one_or_two_workers
def test_each_future_gets_the_answer_to_its_own_source_under_random_load(engine: Engine, bundle: Bundle) -> None:
    bundles = [bundle, fake_bundle(GatedSearch(), name="other")]

    def submit_all(seed: int) -> None:
        random = Random(seed)
        expected, futures = [], []
        for _ in range(40):
            sources, n_best = random_sources(random, 5), random.randint(1, 4)
            config = DecodingConfig(beam_size=random.randint(n_best, 16), n_best=n_best)
            expected += [[source[::-1]] * n_best for source in sources]
            futures += engine.submit(random.choice(bundles), sources, config)
            if random.random() < 0.2:
                wait(futures, PATIENCE_SECONDS)
        assert [[one.pieces for one in future.result(PATIENCE_SECONDS)] for future in futures] == expected

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(submit_all, seed) for seed in range(4)]:
            done.result()
    wait_until(lambda: sample(engine, "sentences_in_flight") == 0)
    assert sample(engine, "queued_sentences") == 0


@one_or_two_workers
def test_whoever_gives_up_at_a_random_moment_changes_no_other_s_answer(engine: Engine, bundle: Bundle) -> None:
    random = Random(1)
    kept: list[tuple[list[int], Future[list[Hypothesis]]]] = []
    for _ in range(300):
        sources = random_sources(random, 4)
        futures = engine.submit(bundle, sources, CONFIG)
        if random.random() < 0.4:
            for future in futures:
                future.cancel()
        else:
            kept += zip(sources, futures, strict=True)
        if random.random() < 0.1 and kept:
            kept[-1][1].result(PATIENCE_SECONDS)
    assert answers([future for _, future in kept]) == [source[::-1] for source, _ in kept]
    wait_until(lambda: sample(engine, "sentences_in_flight") == sample(engine, "queued_sentences") == 0)


# Who is decoded with whom


def test_what_piles_up_during_a_step_joins_before_the_next(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    search.gate.clear()
    futures = engine.submit(bundle, [[0, 0, 0]], CONFIG)
    search.wait_for_steps(1)
    for request in ([[1], [2, 2]], [], [[3]]):
        futures += engine.submit(bundle, request, CONFIG)
    search.gate.set()
    assert answers(futures) == [[0, 0, 0], [1], [2, 2], [3]]
    assert search.admissions == [[[0, 0, 0]], [[1], [2, 2], [3]]]
    assert [len(step) for step in search.steps] == [1, 4, 2]


@pytest.mark.parametrize("engine", [{"sentences": 2}, {"rows": 2}], indirect=True)
def test_a_worker_s_limits_hold_and_the_order_is_kept(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[n] for n in range(1, 6)], CONFIG)
    search.gate.set()
    wait(futures, PATIENCE_SECONDS)
    assert search.admissions == [[[0]], [[1], [2]], [[3], [4]], [[5]]]


@pytest.mark.parametrize("engine", [{"sentences": 2}], indirect=True)
def test_first_come_is_first_served_across_networks(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    order: list[int] = []
    other = GatedSearch()
    for one in (search, other):
        one.on_admission = lambda sentences: order.extend(sentence.source[0] for sentence in sentences)
    bundles = [bundle, fake_bundle(other, name="other")]
    futures = keep_busy(engine, bundle, search)
    for which, source in [(0, 1), (0, 2), (1, 3), (1, 4), (0, 5), (1, 6)]:
        futures += engine.submit(bundles[which], [[source]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[n] for n in range(7)]
    assert order == [0, 1, 2, 3, 4, 5, 6]


def test_sentences_with_options_that_differ_share_their_steps(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    configs = [CONFIG, DecodingConfig(beam_size=4, n_best=2), DecodingConfig(length_penalty=0.5)]
    futures = keep_busy(engine, bundle, search)
    for source, config in enumerate(configs, 1):
        futures += engine.submit(bundle, [[source]], config, attention=source == 2)
    search.gate.set()
    assert [len(future.result(PATIENCE_SECONDS)) for future in futures] == [1, 1, 2, 1]
    assert search.steps == [[[0]], [[1], [2], [3]]]
    assert search.sentences[1:] == [Sentence([n], config, n == 2) for n, config in enumerate(configs, 1)]


def test_a_cancelled_sentence_is_not_decoded_and_harms_no_other(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    busy = keep_busy(engine, bundle, search)
    futures = engine.submit(bundle, [[1], [2], [3]], CONFIG)
    assert futures[1].cancel()
    search.gate.set()
    assert answers([*busy, futures[0], futures[2]]) == [[0], [1], [3]]
    assert search.admissions == [[[0]], [[1], [3]]]


def test_a_sentence_that_is_cancelled_between_steps_leaves_before_the_next(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    search.gate.clear()
    (future,) = engine.submit(bundle, [[1] * 500], CONFIG)
    search.wait_for_steps(1)
    assert sample(engine, "sentences_in_flight") == 1
    assert future.cancel()
    search.gate.set()
    wait_until(lambda: sample(engine, "sentences_in_flight") == 0)
    assert (len(search.steps), search.dropped) == (1, [[1] * 500])
    assert sample(engine, "dropped_sentences_total") == 1


def test_a_static_batch_that_is_not_full_starts_when_its_window_is_over(bundle: Bundle) -> None:
    engine = new_engine(policy=Static(window_seconds=0.010), sentences=3)
    engine.start()
    assert answers(engine.submit(bundle, [[1]], CONFIG)) == [[1]]
    engine.close()


def test_a_static_batch_that_is_full_does_not_wait_for_its_window(bundle: Bundle, search: GatedSearch) -> None:
    engine = new_engine(policy=Static(window_seconds=10 * PATIENCE_SECONDS), sentences=3)
    engine.start()
    assert answers(engine.submit(bundle, [[1], [2], [3]], CONFIG)) == [[1], [2], [3]]
    assert search.admissions == [[[1], [2], [3]]]
    engine.close()


# Several workers


@pytest.mark.parametrize(("count", "parts"), [(2, [1, 1]), (3, [1, 2]), (10, [5, 5]), (16, [8, 8])])
def test_of_what_waits_no_worker_takes_more_than_its_equal_part(
    count: int, parts: list[int], bundle: Bundle, search: GatedSearch
) -> None:
    engine = new_engine(workers=2)
    futures = engine.submit(bundle, [[n] for n in range(count)], CONFIG)
    search.gate.clear()
    engine.start()
    search.wait_for_steps(2)
    assert sorted(map(len, search.admissions)) == parts
    search.gate.set()
    assert answers(futures) == [[n] for n in range(count)]
    engine.close()


@pytest.mark.parametrize("engine", [{"workers": 2}], indirect=True)
def test_while_one_worker_s_step_hangs_the_other_does_all_that_comes(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    hanging = keep_busy(engine, bundle, search)
    futures = engine.submit(fake_bundle(GatedSearch(), name="other"), [[n] for n in range(10)], CONFIG)
    assert answers(futures) == [[n] for n in range(10)]
    assert not hanging[0].done()


def test_each_worker_decodes_in_a_thread_of_its_own_with_its_own_number_of_threads(
    bundle: Bundle, search: GatedSearch
) -> None:
    seen: set[tuple[str, int]] = set()
    search.on_admission = lambda _: seen.add((threading.current_thread().name, torch.get_num_threads()))
    engine = new_engine(workers=2, for_each=3)
    try:
        engine.start()
        futures = keep_busy(engine, bundle, search, workers=2)
        search.gate.set()
        answers(futures)
        engine.close()
    finally:
        torch.set_num_threads(1)
    assert seen == {("engine-0", 3), ("engine-1", 3)}


@one_or_two_workers
def test_a_step_that_hangs_holds_up_nobody_who_closes_the_engine(
    engine: Engine,
    bundle: Bundle,
    search: GatedSearch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    keep_busy(engine, bundle, search)
    monkeypatch.setattr(engine_module, "CLOSE_SECONDS", 0.0)
    engine.close()
    assert "given up: after 0 s" in caplog.text
    assert engine.stalled_seconds() > 0


@one_or_two_workers
def test_an_engine_that_was_closed_is_in_no_step(engine: Engine, bundle: Bundle) -> None:
    answers(engine.submit(bundle, [[1]], CONFIG))
    engine.close()
    assert engine.stalled_seconds() == 0


# Failing


@one_or_two_workers
def test_a_network_that_fails_is_no_harm_to_the_others(
    engine: Engine, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    broken = GatedSearch()
    broken.answer = lambda sentence: [][sentence.source[0]]
    failing = engine.submit(fake_bundle(broken, name="broken"), [[1], [2]], CONFIG)
    futures = engine.submit(bundle, [[3]], CONFIG)
    assert answers(futures) == [[3]]
    assert [type(future.exception(PATIENCE_SECONDS)) for future in failing] == [DecodingFailed, DecodingFailed]
    assert "IndexError: list index out of range" in caplog.text
    assert engine.is_alive()


def test_after_a_failure_a_worker_takes_half_as_much(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    broken = GatedSearch()
    broken.answer = lambda sentence: [][sentence.source[0]]
    (failing,) = engine.submit(fake_bundle(broken), [[1]], CONFIG)
    failing.exception(PATIENCE_SECONDS)
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[n] for n in range(1, 9)], CONFIG)
    search.gate.set()
    answers(futures)
    assert list(map(len, search.admissions)) == [1, 4, 4]


def test_a_step_that_hangs_is_seen_for_as_long_as_it_does(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    assert engine.stalled_seconds() == 0
    futures = keep_busy(engine, bundle, search)
    wait_until(lambda: engine.stalled_seconds() > 0.05)
    assert engine.is_alive()
    search.gate.set()
    answers(futures)
    wait_until(lambda: engine.stalled_seconds() == 0)


@one_or_two_workers
def test_a_bundle_is_not_held_once_its_sentences_are_decoded(engine: Engine) -> None:
    bundle = fake_bundle(GatedSearch(lambda: BackwardsBatch(backwards)))  # which does not know itself
    for future in engine.submit(bundle, [[1, 2], [3]], CONFIG):
        future.result(PATIENCE_SECONDS)
    del future
    left = ref(bundle.search)
    del bundle
    wait_until(lambda: left() is None)
