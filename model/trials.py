"""The trials of a search for hyper-parameters, and a picture of them."""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from model.recipe import SpanConfig


class Trial(NamedTuple):
    """A training that ended."""

    number: int
    values: dict[str, Any]
    """Of each key that was tried."""
    score: float | None
    """The best mean of the headline scores on dev at a validation; None where none was reached."""
    is_finished: bool
    ended: str
    """How, in words."""


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """Return the finished trial of the highest score, the earliest of equal ones."""
    return max((trial for trial in trials if trial.is_finished), key=lambda trial: trial.score or 0.0, default=None)


def draw_trials(path: Path, trials: Sequence[Trial], spans: Mapping[str, SpanConfig]) -> None:
    """Draw the scores in the order of the trials and over the values of each key."""
    # Imported here, as for the curves of a training.
    from matplotlib.figure import Figure

    columns = min(3, 1 + len(spans))
    rows = math.ceil((1 + len(spans)) / columns)
    figure = Figure(figsize=(4 * columns, 3.2 * rows), layout="constrained")
    history, *keys = figure.subplots(rows, columns, squeeze=False).flat
    finished = [trial for trial in trials if trial.is_finished]
    cut = [trial for trial in trials if not trial.is_finished and trial.score is not None]
    for axes, key in zip([history, *keys], [None, *spans], strict=False):
        for some, marker, label in ((finished, "o", "finished"), (cut, "x", "pruned")):
            if not some:
                continue
            places = [trial.number if key is None else _place(trial.values[key], spans[key]) for trial in some]
            axes.plot(places, [trial.score for trial in some], marker, markersize=5, label=label)
        axes.set(xlabel=key or "trial", ylabel="score on dev")
        axes.grid(alpha=0.3)
    best = list(accumulate((trial.score or 0.0 for trial in finished), max))
    history.step([trial.number for trial in finished], best, where="post", linewidth=0.8, label="best")
    history.xaxis.get_major_locator().set_params(integer=True)
    history.legend()
    for axes, span in zip(keys, spans.values(), strict=False):
        if span.choices:
            axes.set_xticks(range(len(span.choices)), map(str, span.choices))
        elif span.log and span.low and span.high:
            axes.set_xscale("log")
            ticks = [span.low, math.sqrt(span.low * span.high), span.high]  # matplotlib's own write over each other
            axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
            axes.minorticks_off()
    for axes in keys[len(spans) :]:
        axes.set_axis_off()
    figure.savefig(path, dpi=110)


def _place(value: Any, span: SpanConfig) -> float:
    return float(span.choices.index(value) if span.choices else value)
