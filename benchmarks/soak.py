"""Half an hour at four fifths of what the service can do, with everything that clients do: is any answer wrong, does
anything grow?

    .venv/bin/python benchmarks/soak.py DATA [MINUTES [REQUESTS_PER_SECOND]]

DATA is the folder of the benchmarks' texts; without a rate, what a closed loop of the same requests does is measured
first. Requests are texts, lists, documents, HTML and streams in several languages, and summaries; each is asked alone
beforehand, and any other answer later is wrong, as one that was another's would be. One in ten misbehaves: it hangs up,
sends garbage, or more than is allowed. Arrivals are Poisson's, open loop, from this process, on the same cores.
"""

import asyncio
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx
from company import ProcessorSeconds
from rich.console import Console
from rich.table import Table
from visitors import BEHAVES, PATIENCE_SECONDS, Visitors, alone, requests_of

from service.bench.server import Target, get, served
from service.bench.statistics import percentile
from service.settings import Settings

MINUTES = 30.0
SHARE = 0.8
CLOSED_LOOP_SECONDS = 30.0
CLIENTS = 16
WARM_UP_SECONDS = 180.0
"""Of the load itself, whose last part is what growth is against: batches of all shapes have been met."""
SAMPLES = 15
PAGE = os.sysconf("SC_PAGE_SIZE")

console = Console(width=120)


class Sample(NamedTuple):
    """What the service holds, and how those fared who came since the sample before."""

    requests: int
    megabytes: float
    """At most since the sample before, as the service gives memory back every minute."""
    open_files: int
    threads: int
    p50_ms: float
    p99_ms: float
    unexpected: int
    most_late_ms: float
    """The most by which a request was sent after its time, as the machine stood still or was busy."""


class Resident:
    """The memory that the service has, read every second."""

    def __init__(self, target: Target) -> None:
        self._path = Path(f"/proc/{target.pid}/statm")
        self._megabytes: list[float] = []

    async def watch(self) -> None:
        """Read it until this is cancelled."""
        while True:
            self._read()
            await asyncio.sleep(1.0)

    def highest(self) -> float:
        """Return the most since it was asked last, and begin anew."""
        self._read()
        highest = max(self._megabytes)
        self._megabytes.clear()
        return highest

    def _read(self) -> None:
        self._megabytes.append(int(self._path.read_text().split()[1]) * PAGE / 1e6)


async def closed_loop(visitors: Visitors) -> float:
    """Return how many requests a second some clients get answered that each wait for their answer."""
    ending = time.monotonic() + CLOSED_LOOP_SECONDS

    async def one() -> None:
        while time.monotonic() < ending:
            await visitors.ask_one(time.monotonic())

    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    rate = len(visitors.outcomes) / CLOSED_LOOP_SECONDS
    visitors.outcomes.clear()
    return rate


async def soak(target: Target, data: Path, minutes: float, rate: float | None) -> None:
    """Print what the service held while it went on, and how requests fared."""
    random = Random(1)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(
        base_url=target.url, timeout=PATIENCE_SECONDS, limits=limits, trust_env=False
    ) as client:
        visitors = Visitors(client, await alone(client, requests_of(data, random)), random)
        resident = Resident(target)
        if rate is None:
            able = await closed_loop(visitors)
            rate = SHARE * able
            console.print(f"closed loop of {CLIENTS} clients: {able:.1f} requests/s; sent: {rate:.1f} requests/s")
        watching = asyncio.create_task(resident.watch())
        await visitors.come(rate, WARM_UP_SECONDS - 60 * minutes / SAMPLES)
        resident.highest()
        await visitors.come(rate, 60 * minutes / SAMPLES)
        began, before = time.monotonic(), ProcessorSeconds.now(target.pid or 0, os.getpid())
        samples = [sample(target, visitors, resident, 0)]
        while len(samples) <= SAMPLES:
            already = len(visitors.outcomes)
            await visitors.come(rate, 60 * minutes / SAMPLES)
            samples.append(sample(target, visitors, resident, already))
            last, passed = samples[-1], (time.monotonic() - began) / 60
            console.print(f"after {passed:.1f} minutes {last.megabytes:.1f} MB, {last.unexpected} unexpected")
        watching.cancel()
        others = ProcessorSeconds.now(target.pid or 0, os.getpid()).others_since(before) / (time.monotonic() - began)
    report_samples(samples, minutes)
    console.print(f"Others took {others:.2f} of a core.")
    report(visitors)
    report_statuses(target)


def sample(target: Target, visitors: Visitors, resident: Resident, already: int) -> Sample:
    """Return what the service holds now, and how those fared who behaved and came after so many."""
    most_late_seconds, visitors.most_late_seconds = visitors.most_late_seconds, 0.0
    outcomes = visitors.outcomes[already:]
    well = [1000 * one.seconds for one in outcomes if one.kind == BEHAVES]
    folder = Path(f"/proc/{target.pid}")
    return Sample(
        requests=len(outcomes),
        megabytes=resident.highest(),
        open_files=len(list((folder / "fd").iterdir())),
        threads=len(list((folder / "task").iterdir())),
        p50_ms=percentile(well, 50),
        p99_ms=percentile(well, 99),
        unexpected=sum(not one.as_expected for one in outcomes),
        most_late_ms=1000 * most_late_seconds,
    )


def report_samples(samples: Sequence[Sample], minutes: float) -> None:
    """Print what the service held as time went by; growth is against the end of the warm-up."""
    table = Table(
        "minute",
        "requests",
        "most MB",
        "growth",
        "open files",
        "threads",
        "p50, ms",
        "p99, ms",
        "unexpected",
        "sent late, ms",
    )
    for n, one in enumerate(samples):
        table.add_row(
            f"{n * minutes / SAMPLES:.0f}",
            f"{one.requests:,}",
            f"{one.megabytes:.1f}",
            f"{100 * (one.megabytes / samples[0].megabytes - 1):+.1f} %",
            str(one.open_files),
            str(one.threads),
            f"{one.p50_ms:.0f}",
            f"{one.p99_ms:.0f}",
            str(one.unexpected),
            f"{one.most_late_ms:.0f}",
        )
    console.print(table)


def report_statuses(target: Target) -> None:
    """Print what the service itself counts, of those who hung up, too."""
    _, text = get(f"{target.url}/metrics")
    statuses = Counter[str]()
    for line in text.splitlines():
        if found := re.match(r'dragoman_requests_total\{route="(?!/health).*status="(\d+)".*\} (.+)', line):
            statuses[found[1]] += int(float(found[2]))
    said = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
    console.print(f"By the service's own count, but for its health: {said}")


def report(visitors: Visitors) -> None:
    """Print how requests of each kind fared, and the first that were answered otherwise than alone."""
    table = Table("requests", "number", "statuses", "not as expected")
    for kind in sorted({one.kind for one in visitors.outcomes}):
        of_kind = [one for one in visitors.outcomes if one.kind == kind]
        statuses = Counter(one.status for one in of_kind)
        said = ", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items()))
        table.add_row(kind, f"{len(of_kind):,}", said, str(sum(not one.as_expected for one in of_kind)))
    console.print(table)
    for wrong in visitors.first_wrong:
        console.print(wrong, markup=False)


def main() -> None:
    """Run it."""
    data = Path(sys.argv[1])
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else MINUTES
    rate = float(sys.argv[3]) if len(sys.argv) > 3 else None
    with served(Settings()) as target:
        asyncio.run(soak(target, data, minutes, rate))


if __name__ == "__main__":
    main()
