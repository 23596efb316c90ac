import math
from random import Random

import pytest

from service.bench.statistics import Percentiles, Spread, percentile, percentiles, spread


@pytest.mark.parametrize("count", [1, 2, 3, 99, 100, 101, 200, 1000])
@pytest.mark.parametrize("percent", [1, 50, 90, 99, 100])
def test_a_percentile_is_the_smallest_value_that_enough_others_do_not_exceed(count: int, percent: int) -> None:
    random = Random(count)
    values = [random.choice([random.random(), 0.5]) for _ in range(count)]
    enough = [v for v in sorted(values) if 100 * sum(other <= v for other in values) >= percent * count]
    assert percentile(values, percent) == enough[0]


def test_percentiles_of_a_hundred_are_places_in_a_sorted_list() -> None:
    values = [float(n) for n in range(1, 101)]
    Random(1).shuffle(values)
    assert percentiles(values) == Percentiles(50, 90, 99, 100)


def test_one_lost_request_in_a_hundred_leaves_the_p99_finite_and_two_do_not() -> None:
    assert percentiles([1.0] * 99 + [math.inf]).p99_ms == 1
    assert percentiles([1.0] * 98 + [math.inf] * 2).p99_ms == math.inf


def test_a_spread_is_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2, 1, 3)
    assert spread([1.0]) == Spread(1, 1, 1)
