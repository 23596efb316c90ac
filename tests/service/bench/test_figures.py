import math

import pytest

from service.bench.figures import (
    figures_of_bulk,
    figures_of_capacity,
    figures_of_single,
    figures_of_trial,
    shown,
    shown_spread,
    summarize_rounds,
)
from service.bench.offline import Bulk, Single
from service.bench.online import Capacity, Saturation, Trial
from service.bench.statistics import Percentiles, Spread

LATENCY = Percentiles(10, 20, 30, 40)
LATE = Percentiles(0.5, 0.6, 0.7, 0.8)
SATURATION = Saturation(50, {"200": 100}, LATENCY, 10, 9, 8, 0.1)


def trial(rate: float, **changes: object) -> Trial:
    return Trial(rate, 100, {"200": 98, "503": 2}, LATENCY, None, LATE, 0.1)._replace(**changes)


def test_offline_is_compared_by_what_is_done_in_a_second() -> None:
    assert figures_of_bulk(Bulk(2.0, 10, 50)) == {"sentences_per_second": 5, "pieces_per_second": 25}


def test_single_is_compared_by_latency_and_by_what_is_done_in_a_second() -> None:
    assert figures_of_single(Single(Bulk(2.0, 10, 50), LATENCY)) == {
        "p50_ms": 10,
        "p90_ms": 20,
        "p99_ms": 30,
        "sentences_per_second": 5,
        "pieces_per_second": 25,
    }


def test_a_server_is_compared_by_its_load_and_the_latencies_there_and_at_half_of_it() -> None:
    late = trial(40, late=LATE._replace(p99_ms=9.0))
    half = trial(10, short=Percentiles(5, 6, 7, 8))
    figures = figures_of_capacity(Capacity(20, trial(20), half, SATURATION, [trial(20), late]))
    assert figures == {
        "requests_per_second": 20,
        "p50_ms_at_load": 10,
        "p99_ms_at_load": 30,
        "p50_ms_at_half_load": 5,
        "late_p99_ms": 9,
        "closed_loop_requests_per_second": 50,
        "not_engine_percent": 10,
    }


def test_a_server_that_bears_nothing_has_no_latencies_at_its_load() -> None:
    saturation = SATURATION._replace(other_cpu_share=None)
    figures = figures_of_capacity(Capacity(0, None, None, saturation, [trial(20)]))
    assert (figures["requests_per_second"], figures["p50_ms_at_load"]) == (0, None)
    assert (figures["p50_ms_at_half_load"], figures["not_engine_percent"]) == (None, None)


def test_mixed_is_compared_by_the_short_requests_and_the_documents() -> None:
    figures = figures_of_trial(trial(20, documents=Percentiles(100, 200, 300, 400)))
    assert (figures["short_p50_ms"], figures["short_p99_ms"]) == (10, 30)
    assert (figures["document_p50_ms"], figures["document_p99_ms"]) == (100, 300)
    assert (figures["late_p99_ms"], figures["not_200"]) == (0.7, 2)
    assert figures_of_trial(trial(20))["document_p50_ms"] is None


def test_rounds_are_summarized_figure_by_figure() -> None:
    rounds = ["one", "two", "three"]
    figures = [{"a": 3.0, "b": 1.0}, {"a": 1.0, "b": None}, {"a": 2.0, "b": 1.0}]
    assert summarize_rounds(rounds, figures) == ({"a": Spread(2, 1, 3), "b": None}, rounds)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "0.12"), (5, "5"), (12.34, "12.3"), (99.96, "100.0"), (1234.5, "1,234"), (math.inf, "∞"), (-0.5, "-0.50")],
)
def test_a_figure_is_shown_with_about_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_spread_is_shown_with_its_range_if_it_has_one() -> None:
    assert shown_spread(Spread(2, 1, math.inf)) == "2 (1–∞)"
    assert shown_spread(Spread(2, 2, 2)) == "2"
    assert shown_spread(None) == "–"
