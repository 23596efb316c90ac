import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import NoReturn

import pytest
import torch
from torch import Tensor

from model.bundle import Bundle
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from model.search import BeamSearch, Sentence
from service import worker as worker_module
from service.admission import Lane, Load, Waiting
from service.errors import DecodingFailed
from service.metrics import Metrics
from service.worker import RECOVERY_SECONDS, Job, Promise, Worker
from tests.service.fakes import BackwardsBatch, GatedSearch, backwards, fake_bundle

LIMITS = Load(sentences=8, rows=64, positions=1000)


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock into the worker that stands still."""
    clock = Clock()
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def worker(metrics: Metrics) -> Worker:
    return Worker(metrics)


def job(bundle: Bundle, source: Sequence[int], *, beam_size: int = 1, came_at: float = 0.0) -> Job:
    sentence = Sentence(source, DecodingConfig(beam_size=beam_size))
    return Job(bundle, sentence, Promise(), Waiting(came_at, len(source), beam_size), "", came_at, Lane.FOREGROUND)


def answer_of(one: Job) -> list[int]:
    return one.future.result(0)[0].pieces


def error_of(one: Job) -> BaseException | None:
    return one.future.exception(0)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"dragoman_{name}", labels)


def fail(_: object) -> NoReturn:
    raise RuntimeError("out of memory")


# Joining and leaving


def test_sentences_join_between_steps_and_each_is_answered_at_its_own_last_step(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    long, short, other = (job(bundle, source) for source in ([1, 2, 3, 4], [5], [6, 7]))
    answered = []
    for joining in ([long], [short, other], [], []):
        worker.advance(joining)
        answered.append([one.future.done() for one in (long, short, other)])
    assert answered == [[False] * 3, [False, True, False], [False, True, True], [True] * 3]
    assert [answer_of(one) for one in (long, short, other)] == [[4, 3, 2, 1], [5], [7, 6]]
    assert search.admissions == [[[1, 2, 3, 4]], [[5], [6, 7]]]
    assert [len(step) for step in search.steps] == [1, 3, 2, 1]


def test_with_nothing_to_decode_no_step_is_taken(worker: Worker, search: GatedSearch, bundle: Bundle) -> None:
    worker.advance([])
    worker.advance([job(bundle, [1])])
    worker.advance([])
    assert len(search.steps) == 1


def test_the_load_is_what_is_being_decoded_padded_to_its_longest(worker: Worker, bundle: Bundle) -> None:
    other = fake_bundle(GatedSearch(), name="other")
    assert worker.load == Load(0, 0, 0)
    worker.advance([job(bundle, [1, 1], beam_size=5), job(other, [2, 2, 2, 2], beam_size=16)])
    assert worker.load == Load(sentences=2, rows=21, positions=8)
    worker.advance([])
    assert worker.load == Load(sentences=1, rows=16, positions=4)
    worker.advance([])
    worker.advance([])
    assert worker.load == Load(0, 0, 0)


def test_several_bundles_are_decoded_at_once_each_in_a_batch_of_its_own(worker: Worker) -> None:
    searches = [GatedSearch() for _ in range(3)]
    jobs = [job(fake_bundle(search), [n, n]) for n in range(2) for search in searches]
    worker.advance(jobs)
    worker.advance([])
    assert [answer_of(one) for one in jobs] == [[0, 0]] * 3 + [[1, 1]] * 3
    assert [search.admissions for search in searches] == [[[[0, 0], [1, 1]]]] * 3
    assert [len(search.steps) for search in searches] == [2, 2, 2]


def test_a_batch_that_is_empty_is_given_back(worker: Worker, search: GatedSearch, bundle: Bundle) -> None:
    made = []
    make = search.batch
    search.batch = lambda: made.append(1) or make()  # type: ignore[method-assign,func-returns-value]
    worker.advance([job(bundle, [1, 1])])
    worker.advance([job(bundle, [2])])
    assert len(made) == 1
    worker.advance([job(bundle, [3])])
    assert len(made) == 2


# Giving up


def test_a_cancelled_sentence_is_dropped_before_the_next_step_and_its_rows_are_free(
    worker: Worker, search: GatedSearch, bundle: Bundle, metrics: Metrics
) -> None:
    stays, leaves = job(bundle, [1, 2, 3], beam_size=2), job(bundle, [4, 5, 6], beam_size=16)
    worker.advance([stays, leaves])
    assert worker.load.rows == 18
    assert leaves.future.cancel()
    worker.advance([])
    assert worker.load == Load(sentences=1, rows=2, positions=3)
    worker.advance([])
    assert answer_of(stays) == [3, 2, 1]
    assert search.dropped == [[4, 5, 6]]
    assert search.steps == [[[1, 2, 3], [4, 5, 6]], [[1, 2, 3]], [[1, 2, 3]]]
    assert sample(metrics, "dropped_sentences_total") == 1


def test_one_who_gives_up_between_the_queue_and_the_batch_is_not_decoded(
    worker: Worker, search: GatedSearch, bundle: Bundle, metrics: Metrics
) -> None:
    leaves, stays = job(bundle, [1, 1]), job(bundle, [2, 2])
    leaves.future.cancel()
    worker.advance([])  # so that the worker knows of all that was cancelled
    worker.advance([leaves, stays])
    worker.advance([])
    assert search.steps == [[[2, 2]], [[2, 2]]]
    assert answer_of(stays) == [2, 2]
    assert sample(metrics, "dropped_sentences_total") == 1


def test_when_all_are_cancelled_no_step_is_taken_for_nobody(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    jobs = [job(bundle, [1, 1]), job(bundle, [2, 2])]
    worker.advance(jobs)
    for one in jobs:
        one.future.cancel()
    worker.advance([])
    assert (len(search.steps), worker.load.sentences) == (1, 0)


def test_one_who_gives_up_during_the_last_step_harms_no_other(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    leaves, stays = job(bundle, [1]), job(bundle, [2])

    def cancel_and_answer(sentence: Sentence) -> list[Hypothesis]:
        leaves.future.cancel()
        return backwards(sentence)

    search.answer = cancel_and_answer
    worker.advance([leaves, stays])
    assert leaves.future.cancelled()
    assert answer_of(stays) == [2]


# Failing


def test_a_step_that_fails_fails_the_sentences_of_its_bundle_alone(
    worker: Worker, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    broken = GatedSearch()
    broken.answer = fail
    failing = [job(fake_bundle(broken, name="broken"), source) for source in ([1], [2, 2, 2])]
    others = [job(bundle, source) for source in ([3], [4, 4])]
    worker.advance([failing[0], others[0], failing[1], others[1]])
    assert [type(error_of(one)) for one in failing] == [DecodingFailed, DecodingFailed]
    worker.advance([])
    assert [answer_of(one) for one in others] == [[3], [4, 4]]
    assert "decoding 2 sentences with broken failed" in caplog.text
    assert "RuntimeError: out of memory" in caplog.text
    assert len(caplog.records) == 1


def test_after_a_step_that_failed_the_bundle_begins_in_a_new_batch(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    search.answer = fail
    worker.advance([job(bundle, [1]), job(bundle, [2, 2, 2])])
    search.answer = backwards
    after = job(bundle, [3])
    worker.advance([after])
    assert answer_of(after) == [3]
    assert search.steps[-1] == [[3]]


def test_encoding_that_fails_fails_those_who_were_joining_alone(
    worker: Worker, search: GatedSearch, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    inside = job(bundle, [1, 2])
    worker.advance([inside])
    search.on_admission = fail
    joining = [job(bundle, [3]), job(bundle, [4])]
    worker.advance(joining)
    assert [type(error_of(one)) for one in joining] == [DecodingFailed, DecodingFailed]
    assert answer_of(inside) == [2, 1]
    assert "encoding 2 sentences with fake failed" in caplog.text
    assert "RuntimeError: out of memory" in caplog.text


def test_a_sentence_for_which_nothing_is_found_fails_alone(
    worker: Worker, search: GatedSearch, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    search.answer = lambda sentence: backwards(sentence) if sentence.source[0] < 2 else []
    jobs = [job(bundle, [1]), job(bundle, [2]), job(bundle, [0])]
    worker.advance(jobs)
    assert (answer_of(jobs[0]), answer_of(jobs[2])) == ([1], [0])
    assert isinstance(error_of(jobs[1]), DecodingFailed)
    assert "fake gave no finite probability" in caplog.text
    assert worker.limits(LIMITS) == LIMITS  # there is memory enough


class NaNNetwork:
    """Knows 8 pieces, and the probability of none."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        del lengths
        return torch.zeros(*source.shape, 2), torch.zeros(len(source), 2)

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        del source, places, width
        return torch.full((len(pieces), 8), math.nan), state, torch.zeros(len(pieces), memory.size(1))


