"""How short pieces of work are timed."""

import statistics
import time
from collections.abc import Callable


def median_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the median time of so many calls, after two to warm up."""
    seconds = []
    for _ in range(rounds + 2):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[2:])
