import math
from random import Random

import pytest

from service.bench.capacity import largest_load


def hockey_stick(capacity: float) -> "Measured":
    """Return what a queue does: slowly more, then very much."""
    return Measured(lambda load: 50 / (1 - load / capacity) if load < capacity else math.inf)


class Measured:
    """A made-up service, which notes the loads that it was tried with."""

    def __init__(self, p99_at: object) -> None:
        self.p99_at = p99_at
        self.tried: list[float] = []

    def __call__(self, load: float) -> float:
        self.tried.append(load)
        assert callable(self.p99_at)
        return float(self.p99_at(load))


@pytest.mark.parametrize("start", [1.0, 7.0, 79.9, 80.1, 100.0, 1000.0])
def test_the_load_found_is_within_the_tolerance_below_the_largest(start: float) -> None:
    service = hockey_stick(100)  # bears 80 within 250 ms
    found = largest_load(service, bound=250, start=start, lowest=0.5)
    assert 80 / 1.05 <= found <= 80
    assert found in service.tried
    assert len(service.tried) == len(set(service.tried))


def test_a_start_at_half_of_what_is_done_at_most_needs_few_measurements() -> None:
    service = hockey_stick(100)
    largest_load(service, bound=250, start=50, lowest=0.5)
    assert len(service.tried) <= 7


def test_a_service_that_does_not_bear_the_lowest_load_bears_none() -> None:
    service = Measured(lambda _: 300.0)
    assert largest_load(service, bound=250, start=8, lowest=0.7) == 0
    assert min(service.tried) == 0.7


def test_a_service_that_bears_just_the_lowest_load_bears_that() -> None:
    assert largest_load(Measured(lambda load: 100 * load), bound=250, start=80, lowest=2.5) == 2.5


def test_the_search_ends_at_the_highest_load() -> None:
    service = Measured(lambda _: 1.0)
    assert largest_load(service, bound=250, start=10, lowest=1, highest=100) == 100


@pytest.mark.parametrize("seed", range(20))
def test_noise_moves_the_result_by_no_more_than_itself(seed: int) -> None:
    random = Random(seed)
    quiet = hockey_stick(100).p99_at
    assert callable(quiet)
    service = Measured(lambda load: quiet(load) * random.uniform(0.8, 1.25))
    found = largest_load(service, bound=250, start=50, lowest=1)
    # Noise of 0.8 bears what would take 312 ms, noise of 1.25 only what would take 200 ms.
    assert 75 / 1.05 <= found <= 84
