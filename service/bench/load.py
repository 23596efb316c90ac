"""The generator of load, a process of its own: ``python -m service.bench.load``, a job on stdin, its result on stdout.

A job with ``arrivals`` is an open loop: each request is sent at its time, whatever became of those before, and its
latency counts from that time, so neither a slow service nor a late generator is forgiven. A job with ``connections`` is
a closed loop: so many clients each send the next request as soon as the last is answered.
"""

import asyncio
import gc
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import NamedTuple

from service.bench.errors import BenchError
from service.bench.http import Pool

UNANSWERED = "unanswered"
"""Stands for the status of a request that was given up."""
LEAD_SECONDS = 0.05
OK = "200"


class OpenJob(NamedTuple):
    """Requests at given seconds; what is not answered ``patience_seconds`` after the last arrival is given up."""

    url: str
    bodies: list[str]
    arrivals: list[float]
    patience_seconds: float


class ClosedJob(NamedTuple):
    """Requests by so many clients: each body once, or round and round until ``seconds`` have passed."""

    url: str
    bodies: list[str]
    connections: int
    seconds: float | None


class Outcome(NamedTuple):
    """What became of a request. Only an answer with status 200 has a finite latency."""

    status: str
    late_ms: float
    """From the scheduled arrival until it was sent."""
    latency_ms: float
    """From the scheduled arrival until the answer was complete."""


class Result(NamedTuple):
    """What became of all requests of a job, in the order of their arrival."""

    outcomes: list[Outcome]
    seconds: float
    cpu_seconds: float
    """Processor time that the generator itself took."""


async def run_open(job: OpenJob) -> list[Outcome]:
    """Send each body at its time, and wait for the answers."""
    pool = Pool(job.url)
    bodies = [body.encode() for body in job.bodies]
    start = time.perf_counter() + LEAD_SECONDS
    sent_late: list[float] = []
    tasks: list[asyncio.Task[tuple[str, float]]] = []
    for body, arrival in zip(bodies, job.arrivals, strict=True):
        # Sleeps even when late, so that answers are read.
        await asyncio.sleep(max(0.0, start + arrival - time.perf_counter()))
        sent_late.append(time.perf_counter() - start - arrival)
        tasks.append(asyncio.create_task(_timed(pool, body)))
    if tasks:
        await asyncio.wait(tasks, timeout=job.patience_seconds)
    outcomes = [
        _outcome(task, late, start + arrival)
        for task, late, arrival in zip(tasks, sent_late, job.arrivals, strict=True)
    ]
    await _give_up(tasks)
    pool.close()
    return outcomes


async def run_closed(job: ClosedJob) -> list[Outcome]:
    """Send the bodies from as many clients as there are connections."""
    pool = Pool(job.url)
    bodies = [body.encode() for body in job.bodies]
    until = math.inf if job.seconds is None else time.perf_counter() + job.seconds
    remaining: Iterator[bytes] = iter(bodies) if job.seconds is None else cycle(bodies)
    outcomes: list[Outcome] = []

    async def client() -> None:
        for body in remaining:
            if (start := time.perf_counter()) >= until:
                return
            status, end = await _timed(pool, body)
            outcomes.append(Outcome(status, 0.0, 1000 * (end - start) if status == OK else math.inf))

    await asyncio.gather(*(client() for _ in range(job.connections)))
    pool.close()
    return outcomes


async def _timed(pool: Pool, body: bytes) -> tuple[str, float]:
    status = await pool.post(body)
    return status, time.perf_counter()


def _outcome(task: "asyncio.Task[tuple[str, float]]", late: float, scheduled: float) -> Outcome:
    status, end = task.result() if task.done() else (UNANSWERED, math.inf)
    return Outcome(status, 1000 * late, 1000 * (end - scheduled) if status == OK else math.inf)


async def _give_up(tasks: Sequence["asyncio.Task[tuple[str, float]]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run(job: OpenJob | ClosedJob) -> Result:
    """Do a job. The garbage collector rests meanwhile: its pauses would count as the service's."""
    gc.freeze()
    gc.disable()
    started, cpu_started = time.perf_counter(), time.process_time()
    outcomes = asyncio.run(run_open(job) if isinstance(job, OpenJob) else run_closed(job))
    result = Result(outcomes, time.perf_counter() - started, time.process_time() - cpu_started)
    gc.enable()
    gc.unfreeze()
    return result


def run_apart(job: OpenJob | ClosedJob) -> Result:
    """Do a job in a process of its own."""
    command = [sys.executable, "-m", "service.bench.load"]
    ended = subprocess.run(command, input=json.dumps(job._asdict()), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchError(f"the generator of load failed: {(ended.stderr.splitlines() or ['it said nothing'])[-1]}")
    outcomes, seconds, cpu_seconds = json.loads(ended.stdout)
    return Result([Outcome(*outcome) for outcome in outcomes], seconds, cpu_seconds)


def main() -> None:
    """Read a job, do it, and write its result. JSON has no infinity; both ends are Python, which spells it."""
    fields = json.load(sys.stdin)
    job = OpenJob(**fields) if "arrivals" in fields else ClosedJob(**fields)
    json.dump(run(job), sys.stdout)


if __name__ == "__main__":
    main()
