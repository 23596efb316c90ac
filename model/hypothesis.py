"""Hypotheses, and what they are ranked and guarded by."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import DecodingConfig
from model.trellis import Node


class Hypothesis(NamedTuple):
    """One finished hypothesis."""

    pieces: list[int]
    """Without the end of sentence."""
    log_probability: float
    """Natural logarithm, the end of sentence included, after what penalties and the guidance of terms made of it."""
    score: float
    """log_probability divided by the length penalty, less the coverage penalty; what hypotheses are ranked by."""
    log_probabilities: Sequence[float] = ()
    """Of each piece, the end of sentence last."""
    attention: Sequence[Sequence[float]] | None = None
    """How much each piece, the end last, attended to each piece of the framed source; only when asked for."""


class Ended(NamedTuple):
    """A hypothesis that has ended: where its last piece stands in the trellis, and what it is worth."""

    node: Node
    log_probability: float
    score: float


def length_penalty(length: int, alpha: float) -> float:
    """Return Wu et al. 2016, equation 14, for a hypothesis of ``length`` pieces, the end of sentence included."""
    return float(((5 + length) / 6) ** alpha)


def coverage_penalty(attended: NDArray[np.float32], beta: float) -> float:
    """Return the second term of the same equation, at most 0, for attention weights (T, S)."""
    covered = np.minimum(attended.sum(axis=0), 1.0)
    return beta * float(np.log(np.maximum(covered, 1e-9)).sum())


def score(log_probability: float, length: int, attended: NDArray[np.float32] | None, config: DecodingConfig) -> float:
    """Return what a hypothesis of ``length`` pieces, the end included, is ranked by."""
    coverage = 0.0 if attended is None else coverage_penalty(attended, config.coverage_penalty)
    return log_probability / length_penalty(length, config.length_penalty) + coverage


def best_penalty(max_length: int, config: DecodingConfig) -> float:
    """Return the length penalty that is kindest to a hypothesis which is still alive: that of the longest.

    With it ``log_probability / best_penalty`` bounds every score that can come of it, as coverage only takes away.
    """
    return length_penalty(max_length + 1, config.length_penalty)


def repeated_ngrams(pieces: Sequence[int], size: int) -> list[int]:
    """Return the pieces that would end a run of ``size`` pieces that stands in ``pieces`` already; none for size 0."""
    if size == 0 or len(pieces) < size:
        return []
    prefix = list(pieces[len(pieces) - size + 1 :])
    return sorted({pieces[i + size - 1] for i in range(len(pieces) - size + 1) if pieces[i : i + size - 1] == prefix})
