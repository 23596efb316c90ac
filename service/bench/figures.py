"""The figures that rounds are compared by: their names hold the unit, None is what could not be measured."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from service.bench.load import OK
from service.bench.offline import Bulk, Single
from service.bench.online import Capacity, Trial
from service.bench.statistics import Spread, spread

Figures = Mapping[str, float | None]


class Summary(NamedTuple):
    """What was measured of one thing, a policy or a policy at a rate: figures over the rounds, and the rounds."""

    figures: dict[str, Spread | None]
    rounds: Sequence[object]


def summarize_rounds(rounds: Sequence[object], figures: Sequence[Figures]) -> Summary:
    """Return median and range of each figure over at least one round; None where a round lacks it."""
    values = {name: [one[name] for one in figures] for name in figures[0]}
    known = {name: [v for v in column if v is not None] for name, column in values.items()}
    return Summary({name: spread(known[name]) if len(known[name]) == len(rounds) else None for name in values}, rounds)


def figures_of_bulk(bulk: Bulk) -> Figures:
    """Return what `offline` compares."""
    return {
        "sentences_per_second": bulk.sentences / bulk.seconds,
        "pieces_per_second": bulk.pieces / bulk.seconds,
    }


def figures_of_single(single: Single) -> Figures:
    """Return what `single` compares."""
    latency = single.latency
    return {
        "p50_ms": latency.p50_ms,
        "p90_ms": latency.p90_ms,
        "p99_ms": latency.p99_ms,
        **figures_of_bulk(single.bulk),
    }


def figures_of_capacity(capacity: Capacity) -> Figures:
    """Return what `server` compares."""
    at_load, at_half, saturation = capacity.at_load, capacity.at_half_load, capacity.saturation
    return {
        "requests_per_second": capacity.load,
        "p50_ms_at_load": at_load.short.p50_ms if at_load else None,
        "p99_ms_at_load": at_load.short.p99_ms if at_load else None,
        "p50_ms_at_half_load": at_half.short.p50_ms if at_half else None,
        "late_p99_ms": max(trial.late.p99_ms for trial in capacity.tried),
        "closed_loop_requests_per_second": saturation.requests_per_second,
        "not_engine_percent": _percent(saturation.other_cpu_share),
    }


def figures_of_trial(trial: Trial) -> Figures:
    """Return what `mixed` compares at a rate."""
    documents = trial.documents
    return {
        "short_p50_ms": trial.short.p50_ms,
        "short_p90_ms": trial.short.p90_ms,
        "short_p99_ms": trial.short.p99_ms,
        "document_p50_ms": documents.p50_ms if documents else None,
        "document_p99_ms": documents.p99_ms if documents else None,
        "late_p99_ms": trial.late.p99_ms,
        "not_200": float(trial.requests - trial.statuses.get(OK, 0)),
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def shown(value: float) -> str:
    """Return a figure as a table shows it: three digits, or all before the point."""
    if math.isinf(value):
        return "∞"
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def shown_spread(spread: Spread | None) -> str:
    """Return median and range; a range of nothing is left out."""
    if spread is None:
        return "–"
    if spread.lowest == spread.highest:
        return shown(spread.median)
    return f"{shown(spread.median)} ({shown(spread.lowest)}–{shown(spread.highest)})"
