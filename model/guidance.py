"""Where a term's translation belongs in the output: where the network attends to the words that it translates.

A network that does not know a translation gives it next to no probability anywhere. By that alone it came to stand
where it did the least harm: at the end, within another word, or beside the word that the network had written of itself.
So attention guides it (Hasler et al. 2018, Neural machine translation decoding with terminology constraints): to begin
it counts by how much the row attends to the term just then, and who attends to a term and begins another word loses.

K rows of a sentence, R rows of the batch, V pieces, S source positions, W pieces that are wanted.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from model.constraints import Progress
from model.trellis import Floats

KNOWN = 0.3
"""Share of the log-probability that a piece of a translation keeps: where the network knows the word, it counts."""
ATTENDED = 2.0
"""By what the logarithm of the attention is multiplied that is added to the first piece's."""
LEAST_ATTENTION = 1e-4
MOSTLY = 0.5
"""A row that attends so much to a term writes its translation, ..."""
RIVAL_LOSS = 4.0
"""... and any other word's log-probability is so much less."""


class Words(NamedTuple):
    """Pieces of a language with spaces between words, by what they are; of others no piece is either."""

    continuing: Tensor
    """(V) Those that go on with a word: they do not follow a term's translation, whose word they would change."""
    beginning: Tensor
    """(V) Those that begin a word which may be another translation of a term, as ``the`` may not."""


class Terms(NamedTuple):
    """Constraints that translate words of the source."""

    phrases: list[Sequence[int]]
    """As Sentence.constraints, but none is empty."""
    places: list[Sequence[int]]
    """For each, which pieces of the framed source are the words that it translates."""
    words: Words


class Guide:
    """Gathers what the rows of a step are guided by."""

    def __init__(self) -> None:
        self._ended: list[tuple[int, Words]] = []
        self._attending: list[tuple[int, Words]] = []
        self._wanted: list[tuple[int, int, float]] = []

    def add(self, row: int, held: Sequence[int], progress: Progress, attended: Floats, terms: Terms) -> None:
        """Add a row (its number in the batch) that holds these pieces and attends (S) to its source."""
        if any(list(held[-len(phrase) :]) == list(phrase) for phrase in terms.phrases):
            self._ended.append((row, terms.words))
        self._wanted += [(row, piece, 0.0) for piece in progress.under_way]
        if not terms.phrases or not attended.any():  # as of a network without attention
            return
        shares = [min(1.0, float(attended[list(places)].sum())) for places in terms.places]
        if max(shares) >= MOSTLY:
            self._attending.append((row, terms.words))
        best: dict[int, float] = {}
        for phrase, share in zip(terms.phrases, shares, strict=True):
            best[phrase[0]] = max(share, best.get(phrase[0], LEAST_ATTENTION))
        self._wanted += [
            (row, piece, ATTENDED * math.log(share))
            for piece, share in best.items()
            if piece in progress.wanted and piece not in progress.under_way
        ]

    def apply(self, log_probabilities: Tensor) -> None:
        """Change the log-probabilities (R, V) of the rows; none comes to exceed 0."""
        device = log_probabilities.device
        at = (
            torch.tensor([one[:2] for one in self._wanted], dtype=torch.long, device=device).view(-1, 2).unbind(1)
        )  # (W) each
        gains = torch.tensor([gain for _, _, gain in self._wanted], device=device)
        wanted = log_probabilities[at] * KNOWN + gains
        for row, words in self._ended:
            log_probabilities[row].masked_fill_(words.continuing.to(device), float("-inf"))
        for row, words in self._attending:
            log_probabilities[row] -= RIVAL_LOSS * words.beginning.to(device)
        log_probabilities[at] = wanted
