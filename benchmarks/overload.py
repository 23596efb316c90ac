"""What becomes of more load than the service can bear: goodput, who is refused, and how long the others wait.

    .venv/bin/python benchmarks/overload.py TEXTS.de-en.tsv [BOUND_MS]

Every request asks to be answered within the bound, by default 1,000 ms, and one in twenty is a document of twenty
sentences. Poisson arrivals over HTTP from another process on the same cores, open loop. Goodput is what was answered
with 200 within the bound, from the scheduled arrival on; what the service can bear is taken from a closed loop. All
loads have their turn in each of three rounds, as machines are not equally fast from minute to minute.
"""

import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from model.data import read_rows
from service.bench.load import OK, OpenJob, run_apart
from service.bench.online import BUSY, Workload, saturate, wait_for_rest
from service.bench.server import Target, allow_many_connections, resident_bytes, served
from service.bench.statistics import percentile
from service.bench.traffic import Traffic, poisson_arrivals
from service.settings import Settings

BOUND_MS = 1000
ROUNDS = 3
SECONDS = 10.0
PATIENCE_SECONDS = 10.0
MULTIPLES = (0.5, 1.0, 1.5, 2.0, 3.0)
"""Of what a closed loop has done."""

console = Console(width=140)


class Trial(NamedTuple):
    """What a load led to."""

    rate: float
    goodput: float
    """Requests a second that were answered in time."""
    sentences: float
    """Of them, a second: by refusing documents one answers more requests."""
    statuses: dict[str, int]
    accepted_ms: list[float]
    """Of all but the refused; infinite for what was not answered with 200."""
    late_ms: float
    """The generator's own lateness, of 99 in 100."""
    megabytes: float


def overload(target: Target, traffic: Traffic, rate: float) -> Trial:
    """Send ``rate`` requests a second."""
    arrivals = poisson_arrivals(rate, SECONDS, seed=1)
    requests = traffic.requests(len(arrivals), seed=1)
    bodies = [request.body for request in requests]
    wait_for_rest(target, traffic)
    result = run_apart(OpenJob(f"{target.url}/translate", bodies, arrivals, PATIENCE_SECONDS))
    accepted = [one.latency_ms for one in result.outcomes if one.status != str(BUSY)]
    bound_ms = traffic.timeout_ms or BOUND_MS
    in_time = [
        traffic.document_texts if request.is_document else 1
        for request, one in zip(requests, result.outcomes, strict=True)
        if one.latency_ms <= bound_ms
    ]
    return Trial(
        rate=rate,
        goodput=len(in_time) / SECONDS,
        sentences=sum(in_time) / SECONDS,
        statuses=dict(Counter(one.status for one in result.outcomes)),
        accepted_ms=accepted,
        late_ms=percentile([one.late_ms for one in result.outcomes], 99),
        megabytes=(resident_bytes(target) or 0.0) / 1e6,
    )


def row_of(multiple: float, trials: list[Trial]) -> list[str]:
    """Return a line of the table: medians of the rounds, and the latencies of all."""
    statuses = sum((Counter(trial.statuses) for trial in trials), Counter())
    others = {status: n for status, n in statuses.items() if status not in (OK, str(BUSY))}
    accepted_ms = [latency for trial in trials for latency in trial.accepted_ms]
    return [
        f"{multiple:g}",
        f"{trials[0].rate:.0f}",
        f"{median(trial.goodput for trial in trials):.0f} ({', '.join(f'{trial.goodput:.0f}' for trial in trials)})",
        f"{median(trial.sentences for trial in trials):.0f}",
        f"{100 * statuses[str(BUSY)] / statuses.total():.1f} %",
        " ".join(f"{n} × {status}" for status, n in others.items()) or "none",
        f"{percentile(accepted_ms, 50):.0f}, {percentile(accepted_ms, 99):.0f}",
        f"{max(trial.late_ms for trial in trials):.0f}",
        ", ".join(f"{trial.megabytes:.0f}" for trial in trials),
    ]


def main() -> None:
    """Print a line for each load."""
    allow_many_connections()
    file, bound_ms = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else BOUND_MS
    texts = [row[0] for row in read_rows(file.name, file.parent)]
    traffic = Traffic(texts, "de", "en", documents_one_in=20, document_texts=20, timeout_ms=bound_ms)
    with served(Settings()) as target:
        patient = replace(traffic, timeout_ms=None)
        capacity = saturate(target, Workload(patient, 3 * SECONDS, seed=1)).requests_per_second
        console.print(f"closed loop: {capacity:.0f} requests/s")
        rounds = [[overload(target, traffic, multiple * capacity) for multiple in MULTIPLES] for _ in range(ROUNDS)]
    table = Table("× that", "sent/s", "goodput/s", "sentences/s", "refused", "others", "p50, p99, ms", "late", "MB")
    for multiple, trials in zip(MULTIPLES, zip(*rounds, strict=True), strict=True):
        table.add_row(*row_of(multiple, list(trials)))
    console.print(table)


if __name__ == "__main__":
    main()
