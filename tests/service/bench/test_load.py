import json
import math
import threading
from typing import Any

import pytest

from service.bench.errors import BenchError
from service.bench.load import UNANSWERED, ClosedJob, OpenJob, Outcome, run, run_apart
from tests.service.bench.stub import stub
from tests.service.fakes import PATIENCE_SECONDS

LEAD_MS = 50


def bodies(*texts: str) -> list[str]:
    return [json.dumps({"q": text}) for text in texts]


def test_nothing_waits_for_an_answer_and_latency_counts_from_the_schedule() -> None:
    third_came = threading.Event()

    def answer(body: dict[str, Any]) -> int:
        if body["q"] == "third":
            third_came.set()
        if body["q"] == "first":
            assert third_came.wait(PATIENCE_SECONDS)
        return 200

    with stub(answer) as service:
        job = OpenJob(service.url, bodies("first", "second", "third"), [0.0, 0.04, 0.08], PATIENCE_SECONDS)
        first, second, third = run(job).outcomes
    assert {first.status, second.status, third.status} == {"200"}
    assert first.latency_ms >= 80
    assert all(outcome.latency_ms >= outcome.late_ms >= 0 for outcome in (first, second, third))


def test_a_late_generator_says_so_and_is_not_forgiven() -> None:
    with stub() as service:
        # It begins a lead after it was told to, so the first was due long before.
        late, in_time = run(OpenJob(service.url, bodies("a", "b"), [-1.0, 0.0], PATIENCE_SECONDS)).outcomes
    assert late.latency_ms >= late.late_ms >= 1000 - LEAD_MS
    assert in_time.late_ms < 500


def test_only_an_answer_with_200_has_a_latency() -> None:
    with stub(lambda body: int(body["q"])) as service:
        job = OpenJob(service.url, bodies("200", "503", "500", "200"), [0.0, 0.0, 0.0, 0.0], PATIENCE_SECONDS)
        outcomes = run(job).outcomes
    assert [outcome.status for outcome in outcomes] == ["200", "503", "500", "200"]
    assert [math.isfinite(outcome.latency_ms) for outcome in outcomes] == [True, False, False, True]


def test_what_is_not_answered_in_time_is_given_up() -> None:
    ended = threading.Event()

    def answer(body: dict[str, Any]) -> int:
        if body["q"] == "never":
            ended.wait(PATIENCE_SECONDS)
        return 200

    with stub(answer) as service:
        never, soon = run(OpenJob(service.url, bodies("never", "soon"), [0.0, 0.0], 0.2)).outcomes
        ended.set()
    assert (never.status, never.latency_ms) == (UNANSWERED, math.inf)
    assert (soon.status, math.isfinite(soon.latency_ms)) == ("200", True)


def test_a_closed_loop_keeps_as_many_requests_on_their_way_as_there_are_clients() -> None:
    # Each answer waits until three requests are there: fewer would never be answered, and a fourth is never seen.
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)
    on_their_way: list[int] = []
    lock = threading.Lock()
    now = 0

    def answer(_: dict[str, Any]) -> int:
        nonlocal now
        with lock:
            now += 1
            on_their_way.append(now)
        together.wait()
        with lock:
            now -= 1
        return 200

    with stub(answer) as service:
        outcomes = run(ClosedJob(service.url, bodies(*map(str, range(9))), 3, None)).outcomes
        sent = sorted(body["q"] for body in service.bodies)
    assert [outcome.status for outcome in outcomes] == ["200"] * 9
    assert sent == sorted(map(str, range(9)))
    assert max(on_their_way) == 3


def test_a_closed_loop_with_a_time_goes_round_and_round_until_then() -> None:
    with stub() as service:
        result = run(ClosedJob(service.url, bodies("a", "b"), 2, 0.1))
        count = len(service.bodies)
    assert len(result.outcomes) == count > 2
    assert result.seconds >= 0.1


def test_a_process_of_its_own_brings_the_same_back() -> None:
    with stub(lambda body: int(body["q"])) as service:
        result = run_apart(OpenJob(service.url, bodies("200", "503"), [0.0, 0.01], PATIENCE_SECONDS))
    ok, refused = result.outcomes
    assert isinstance(ok, Outcome)
    assert (ok.status, refused.status, refused.latency_ms) == ("200", "503", math.inf)
    assert 0 <= ok.late_ms <= ok.latency_ms < 1000 * PATIENCE_SECONDS
    assert result.cpu_seconds > 0


def test_a_job_that_cannot_be_done_is_an_error() -> None:
    with pytest.raises(BenchError, match="the generator of load failed: ValueError"):
        run_apart(OpenJob("http://127.0.0.1:1", bodies("a"), [0.0, 0.0], 1.0))
