"""The arenas of a network: made once for each of a few sizes, captured as CUDA graphs, and used again."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from model import torchscript
from model.arena import Arena, Sizes
from model.config import DecodingConfig
from model.graphs import capture_on_cuda
from model.step import Network, Step
from model.tokenizer import END

logger = logging.getLogger(__name__)

PLACES = (8, 32, 64, 128, 256, 512, 768, 1024, 2048, 4096)
WIDTHS = (1, 2, 5, 8, 16)
POSITIONS = 32
"""The smallest number of them, as of pieces; the others are its doubles."""
PREPARED_PLACES, PREPARED_POSITIONS = 1024, (32, 64)
"""Up to which sizes, and for which sources, the first requests find arenas that are made."""
KEPT = 32
"""Arenas that are kept though nobody uses them: each holds its memory and its graph."""


class Arenas:
    """Lends an arena to one batch at a time."""

    def __init__(self, step: Step, device: torch.device) -> None:
        self.device = device
        self._step = step
        self._free: OrderedDict[int, Arena] = OrderedDict()  # the one that was used last is the last
        # What a step needs besides, all graphs have in one place, as one runs at a time.
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle() if device.type == "cuda" else None

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

    @torch.inference_mode()
    def prepare(self, config: DecodingConfig) -> None:
        """Make the arenas of common sizes: a capture takes as long as a hundred steps, and all would wait for it."""
        source = torch.full((1, POSITIONS), END, device=self.device)
        with torchscript.as_written():
            memory, state = self.network.encode(source, torch.tensor([POSITIONS], device=self.device))
        for positions in PREPARED_POSITIONS:
            for places in (places for places in PLACES if places <= PREPARED_PLACES):
                sizes = self.fitting(Sizes(places, *self.needs(config, positions)))
                self.give_back(self.take(sizes, memory, state))

    def take(self, sizes: Sizes, memory: Tensor, state: Tensor) -> Arena:
        """Return an empty arena for memories (…, M) and states (…, Z), for as long as it is not given back."""
        for key, arena in self._free.items():
            if arena.sizes == sizes:
                del self._free[key]
                arena.clear()
                return arena
        arena = Arena(sizes, memory, state)
        arena.run = self._captured(arena)
        arena.clear()
        return arena

    def give_back(self, arena: Arena) -> None:
        """Keep an arena for others, and forget the one that was used least of late if there are many."""
        self._free[id(arena)] = arena
        if len(self._free) > KEPT:
            self._free.popitem(last=False)

    def _captured(self, arena: Arena) -> Callable[[], None]:
        def run() -> None:
            with torchscript.as_written():
                arena.step(self._step)

        if self.device.type != "cuda":
            return run
        try:
            return capture_on_cuda(run, self._pool)[1]
        except RuntimeError:
            logger.exception("a step of %s cannot be captured as a CUDA graph and will run without", arena.sizes)
            return run


def _smallest(sizes: Sequence[int], needed: int) -> int:
    return next((size for size in sizes if size >= needed), needed)


def _doubled(needed: int) -> int:
    return max(POSITIONS, 1 << (needed - 1).bit_length())
