"""What fails fails alone, and after it less is let in for a while."""

import math

import pytest
import torch
from torch import Tensor

from model.bundle import Bundle
from model.search import BeamSearch
from service.admission import Load
from service.errors import DecodingFailed
from service.worker import RECOVERY_SECONDS, Worker
from tests.service.fakes import BackwardsBatch, GatedSearch, backwards, fake_bundle
from tests.service.jobs import Clock, answer_of, error_of, fail, job

LIMITS = Load(sentences=8, rows=64, positions=1000)


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


def test_a_device_that_fails_when_asked_whether_it_encodes_fails_its_sentences(
    worker: Worker, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BackwardsBatch, "is_encoding", property(fail))
    one = job(bundle, [1, 2, 3])
    worker.advance([one])
    assert isinstance(error_of(one), DecodingFailed)
    assert not worker.joins.is_encoding
