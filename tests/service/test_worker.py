import pytest

from model.bundle import Bundle
from model.hypothesis import Hypothesis
from model.reverse import Reverse
from model.search import Sentence
from service.admission import Load
from service.errors import DecodingFailed
from service.metrics import Metrics
from service.worker import Worker
from tests.service.fakes import BackwardsBatch, GatedSearch, backwards, fake_bundle
from tests.service.jobs import Clock, answer_of, error_of, fail, job, sample

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


def test_the_best_is_chosen_by_both_directions_for_those_alone_who_want_it(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    search.choose = lambda found: [[Hypothesis([9, *one.source], -1.0, -1.0)] for one in found]  # type: ignore[attr-defined]
    reverse = Reverse(tag=1, weight=0.5, length_penalty=1.0, n_best=1)
    jobs = [job(bundle, [1, 2]), job(bundle, [3, 4])._replace(reverse=reverse), job(bundle, [5, 6])]
    worker.advance(jobs)
    worker.advance([])
    assert [answer_of(one) for one in jobs] == [[2, 1], [9, 3, 4], [6, 5]]


def test_when_the_choice_fails_so_do_those_who_are_decoded_and_the_next_are_answered(
    worker: Worker, search: GatedSearch, bundle: Bundle
) -> None:
    search.choose = fail  # type: ignore[attr-defined]
    reverse = Reverse(tag=1, weight=0.5, length_penalty=1.0, n_best=1)
    jobs = [job(bundle, [1])._replace(reverse=reverse), job(bundle, [3, 4])]
    worker.advance(jobs)
    assert [type(error_of(one)) for one in jobs] == [DecodingFailed] * 2
    after = job(bundle, [5])
    worker.advance([after])
    assert answer_of(after) == [5]


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
