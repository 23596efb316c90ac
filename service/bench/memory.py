"""What the service holds after many requests of random lengths, against what it held when it had warmed up."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, NamedTuple

from service.bench.errors import BenchError
from service.bench.load import ClosedJob, run_apart
from service.bench.online import wait_for_rest
from service.bench.server import Target, resident_bytes
from service.bench.traffic import Traffic

READ_SECONDS = 1.0


class Sample(NamedTuple):
    """The most resident memory in the last of so many requests; growth is against the first sample, 0.03 for 3 %.

    The most, as the service gives memory back every minute and takes it again.
    """

    requests: int
    resident_megabytes: float
    growth: float


class Memory(NamedTuple):
    """Samples in their order, and what the requests were answered with."""

    samples: list[Sample]
    statuses: dict[str, int]


@dataclass(frozen=True)
class Soak:
    """How many requests are sent, by how many clients, and how often memory is read."""

    traffic: Traffic
    requests: int
    every: int
    connections: int
    seed: int


def measure_memory(target: Target, soak: Soak, report: Callable[[Sample], None]) -> Memory:
    """Send the requests and report each sample; the first, after ``every`` requests, is what growth is against."""
    wait_for_rest(target, soak.traffic)
    samples: list[Sample] = []
    statuses: Counter[str] = Counter()
    for sent in range(0, soak.requests, soak.every):
        count = min(soak.every, soak.requests - sent)
        bodies = [request.body for request in soak.traffic.spans(count, soak.seed + sent)]
        with ThreadPoolExecutor(1) as aside:
            load = aside.submit(run_apart, ClosedJob(target.url + soak.traffic.path, bodies, soak.connections, None))
            held = _most_resident_bytes(target, load)
        statuses.update(outcome.status for outcome in load.result().outcomes)
        if not held:
            raise BenchError("the service does not report its resident memory, which it does on Linux only")
        first = samples[0].resident_megabytes if samples else held / 1e6
        samples.append(Sample(sent + count, held / 1e6, held / 1e6 / first - 1))
        report(samples[-1])
    return Memory(samples, dict(statuses))


def _most_resident_bytes(target: Target, load: Future[Any]) -> float:
    """Return the most memory that the service reports until the load has ended; 0 if it reports none."""
    most = 0.0
    is_over = False
    while not is_over:
        is_over = bool(wait([load], timeout=READ_SECONDS).done)
        most = max(most, resident_bytes(target) or 0.0)
    return most
