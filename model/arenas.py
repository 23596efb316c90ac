"""The arenas of a network: made once for each of a few sizes, captured as CUDA graphs, and used again."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from model import torchscript
from model.arena import Arena, Sizes
from model.config import DecodingConfig
from model.graphs import capture_on_cuda
from model.step import Network, Step
from model.tokenizer import END, PAD

logger = logging.getLogger(__name__)

PLACES = (8, 32, 64, 128, 256, 512, 768, 1024)
MOST_PLACES = PLACES[-1]
"""Twice as many bore no more on an H200: 104,000 to 110,600 pieces/s, beside 109,800 to 110,400."""
WIDTHS = (1, 2, 5, 8)
POSITIONS = 32
"""The smallest number of them, as of pieces; the others are its doubles."""
PREPARED_SENTENCES, PREPARED_POSITIONS = 256, (32, 64, 128)
"""Up to how many joining sentences, and for which sources, graphs are made beforehand."""
KEPT = 32
"""Arenas that are kept though nobody uses them: each holds its memory and its graph."""

Capture = Callable[[Callable[[], Any], Any], tuple[Any, Callable[[], None]]]
"""See capture_on_cuda."""


class Encoder(NamedTuple):
    """A captured encoding of so many sentences."""

    source: Tensor  # (B, S)
    lengths: Tensor  # (B)
    outputs: tuple[Tensor, Tensor]  # memory (B, S, M) and state (B, Z), which the next replay overwrites
    replay: Callable[[], None]


class Arenas:
    """Lends an arena to one batch at a time."""

    def __init__(self, step: Step, device: torch.device, capture: Capture = capture_on_cuda) -> None:
        self.device = device
        self._capture = capture
        self._step = step
        self._free: list[Arena] = []  # the one that was used last is the last
        self._encoders: dict[tuple[int, int], Encoder | None] = {}
        is_gpu = device.type == "cuda"
        self._stream = torch.cuda.Stream(device) if is_gpu else None  # type: ignore[no-untyped-call]
        # What graphs need besides, all steps have in one place, as one runs at a time, and all encoders in another.
        self._pool, self._encoders_pool = (torch.cuda.graph_pool_handle() if is_gpu else None for _ in range(2))

    @property
    def network(self) -> Network:
        """What encodes for the arenas."""
        return self._step.network

    def beside_steps(self) -> AbstractContextManager[None]:
        """Have the device do what the block asks for beside the steps, in order only among itself."""
        return nullcontext() if self._stream is None else torch.cuda.stream(self._stream)

    def needs(self, config: DecodingConfig, source_length: int) -> tuple[int, int, int]:
        """Return a sentence's width, positions and pieces, the pieces of the longest source in as many positions."""
        positions = _doubled(source_length)
        return config.beam_size, positions, config.longest(positions) + 1

    def fitting(self, needed: Sizes) -> Sizes:
        """Return the smallest sizes of an arena in which so much fits."""
        places, width, positions, pieces = needed
        return Sizes(_smallest(PLACES, places), _smallest(WIDTHS, width), _doubled(positions), _doubled(pieces))

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See Network; a layer reads position by position, so that launches take longer than what is launched."""
        count, positions = source.shape
        sizes = _smallest(PLACES, count), _doubled(positions)
        if sizes not in self._encoders:
            self._encoders[sizes] = self._captured_encoder(*sizes)
        encoder = self._encoders[sizes]
        if encoder is None:
            with torchscript.as_written():
                return self.network.encode(source, lengths)
        encoder.source.fill_(PAD)
        encoder.source[:, 0] = END  # of who is not there, which has to have a length
        encoder.source[:count, :positions].copy_(source)
        encoder.lengths.fill_(1)
        encoder.lengths[:count].copy_(lengths)
        encoder.replay()
        memory, state = encoder.outputs
        return memory[:count].clone(), state[:count].clone()

    def _captured_encoder(self, count: int, positions: int) -> Encoder | None:
        source = torch.full((count, positions), END, device=self.device)
        lengths = torch.full((count,), positions, device=self.device)

        def run() -> tuple[Tensor, Tensor]:
            with torchscript.as_written():
                return self.network.encode(source, lengths)

        try:
            return Encoder(source, lengths, *self._capture(run, self._encoders_pool))
        except RuntimeError:
            logger.exception("to encode %d sentences cannot be captured as a CUDA graph and will run without", count)
            return None

    @torch.inference_mode()
    def prepare(self, config: DecodingConfig) -> None:
        """Make the arenas of common sizes: a capture takes as long as a hundred steps, and all would wait for it.

        Those for which there is no memory are made when they are needed.
        """
        try:
            for positions in PREPARED_POSITIONS:
                memory, state = self._prepare_encoders(positions)
                for places in PLACES:
                    sizes = self.fitting(Sizes(places, *self.needs(config, positions)))
                    self._free.append(self._make(sizes, memory, state))
        except torch.OutOfMemoryError:
            logger.warning("no memory to make the graphs of all common sizes beforehand")

    def _prepare_encoders(self, positions: int) -> tuple[Tensor, Tensor]:
        """Make those for sources of so many positions; return a memory (…, M) and a state (…, Z)."""
        with self.beside_steps():
            for count in (places for places in PLACES if places <= PREPARED_SENTENCES):
                source = torch.full((count, positions), END, device=self.device)
                encoded = self.encode(source, torch.full((count,), positions, device=self.device))
        return encoded

    def take(self, sizes: Sizes, memory: Tensor, state: Tensor) -> Arena:
        """Return an empty arena for memories (…, M) and states (…, Z), for as long as it is not given back.

        OutOfMemoryError when there is no room for it, even without those that nobody uses.
        """
        for arena in self._free:
            if arena.sizes == sizes:
                self._free.remove(arena)
                arena.clear()
                return arena
        try:
            return self._make(sizes, memory, state)
        except torch.OutOfMemoryError:
            self._free.clear()
            return self._make(sizes, memory, state)

    def _make(self, sizes: Sizes, memory: Tensor, state: Tensor) -> Arena:
        arena = Arena(sizes, memory, state)
        arena.run = self._captured(arena)
        arena.clear()
        return arena

    def give_back(self, arena: Arena) -> None:
        """Keep an arena for others, and forget the one that was used least of late if there are many."""
        self._free.append(arena)
        if len(self._free) > KEPT:
            self._free.pop(0)

    def _captured(self, arena: Arena) -> Callable[[], None]:
        def run() -> None:
            with torchscript.as_written():
                arena.step(self._step)

        try:
            return self._capture(run, self._pool)[1]
        except RuntimeError:
            logger.exception("a step of %s cannot be captured as a CUDA graph and will run without", arena.sizes)
            return run


def _smallest(sizes: Sequence[int], needed: int) -> int:
    return next((size for size in sizes if size >= needed), needed)


def _doubled(needed: int) -> int:
    return max(POSITIONS, 1 << (needed - 1).bit_length())