def test_a_network_of_nan_is_a_failure_and_not_an_empty_translation(worker: Worker) -> None:
    one = job(fake_bundle(BeamSearch(NaNNetwork(), [0, 1, 2, 3], torch.device("cpu"))), [4, 5, 3], beam_size=2)
    worker.advance([one])
    assert isinstance(error_of(one), DecodingFailed)
    assert worker.load.sentences == 0


@pytest.mark.parametrize("at_admission", [True, False])
def test_after_a_failure_half_as_much_is_let_in_until_it_has_gone_well_for_a_while(
    at_admission: bool, worker: Worker, search: GatedSearch, bundle: Bundle, clock: Clock
) -> None:
    if at_admission:
        search.on_admission = fail
    else:
        search.answer = fail
    assert worker.limits(LIMITS) == LIMITS
    worker.advance([job(bundle, [1])])
    assert worker.limits(LIMITS) == Load(4, 32, 500)
    worker.advance([job(bundle, [1])])
    assert worker.limits(LIMITS) == Load(2, 16, 250)
    clock.now += RECOVERY_SECONDS
    assert worker.limits(LIMITS) == Load(2, 16, 250)
    clock.now += 0.1
    assert worker.limits(LIMITS) == Load(4, 32, 500)
    assert worker.limits(LIMITS) == Load(4, 32, 500)
    clock.now += RECOVERY_SECONDS + 0.1
    assert worker.limits(LIMITS) == LIMITS


