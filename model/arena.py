"""A beam search that never leaves its device: tensors of fixed sizes, and a step that is one program over all of them.

What model.search decides on the host, in NumPy, is decided here beside the network, by the same rules: a GPU would
stand still for as long as the host counts, and the program can be captured as a CUDA graph.

N places for sentences, W rows of each, R = N W, S source positions, L pieces, M size of the memory, Z state size, C
candidates of a row.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from model.config import DecodingConfig
from model.hypothesis import best_penalty
from model.slots import Sentence
from model.step import Step
from model.tokenizer import END, PAD, START

NEVER = float("-inf")


class Sizes(NamedTuple):
    """Of an arena."""

    places: int
    width: int
    positions: int
    pieces: int
    """Of a hypothesis, its end included."""

    def hold(self, other: "Sizes") -> bool:
        """Say whether what fits into the other fits into these."""
        return all(mine >= its for mine, its in zip(self, other, strict=True))


def options(sentence: Sentence) -> list[float]:
    """Return what an arena knows of a sentence's options, in the order of ``Arena.step``."""
    config = sentence.config
    longest = config.longest(len(sentence.source))
    return [
        config.beam_size,
        config.n_best,
        config.min_length,
        longest,
        config.length_penalty,
        best_penalty(longest, config),
        sentence.threshold,
        sentence.margin,
    ]


OPTIONS = len(options(Sentence([END], DecodingConfig())))


class Ended(NamedTuple):
    """The hypotheses of sentences that have ended, in the order in which they did."""

    counts: Tensor  # (N)
    scores: Tensor  # (N, W)
    totals: Tensor  # (N, W) log-probabilities
    lengths: Tensor  # (N, W) pieces, the end not counted
    pieces: Tensor  # (N, W, L)
    values: Tensor  # (N, W, L) the log-probability of each piece, the end's last


class Live(NamedTuple):
    """The hypotheses that the next step extends, from the left; a place in which there is none has no total."""

    steps: Tensor  # (N) pieces that they have
    totals: Tensor  # (N, W)
    last: Tensor  # (N, W) pieces
    origins: Tensor  # (N, W) whose state they continue
    pieces: Tensor  # (N, W, L)
    values: Tensor  # (N, W, L)


class Given(NamedTuple):
    """What a sentence comes with; the state is that of the last step."""

    options: Tensor  # (N, OPTIONS)
    memory: Tensor  # (N, S, M)
    source: Tensor  # (N, S)
    state: Tensor  # (N, W, Z)


