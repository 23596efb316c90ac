"""How long the service takes from the start of its process until it is ready, with all starters.

    .venv/bin/python benchmarks/start.py [STARTS]

By default five starts; the processor time is what a start needs on a machine that has other work, too.
"""

import sys
import time
from statistics import median

from rich.console import Console
from rich.table import Table

from service.bench.server import cpu_times, resident_bytes, served
from service.settings import Settings

STARTS = 5

console = Console(width=120)


def main() -> None:
    """Print a line for each start, and the median of all."""
    rows = []
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else STARTS):
        started = time.monotonic()
        with served(Settings()) as target:
            seconds = time.monotonic() - started
            rows.append((seconds, cpu_times(target).process_seconds or 0.0, (resident_bytes(target) or 0.0) / 1e6))
    table = Table("start", "ready after, s", "processor time, s", "resident, MB")
    medians = tuple(map(median, zip(*rows, strict=True)))
    for name, row in [*((str(n), row) for n, row in enumerate(rows, 1)), ("median", medians)]:
        table.add_row(name, *(f"{value:.{digits}f}" for value, digits in zip(row, (2, 2, 0), strict=True)))
    console.print(table)


if __name__ == "__main__":
    main()
