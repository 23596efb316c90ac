import math
import threading
from typing import Any

import pytest

from service.bench import online
from service.bench.errors import BenchError
from service.bench.load import ClosedJob, OpenJob, Outcome, Result
from service.bench.online import Trial, Workload, find_capacity, measure_load, saturate, summarize, wait_for_rest
from service.bench.server import Target
from service.bench.traffic import Request, Traffic
from tests.service.bench.stub import stub

NOWHERE = Target("http://127.0.0.1:1", None)
TRAFFIC = Traffic(["eins", "zwei"], "de", "en")
SHORT, DOCUMENT = Request("", False), Request("", True)


def test_short_requests_and_documents_are_told_apart_and_statuses_counted() -> None:
    outcomes = [
        Outcome("200", 0.1, 10.0),
        Outcome("200", 0.2, 900.0),
        Outcome("503", 0.3, math.inf),
        Outcome("unanswered", 0.4, math.inf),
    ]
    trial = summarize(5.0, [SHORT, DOCUMENT, SHORT, DOCUMENT], outcomes, 0.01)
    assert (trial.rate, trial.requests) == (5.0, 4)
    assert trial.statuses == {"200": 2, "503": 1, "unanswered": 1}
    assert (trial.short.p50_ms, trial.short.p99_ms) == (10.0, math.inf)
    assert trial.documents is not None
    assert (trial.documents.p50_ms, trial.documents.p99_ms) == (900.0, math.inf)
    assert (trial.late.p50_ms, trial.late.max_ms) == (0.2, 0.4)


def test_without_documents_there_are_no_latencies_of_them() -> None:
    assert summarize(5.0, [SHORT], [Outcome("200", 0.1, 10.0)], 0.01).documents is None


def test_a_refusal_misses_the_bound_and_is_counted_by_its_status() -> None:
    count = 0
    lock = threading.Lock()

    def answer(_: dict[str, Any]) -> int:
        nonlocal count
        with lock:
            count += 1
            return 503 if count in (2, 3) else 200  # the first asks whether all is quiet

    with stub(answer) as service:
        trial = measure_load(Target(service.url, None), Workload(TRAFFIC, 0.5, seed=1), 100)
    assert trial.statuses == {"503": 2, "200": trial.requests - 2}
    assert trial.requests < 100
    assert (math.isfinite(trial.short.p90_ms), trial.short.p99_ms) == (True, math.inf)


def test_too_few_requests_to_tell_anything_are_refused() -> None:
    with pytest.raises(BenchError, match=r"0\.001 requests/s for 1 s are too few"):
        measure_load(NOWHERE, Workload(TRAFFIC, 1, seed=1), 0.001)


def test_texts_to_be_summarized_are_sent_there_by_every_load() -> None:
    summaries = Workload(Traffic(["eins"], "en", "en"), 0.2, seed=1)
    with stub(lambda _: 200) as service:
        target = Target(service.url, None)
        measure_load(target, summaries, 50)
        saturate(target, summaries)
        assert service.paths == {"/summarize"}


def test_rest_is_waited_for_with_a_short_request() -> None:
    documents = Traffic(["eins"], "de", "en", documents_one_in=1)
    with stub() as service:
        wait_for_rest(Target(service.url, None), documents)
        assert [body["q"] for body in service.bodies] == ["eins"]


@pytest.mark.parametrize(("status", "message"), [(400, "/translate answers 400: {}"), (500, "answers 500")])
def test_a_service_that_refuses_is_not_measured(status: int, message: str) -> None:
    with stub(lambda _: status) as service, pytest.raises(BenchError, match=message):
        saturate(Target(service.url, None), Workload(TRAFFIC, 0.1, seed=1))


def test_nobody_there_is_said() -> None:
    with pytest.raises(BenchError, match="answers nothing"):
        wait_for_rest(NOWHERE, TRAFFIC)


def test_saturation_counts_answers_with_200_a_second() -> None:
    with stub() as service:
        saturation = saturate(Target(service.url, None), Workload(TRAFFIC, 0.2, seed=1))
    assert saturation.statuses.keys() == {"200"}
    assert saturation.requests_per_second == pytest.approx(saturation.statuses["200"] / 0.2, rel=0.5)
    assert (saturation.process_cpu_seconds, saturation.other_cpu_share) == (None, None)


class MadeUpService:
    """Stands in for generator and service: up to ``capacity`` requests a second, each is answered in 100 ms."""

    def __init__(self, capacity: float) -> None:
        self.capacity = capacity

    def run(self, job: OpenJob | ClosedJob) -> Result:
        if isinstance(job, ClosedJob):
            assert job.seconds
            return Result([Outcome("200", 0, 100.0)] * int(self.capacity * job.seconds), job.seconds, 0)
        rate = len(job.arrivals) / 100
        latency = 100.0 if rate <= self.capacity else 300.0
        return Result([Outcome("200", 0, latency)] * len(job.arrivals), 100, 0)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUpService:
    service = MadeUpService(40)
    monkeypatch.setattr(online, "run_apart", service.run)
    monkeypatch.setattr(online, "wait_for_rest", lambda *_: None)
    return service


def test_the_largest_load_within_the_bound_is_found_and_half_of_it_measured(made_up: MadeUpService) -> None:
    reported: list[Trial] = []
    capacity = find_capacity(NOWHERE, Workload(TRAFFIC, 100, seed=1), 250, reported.append)
    assert 36 < capacity.load < 42
    assert capacity.at_load is not None
    assert (capacity.at_load.rate, capacity.at_load.short.p99_ms) == (capacity.load, 100)
    assert capacity.at_half_load is not None
    assert capacity.at_half_load.rate == capacity.load / 2
    assert capacity.tried == reported
    assert {trial.short.p99_ms for trial in reported} == {100, 300}
    assert capacity.saturation.requests_per_second == made_up.capacity


@pytest.mark.usefixtures("made_up")
def test_a_service_that_never_keeps_the_bound_bears_nothing() -> None:
    capacity = find_capacity(NOWHERE, Workload(TRAFFIC, 100, seed=1), 50, lambda _: None)
    assert (capacity.load, capacity.at_load, capacity.at_half_load) == (0, None, None)
    assert min(trial.rate for trial in capacity.tried) == 20 / 100