class Arena:
    """The tensors, in which each sentence has a place for as long as it is decoded there."""

    def __init__(self, sizes: Sizes, memory: Tensor, state: Tensor) -> None:
        """Make room on the device of a memory (…, M) and a state (…, Z), and in their types."""
        places, width, positions, length = self.sizes = sizes
        device = self.device = memory.device

        def integers(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.long, device=device)

        def numbers(*shape: int) -> Tensor:
            return torch.zeros(shape, dtype=torch.float64, device=device)

        def sequences() -> tuple[Tensor, Tensor]:
            pieces = torch.zeros(places, width, length, dtype=torch.int32, device=device)
            return pieces, torch.zeros(places, width, length, device=device)

        self.ended = Ended(
            integers(places), numbers(places, width), numbers(places, width), integers(places, width), *sequences()
        )
        self.live = Live(
            integers(places), numbers(places, width), integers(places, width), integers(places, width), *sequences()
        )
        self.given = Given(
            numbers(places, OPTIONS),
            memory.new_zeros(places, positions, memory.size(-1)),
            integers(places, positions),
            state.new_zeros(places, width, state.size(-1)),
        )
        self.rows = integers(places)
        """How many live hypotheses each place has."""
        self.run: Callable[[], None]
        """Take a step."""
        self.given.options.fill_(1.0)  # of nobody, and yet what they number has to exist
        self.clear()

    def clear(self) -> None:
        """Leave nobody in any place, and nothing that must not be where a sentence is shorter than its place."""
        self.live.totals.fill_(NEVER)
        self.ended.scores.fill_(NEVER)
        self.given.source.fill_(PAD)
        self.given.memory.zero_()

    def move_in(self, other: "Arena", places: Tensor) -> None:
        """Take over the sentences in these places (B) of another arena, in their order; there is room for all."""
        self.clear()
        for mine, its in zip(self._by_sentence(), other._by_sentence(), strict=True):
            common = tuple(slice(min(a, b)) for a, b in zip(mine.shape[1:], its.shape[1:], strict=True))
            mine[(slice(len(places)), *common)] = its.index_select(0, places)[(slice(None), *common)]

    def _by_sentence(self) -> Sequence[Tensor]:
        return (*self.ended, *self.live, *self.given, self.rows)

    def place(self, places: Tensor, chosen: Tensor, memory: Tensor, source: Tensor, state: Tensor) -> None:
        """Put sentences into free places (B): options (B, OPTIONS), memory (B, S, M), source (B, S), state (B, Z)."""
        positions = self.sizes.positions
        self.given.options.index_copy_(0, places, chosen)
        self.given.memory.index_copy_(0, places, functional.pad(memory, (0, 0, 0, positions - memory.size(1))))
        self.given.source.index_copy_(0, places, functional.pad(source, (0, positions - source.size(1)), value=PAD))
        self.given.state[:, 0].index_copy_(0, places, state)
        self.live.steps.index_fill_(0, places, 0)
        self.live.totals.index_fill_(0, places, NEVER)
        self.live.totals[:, 0].index_fill_(0, places, 0.0)
        self.live.last.index_fill_(0, places, START)
        self.live.origins.index_fill_(0, places, 0)
        self.ended.counts.index_fill_(0, places, 0)
        self.ended.scores.index_fill_(0, places, NEVER)

    def step(self, step: Step) -> None:
        """Extend all live hypotheses by a piece: who ends, who lives on."""
        places, width, _, _ = self.sizes
        live, given = self.live, self.given
        first = torch.arange(0, places * width, width, device=self.device).unsqueeze(1)
        every = torch.arange(places * width, device=self.device)
        asked = torch.stack((live.last.flatten(), (live.origins + first).flatten(), every))
        values, pieces, state, _ = step(asked, given.state.flatten(0, 1), given.memory, given.source, width, width)
        given.state.copy_(state.view_as(given.state))
        self._extend(values.view(places, width, -1), pieces.view(places, width, -1))

    def _extend(self, values: Tensor, pieces: Tensor) -> None:
        """Choose among the candidates (N, W, C) of all rows, of which the first is the end: see Batch._extend."""
        width, count = self.sizes.width, values.size(2)
        live, ended = self.live, self.ended
        beam, n_best, min_length, max_length, alpha, kindest, threshold, margin = self.given.options.unbind(1)
        totals = live.totals.unsqueeze(-1) + values
        totals[..., 0].masked_fill_((live.steps < min_length).unsqueeze(1), NEVER)
        totals[..., 1:].masked_fill_((live.steps >= max_length).view(-1, 1, 1), NEVER)
        totals = totals.masked_fill(totals.isnan(), NEVER)
        # A stable order, as on the host: of equals, the first.
        best, order = (sorted_[:, :width] for sorted_ in totals.flatten(1).sort(dim=1, descending=True, stable=True))
        number = torch.arange(width, device=self.device)
        is_chosen = number < (beam - ended.counts).unsqueeze(1)
        is_chosen &= best > self._to_exceed(n_best, margin, kindest)
        is_chosen &= best >= best[:, :1] - threshold.unsqueeze(1)
        has_ended = is_chosen & (order % count == 0)

        # All that was chosen, each behind what it extends.
        at = live.steps.clamp(max=self.sizes.pieces - 1).view(-1, 1, 1).expand(-1, width, 1)
        row = order // count
        piece = pieces.flatten(1).gather(1, order)
        held = row.unsqueeze(-1).expand_as(live.pieces)
        new_pieces = live.pieces.gather(1, held).scatter_(2, at, piece.unsqueeze(-1).int())
        value = values.flatten(1).gather(1, order)
        new_values = live.values.gather(1, held).scatter_(2, at, value.unsqueeze(-1).float())

        steps = live.steps.unsqueeze(1)
        scores = best / ((6 + steps) / 6) ** alpha.unsqueeze(1)
        slot = torch.where(has_ended, ended.counts.unsqueeze(1) + has_ended.cumsum(1) - 1, width)
        for kept, new in (
            (ended.scores, scores),
            (ended.totals, best),
            (ended.lengths, steps.expand_as(order)),
            (ended.pieces, new_pieces),
            (ended.values, new_values),
        ):
            _put(kept, slot, new)
        ended.counts.add_(has_ended.sum(1))

        is_live = is_chosen & ~has_ended & (best > self._to_exceed(n_best, margin, kindest))
        slot = torch.where(is_live, is_live.cumsum(1) - 1, width)
        live.totals.fill_(NEVER)
        for kept, new in (
            (live.totals, best),
            (live.last, piece),
            (live.origins, row),
            (live.pieces, new_pieces),
            (live.values, new_values),
        ):
            _put(kept, slot, new)
        live.steps.add_(1)
        self.rows.copy_(is_live.sum(1))

    def _to_exceed(self, n_best: Tensor, margin: Tensor, kindest: Tensor) -> Tensor:
        """Return the log-probability (N, 1) below which nothing comes among the n best, and within the margin."""
        ranked = self.ended.scores.sort(dim=1, descending=True)[0]
        nth_best = ranked.gather(1, n_best.long().unsqueeze(1) - 1)
        return torch.maximum(nth_best, ranked[:, :1] - margin.unsqueeze(1)) * kindest.unsqueeze(1)


def _put(kept: Tensor, slots: Tensor, new: Tensor) -> None:
    """Write what is new (N, W, …) into the slots (N, W) of what is kept (N, W, …); slot W is nowhere."""
    width = kept.size(1)
    index = slots if new.dim() == 2 else slots.unsqueeze(-1).expand_as(new)
    spare = torch.cat((kept, kept[:, :1]), dim=1)
    kept.copy_(spare.scatter_(1, index, new.to(kept.dtype))[:, :width])
