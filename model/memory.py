"""The memories of the sentences that are being decoded, in one tensor that sentences join and leave in place.

Beside each memory is the source that it was made from: its padding says where there is no memory.

B sentences, N places for sentences, S source positions, M size of a memory.
"""

import torch
from torch import Tensor

from model.tokenizer import PAD

POSITIONS_MULTIPLE = 16
"""Positions are rounded up to it: over such lengths the matrix products of attention give every sentence the same
bits, whatever the longest of its batch."""


class MemoryPool:
    """Memories side by side; whoever leaves is replaced by the last, so that they stay without gaps."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None  # (N, S, M)
        self._source: Tensor | None = None  # (N, S)
        self._lengths: list[int] = []

    def __len__(self) -> int:
        return len(self._lengths)

    @property
    def positions(self) -> int:
        """Positions to attend to: those of the longest, rounded up."""
        return _rounded_up(max(self._lengths, default=0))

    def add(self, memory: Tensor, source: Tensor, lengths: list[int]) -> None:
        """Add memories (B, S, M) with their sources (B, S) and lengths behind those that are there.

        When there is no memory to grow by, nothing is added.
        """
        first, last = len(self), len(self) + len(lengths)
        positions = max(lengths)
        pool, sources = self._reserve(last, _rounded_up(positions), memory)
        self._lengths += lengths
        pool[first:last, :positions] = memory[:, :positions]
        pool[first:last, positions:] = 0  # a NaN of whoever was here before would get through a weight of 0
        sources[first:last] = PAD
        sources[first:last, :positions] = source[:, :positions]

    def remove(self, index: int) -> None:
        """Take one away; the last takes its index."""
        assert self._memory is not None
        assert self._source is not None
        last = len(self) - 1
        if index != last:
            self._memory[index] = self._memory[last]
            self._source[index] = self._source[last]
            self._lengths[index] = self._lengths[last]
        self._lengths.pop()

    def views(self) -> tuple[Tensor, Tensor]:
        """Return memory (B, S, M) and source (B, S) of those that are there."""
        assert self._memory is not None
        assert self._source is not None
        return self._memory[: len(self), : self.positions], self._source[: len(self), : self.positions]

    def _reserve(self, sentences: int, positions: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return memory and source with room for so many, those of today in their places."""
        memory, source = self._memory, self._source
        if memory is None or source is None or sentences > memory.size(0) or positions > memory.size(1):
            places = max(sentences, 0 if memory is None else memory.size(0))
            positions = max(positions, 0 if memory is None else memory.size(1))
            # Zeros: what was never written must be finite, as attention multiplies it by 0.
            memory_new = like.new_zeros(places, positions, like.size(-1))
            source_new = torch.full((places, positions), PAD, device=like.device)
            if memory is not None and source is not None:
                memory_new[: memory.size(0), : memory.size(1)] = memory
                source_new[: source.size(0), : source.size(1)] = source
            self._memory, self._source = memory, source = memory_new, source_new
        return memory, source


def _rounded_up(length: int) -> int:
    return -(-length // POSITIONS_MULTIPLE) * POSITIONS_MULTIPLE