def test_however_often_it_fails_one_sentence_may_try(
    worker: Worker, search: GatedSearch, bundle: Bundle, clock: Clock
) -> None:
    search.answer = fail
    for _ in range(100):
        worker.advance([job(bundle, [1])])
    assert worker.limits(LIMITS) == Load(1, 1, 1)
    for _ in range(10):
        clock.now += RECOVERY_SECONDS + 0.1
        worker.limits(LIMITS)
    assert worker.limits(LIMITS) == LIMITS


@pytest.mark.parametrize(("periods", "share"), [(0, 1 / 8), (1, 1 / 4), (2, 1 / 2), (3, 1), (1000, 1)])
def test_time_in_which_nobody_came_counts_as_time_without_a_failure(
    periods: int, share: float, worker: Worker, search: GatedSearch, bundle: Bundle, clock: Clock
) -> None:
    search.answer = fail
    for _ in range(3):
        worker.advance([job(bundle, [1])])
    clock.now += periods * RECOVERY_SECONDS + 0.1
    assert worker.limits(LIMITS).sentences == LIMITS.sentences * share


def test_a_failure_long_after_another_counts_as_the_first(
    worker: Worker, search: GatedSearch, bundle: Bundle, clock: Clock
) -> None:
    search.answer = fail
    worker.advance([job(bundle, [1])])
    clock.now += 2 * RECOVERY_SECONDS
    worker.advance([job(bundle, [1])])
    assert worker.limits(LIMITS).sentences == LIMITS.sentences / 2


# What it learns and tells


def test_joining_costs_what_the_cheapest_admission_of_late_took(
    worker: Worker, search: GatedSearch, bundle: Bundle, clock: Clock
) -> None:
    seconds = iter([0.5, 0.2, 0.9, 0.1])
    search.on_admission = lambda _: setattr(clock, "now", clock.now + next(seconds))
    found = []
    for _ in range(4):
        worker.advance([job(bundle, [1])])
        found.append(worker.joins.seconds)
    assert found == pytest.approx([0.5, 0.2, 0.2 * 1.01, 0.1])


def test_a_worker_tells_whether_somebody_is_still_being_encoded_beside_its_last_step(
    worker: Worker, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for is_encoding in (True, False):
        monkeypatch.setattr(BackwardsBatch, "is_encoding", is_encoding)
        worker.advance([job(bundle, [1, 2, 3])])
        found.append(worker.joins.is_encoding)
    assert found == [True, False]


def test_a_device_that_fails_when_asked_whether_it_encodes_fails_its_sentences(
    worker: Worker, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackwardsBatch, "is_encoding", property(fail))
    one = job(bundle, [1, 2, 3])
    worker.advance([one])
    assert isinstance(error_of(one), DecodingFailed)
    assert not worker.joins.is_encoding


def test_waits_steps_and_pieces_are_measured(
    worker: Worker, search: GatedSearch, bundle: Bundle, metrics: Metrics, clock: Clock
) -> None:
    search.on_admission = lambda _: setattr(clock, "now", clock.now + 2.0)
    worker.advance([job(bundle, [1, 1], beam_size=3, came_at=95.0), job(bundle, [2], beam_size=4, came_at=99.0)])
    clock.now += 7.0
    worker.advance([])
    for name, count, total in [
        ("queue_seconds", 2, 5.0 + 1.0),
        ("encode_seconds", 1, 2.0),
        ("decode_seconds", 2, 2.0 + 9.0),
        ("step_seconds", 2, 0.0),
        ("step_sentences", 2, 2 + 1),
        ("step_rows", 2, 7 + 3),
    ]:
        assert sample(metrics, f"{name}_count") == count, name
        assert sample(metrics, f"{name}_sum") == pytest.approx(total), name
    for direction in ("in", "out"):
        assert sample(metrics, "pieces_total", bundle="fake", direction=direction) == 3
    assert sample(metrics, "dropped_sentences_total") == 0
