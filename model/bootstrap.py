"""How far scores would vary on other such texts, and whether two bundles differ: the bootstrap of Koehn 2004.

sacrebleu's own for its metrics; for means over examples the same, with the same number of samples and the same seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from sacrebleu.significance import PairedTest, Result, estimate_ci

from model.evaluation import EvaluationSet, corpus_metrics, example_scores

SAMPLES = 1000
SEED = 12345  # sacrebleu's, unless SACREBLEU_SEED says otherwise


@dataclass(frozen=True)
class Estimate:
    """A score with its 95 % confidence interval."""

    score: float
    margin: float
    """Half of the interval."""
    p_value: float | None = None
    """How probable such a difference is between equals; None when there is none, or nothing to compare with."""


def estimate(test: EvaluationSet, outputs: Sequence[str], against: Sequence[str] | None = None) -> dict[str, Estimate]:
    """Return each metric of the outputs, compared with other outputs ``against`` which they may be better or worse."""
    estimates = {}
    if metrics := corpus_metrics(test):
        systems = [("outputs", outputs)] if against is None else [("against", against), ("outputs", outputs)]
        _, results = PairedTest(systems, metrics, test.streams, test_type="bs", n_samples=SAMPLES)()
        for name in metrics:
            found = results[name]
            first, last = cast("Result", found[0]), cast("Result", found[-1])
            p_value = last.p_value if first.score != last.score else None
            estimates[name] = Estimate(last.score, float(last.ci or 0), p_value)
    others = example_scores(test, against) if against is not None else {}
    for name, values in example_scores(test, outputs).items():
        estimates[name] = estimate_mean(values, others.get(name))
    return estimates


def estimate_mean(values: Sequence[float], against: Sequence[float] | None = None) -> Estimate:
    """Return the mean of the examples' values, compared with other values of the same examples."""
    chosen = np.random.default_rng(SEED).choice(len(values), size=(SAMPLES, len(values)))
    means = np.asarray(values)[chosen].mean(axis=1)
    score, margin = float(np.mean(values)), float(estimate_ci(means)[1])
    if against is None or (difference := abs(score - float(np.mean(against)))) == 0:
        return Estimate(score, margin)
    differences = np.abs(means - np.asarray(against)[chosen].mean(axis=1))
    exceeding = int((differences - differences.mean() > difference).sum())
    return Estimate(score, margin, (exceeding + 1) / (SAMPLES + 1))
