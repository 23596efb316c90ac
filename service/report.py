"""What an evaluation says on the terminal: tables for people, JSON with everything."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.table import Column, Table

from model.bootstrap import Estimate
from service.evaluate import Evaluation


def as_record(evaluation: Evaluation) -> dict[str, Any]:
    """Return everything, each sentence included; what the manifest keeps stands first."""
    fields = asdict(evaluation)
    del fields["score"]
    return evaluation.score.model_dump(mode="json") | fields


def tables(evaluation: Evaluation) -> Iterator[tuple[str, Table]]:
    """Yield a heading and a table of scores, then of faults, then of each breakdown."""
    about = f"{evaluation.score.task} · {evaluation.score.test} · {evaluation.score.pairs} pairs"
    systems = [f"{system.bundle}, {system.dtype}" for system in evaluation.systems]
    compared = ["difference", "p"] if len(systems) > 1 else []
    scores = _table("metric", *systems, *compared, evaluation.baseline.name)
    for metric in evaluation.systems[0].scores:
        estimates = [system.scores[metric] for system in evaluation.systems]
        baseline = f"{evaluation.baseline.scores[metric]:.1f}"
        scores.add_row(metric, *map(shown, estimates), *difference(estimates), baseline)
    yield about, scores
    faults = _table("% of the outputs", *systems)
    for name in evaluation.systems[0].faults:
        faults.add_row(name, *(f"{system.faults[name]:.1f}" for system in evaluation.systems))
    yield "faults", faults
    for by, parts in evaluation.breakdowns.items():
        metrics = list(parts[0].scores[0])
        headings = [f"{metric}{' of the other' * n}" for metric in metrics[:3] for n in range(len(systems))]
        table = _table("", "pairs", *headings)
        for part in parts:
            cells = [shown(scores[metric]) for metric in metrics[:3] for scores in part.scores]
            table.add_row(part.label, str(part.examples), *cells)
        yield f"by {by}", table


def _table(first: str, *others: str) -> Table:
    return Table(Column(first, no_wrap=True), *(Column(heading, justify="right") for heading in others))


def shown(estimate: Estimate) -> str:
    """Return the score with its margin."""
    return f"{estimate.score:.1f} ± {estimate.margin:.1f}"


def difference(estimates: list[Estimate]) -> list[str]:
    """Return by how much the first exceeds the second, and how probable that would be between equals."""
    if len(estimates) < 2:
        return []
    ours, other = estimates
    p_value = "–" if ours.p_value is None else f"{ours.p_value:.3f}"
    return [f"{ours.score - other.score:+.1f}", p_value]
