"""Load over HTTP: the largest that keeps a bound, the latencies of given ones, and where processor time goes."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from service.bench.capacity import largest_load
from service.bench.errors import BenchError
from service.bench.load import OK, ClosedJob, OpenJob, Outcome, run_apart
from service.bench.server import Target, cpu_times, engine_counter_seconds, post
from service.bench.statistics import Percentiles, percentiles
from service.bench.traffic import Request, Traffic, poisson_arrivals

PATIENCE_SECONDS = 10.0
REST_SECONDS = 300.0
WARM_UP_SECONDS = 3.0
BUSY = 503
CONNECTIONS = 64
CLOSED_BODIES = 2_000
MIN_REQUESTS = 20
"""Of fewer, a p99 says nothing."""


class Trial(NamedTuple):
    """What one load led to."""

    rate: float
    requests: int
    statuses: dict[str, int]
    short: Percentiles
    """Latencies of the requests that are no documents, from their scheduled arrival; infinite unless 200."""
    documents: Percentiles | None
    late: Percentiles
    """How late the generator itself sent."""
    generator_cpu_seconds: float


class Saturation(NamedTuple):
    """What a closed loop of many clients led to: as much as the service can do, whatever the latency."""

    requests_per_second: float
    statuses: dict[str, int]
    latency: Percentiles
    process_cpu_seconds: float | None
    engine_cpu_seconds: float | None
    """Of the threads named ``engine`` and their OpenMP threads, with what they do beside decoding."""
    decoding_cpu_seconds: float | None
    """Of decoding alone, by the service's own counter, which does not see OpenMP threads."""
    other_cpu_share: float | None
    """The part of the process's processor time that is not decoding: HTTP, text handling, queue."""


class Capacity(NamedTuple):
    """The largest load borne within the bound, and how it was found."""

    load: float
    """Requests a second; 0 when the lowest that can be measured was too much."""
    at_load: Trial | None
    at_half_load: Trial | None
    saturation: Saturation
    tried: list[Trial]


@dataclass(frozen=True)
class Workload:
    """What is sent, how long for, and from which seed; at which rate is up to who measures.

    All loads of a seed have the same pattern of arrivals, only faster, so that policies and loads are compared on it.
    """

    traffic: Traffic
    seconds: float
    seed: int

    @property
    def lowest_rate(self) -> float:
        """Requests a second below which too few come to tell a percentile."""
        return MIN_REQUESTS / self.seconds


def measure_load(target: Target, workload: Workload, rate: float) -> Trial:
    """Send ``rate`` requests a second, as Poisson has them come, once what was sent before is done."""
    arrivals = poisson_arrivals(rate, workload.seconds, workload.seed)
    requests = workload.traffic.requests(len(arrivals), workload.seed)
    if all(request.is_document for request in requests):
        raise BenchError(f"{rate:g} requests/s for {workload.seconds:g} s are too few: measure for longer")
    wait_for_rest(target, workload.traffic)
    bodies = [request.body for request in requests]
    job = OpenJob(target.url + workload.traffic.path, bodies, arrivals, PATIENCE_SECONDS)
    result = run_apart(job)
    return summarize(rate, requests, result.outcomes, result.cpu_seconds)


def summarize(rate: float, requests: Sequence[Request], outcomes: Sequence[Outcome], cpu_seconds: float) -> Trial:
    """Return what a load led to; at least one request is no document."""
    pairs = list(zip(requests, outcomes, strict=True))
    documents = [outcome.latency_ms for request, outcome in pairs if request.is_document]
    return Trial(
        rate=rate,
        requests=len(requests),
        statuses=dict(Counter(outcome.status for outcome in outcomes)),
        short=percentiles([outcome.latency_ms for request, outcome in pairs if not request.is_document]),
        documents=percentiles(documents) if documents else None,
        late=percentiles([outcome.late_ms for outcome in outcomes]),
        generator_cpu_seconds=cpu_seconds,
    )


def saturate(target: Target, workload: Workload) -> Saturation:
    """Keep many clients waiting, first to warm up; count what is done, and by whom."""
    warm_up(target, workload)
    before, counted_before = cpu_times(target), engine_counter_seconds(target)
    result = run_apart(_closed_loop(target, workload, workload.seconds))
    spent, counted = cpu_times(target).since(before), engine_counter_seconds(target)
    decoding = None if counted is None or counted_before is None else counted - counted_before
    statuses = dict(Counter(outcome.status for outcome in result.outcomes))
    return Saturation(
        requests_per_second=statuses.get(OK, 0) / result.seconds,
        statuses=statuses,
        latency=percentiles([outcome.latency_ms for outcome in result.outcomes]),
        process_cpu_seconds=spent.process_seconds,
        engine_cpu_seconds=spent.engine_seconds,
        decoding_cpu_seconds=decoding,
        other_cpu_share=spent.beside(decoding),
    )


def warm_up(target: Target, workload: Workload) -> None:
    """Let the service meet batches of many sizes before anything is measured; see to it that it answers at all."""
    wait_for_rest(target, workload.traffic)
    run_apart(_closed_loop(target, workload, min(WARM_UP_SECONDS, workload.seconds)))


def _closed_loop(target: Target, workload: Workload, seconds: float) -> ClosedJob:
    bodies = [request.body for request in workload.traffic.requests(CLOSED_BODIES, workload.seed)]
    return ClosedJob(target.url + workload.traffic.path, bodies, CONNECTIONS, seconds)


def find_capacity(target: Target, workload: Workload, bound_ms: float, report: Callable[[Trial], object]) -> Capacity:
    """Search the largest load whose short requests have their p99 within the bound; report each load tried."""
    saturation = saturate(target, workload)
    tried: list[Trial] = []

    def p99_at(rate: float) -> float:
        tried.append(measure_load(target, workload, rate))
        report(tried[-1])
        return tried[-1].short.p99_ms

    # Twice this start is what the service does at most: the interval to search is there after two measurements.
    start = max(saturation.requests_per_second / 2, workload.lowest_rate)
    found = largest_load(p99_at, bound=bound_ms, start=start, lowest=workload.lowest_rate)
    return Capacity(
        load=found,
        at_load=next((trial for trial in tried if trial.rate == found), None),
        at_half_load=measure_load(target, workload, found / 2) if found else None,
        saturation=saturation,
        tried=tried,
    )


def wait_for_rest(target: Target, traffic: Traffic) -> None:
    """Return when the service has done what it was sent before: a request that queues behind that is answered.

    BenchError when it is refused, or not answered for minutes.
    """
    (request,) = replace(traffic, documents_one_in=0).requests(1, seed=0)
    url = target.url + traffic.path
    deadline = time.monotonic() + REST_SECONDS
    status, answer = post(url, request.body, timeout=REST_SECONDS)
    while status == BUSY and time.monotonic() < deadline:
        time.sleep(1)
        status, answer = post(url, request.body, timeout=REST_SECONDS)
    if status != int(OK):
        said = f"{status}: {answer[:200].strip()}" if status else "nothing"
        raise BenchError(f"{url} answers {said}")
