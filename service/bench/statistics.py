"""Percentiles of latencies, and medians with ranges over rounds."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple


class Percentiles(NamedTuple):
    """Milliseconds that half, nine tenths and 99 of 100 stay within; infinite when too many were not answered."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float


class Spread(NamedTuple):
    """What one figure was over the rounds."""

    median: float
    lowest: float
    highest: float


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile: the smallest value that at least ``percent`` of 100 values do not exceed.

    It is always a value that was seen. Interpolation would make one up, and cannot when the next is infinite.
    """
    rank = -(-percent * len(values) // 100)  # rounded up, in whole numbers
    return sorted(values)[max(rank, 1) - 1]


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return the percentiles of at least one value."""
    return Percentiles(percentile(values, 50), percentile(values, 90), percentile(values, 99), max(values))


def spread(values: Sequence[float]) -> Spread:
    """Return median and range of at least one value."""
    return Spread(median(values), min(values), max(values))
