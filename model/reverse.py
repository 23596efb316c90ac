"""Which of a search's hypotheses its source would be a translation of: the best is chosen by both directions.

A network prefers what is often said, also where that leaves half of the source out. A network of the other direction
tells: it would not make that source of it (Li et al. 2016, "A Diversity-Promoting Objective Function"; Yee et al. 2019,
"Simple and Effective Noisy Channel Modeling"). Here it is the same network, by another tag.

N hypotheses, S positions of the longest, T pieces of the longest source with its end, V pieces of the vocabulary.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from model import torchscript
from model.data import pad
from model.hypothesis import Hypothesis, length_penalty
from model.tokenizer import END, PAD, START

TeacherForced = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""``forward`` of model.network.Seq2Seq."""
Pair = tuple[Sequence[int], Sequence[int]]
"""A framed source, and pieces that its translation may be."""

MARGIN = 0.5
"""By its score a hypothesis may be so far behind the best, and yet be chosen. To search for others takes longer, and
they would be chosen once in twenty or thirty times."""
MOST_POSITIONS = 1024
"""Of all hypotheses (N T) at once: of 8,000 pieces they are 32 MB."""


class Reverse(NamedTuple):
    """How the best of what a search has found is chosen."""

    tag: int
    """The piece of the reverse task."""
    weight: float
    length_penalty: float
    n_best: int
    """How many hypotheses are wanted."""


class Found(NamedTuple):
    """A framed source, and its hypotheses, best first."""

    source: Sequence[int]
    hypotheses: list[Hypothesis]
    reverse: Reverse


@torch.inference_mode()
def rerank(
    network: TeacherForced, device: torch.device, found: Sequence[Found], *, together: bool
) -> list[list[Hypothesis]]:
    """Return of each source the best hypotheses by both directions, best first; their scores stay the search's.

    Those within MARGIN of the best come before all others.

    Unless all are looked at ``together``, which a GPU does in the time of one, the bits of none depend on the others.
    """
    contenders = [_contenders(one) for one in found]
    pairs = [
        [([one.reverse.tag, *hypothesis.pieces, END], one.source[1:-1]) for hypothesis in hypotheses]
        for one, hypotheses in zip(found, contenders, strict=True)
        if len(hypotheses) > 1
    ]
    at_once = [list(chain(*pairs))] if together else pairs
    log_probabilities = chain(*(_log_probabilities(network, device, some) for some in at_once))
    ranked = [
        _ranked(one, hypotheses, log_probabilities) if len(hypotheses) > 1 else hypotheses
        for one, hypotheses in zip(found, contenders, strict=True)
    ]
    return [
        [*first, *one.hypotheses[len(first) :]][: one.reverse.n_best] for one, first in zip(found, ranked, strict=True)
    ]


def _contenders(found: Found) -> list[Hypothesis]:
    """Return the hypotheses that may be chosen."""
    best = found.hypotheses[0].score if found.hypotheses else 0.0
    return [one for one in found.hypotheses if one.score >= best - MARGIN]


def _ranked(found: Found, hypotheses: Sequence[Hypothesis], log_probabilities: Iterator[float]) -> list[Hypothesis]:
    """Rank by the log-probability of the source as a translation of each hypothesis, which come in their order."""
    reverse = found.reverse
    share = reverse.weight / length_penalty(len(found.source) - 1, reverse.length_penalty)
    values = [one.score + share * next(log_probabilities) for one in hypotheses]
    return [hypotheses[n] for n in sorted(range(len(values)), key=lambda n: -values[n])]


def _log_probabilities(network: TeacherForced, device: torch.device, pairs: Sequence[Pair]) -> Iterator[float]:
    """Yield how probable the second of each pair is, with the end of sentence, after the first; natural logarithms."""
    longest = max((len(target) + 1 for _, target in pairs), default=1)
    at_once = max(1, MOST_POSITIONS // longest)
    for start in range(0, len(pairs), at_once):
        sources, targets = zip(*pairs[start : start + at_once], strict=True)
        source = pad(sources).to(device)
        given = pad([[START, *target] for target in targets]).to(device)
        expected = pad([[*target, END] for target in targets]).to(device)
        with torchscript.as_written():
            logits, _ = network(source, (source != PAD).sum(dim=1), given)
        of_pieces = torch.log_softmax(logits, dim=-1, dtype=torch.float32).gather(2, expected.unsqueeze(2)).squeeze(2)
        yield from (of_pieces * (expected != PAD)).sum(dim=1).tolist()
