"""A decoder step as CUDA graphs: hundreds of kernel launches become one.

A graph has fixed sizes and fixed addresses, so there is one for each of a few sizes. A step is copied into the smallest
that holds it, beside padding that reaches nothing.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from model.step import Network
from model.tokenizer import PAD

logger = logging.getLogger(__name__)

ROWS = (8, 32, 128, 320, 640, 1280, 2560, 5120)
POSITIONS = (16, 32, 64, 128, 256, 512)
WIDTHS = (8, 16)
MAX_SENTENCES = 1024
MAX_CELLS = 131_072
"""Sentences times positions of a graph: it holds their memories for good."""
WARM_UPS = 2
"""Runs before a capture: cuBLAS and cuDNN make in their first ones what must not be captured."""

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
Outputs = tuple[Tensor, Tensor, Tensor]
Captured = TypeVar("Captured")


class Sizes(NamedTuple):
    """Of one graph."""

    rows: int
    sentences: int
    positions: int
    width: int


class Graph(NamedTuple):
    """A captured step."""

    inputs: Inputs  # pieces, state, memory, source, places
    outputs: Outputs
    replay: Callable[[], None]


_CAPTURING = Lock()
"""PyTorch captures one graph at a time in a process; a bundle may be loaded while another one is served."""


@contextmanager
def _workspaces_of_its_own() -> Iterator[None]:
    """Keep apart what cuBLAS works in: it is of a stream, and graphs that are captured on one run beside each other."""
    torch._C._cuda_clearCublasWorkspaces()
    try:
        yield
    finally:
        torch._C._cuda_clearCublasWorkspaces()


def capture_on_cuda(step: Callable[[], Captured], pool: Any = None) -> tuple[Captured, Callable[[], None]]:
    """Run a step until it is compiled, capture it, and return the tensors it fills and what runs it again.

    Graphs with one ``pool`` (torch.cuda.graph_pool_handle) share what they need besides, and must not run at once.
    RuntimeError for what cannot be captured, OutOfMemoryError among them.
    """
    with _CAPTURING:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # The current stream's block brings the thread back to it when a capture fails, which the graph's does not.
        with (
            _workspaces_of_its_own(),
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"),
        ):
            outputs = step()
    return outputs, graph.replay


class GraphedNetwork:
    """A network on a GPU whose ``decode_step`` is replayed from graphs; a step larger than all of them runs as it is.

    The logits that ``decode_step`` returns are overwritten by the next call.
    """

    def __init__(
        self,
        network: Network,
        capture: Callable[[Callable[[], Outputs]], tuple[Outputs, Callable[[], None]]] = capture_on_cuda,
    ) -> None:
        self._network = network
        self._capture = capture
        self._graphs: dict[Sizes, Graph | None] = {}

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See Network."""
        return self._network.encode(source, lengths)

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See Network."""
        sizes = _sizes(pieces.size(0), memory.size(0), memory.size(1), width)
        if sizes and sizes not in self._graphs:
            self._graphs[sizes] = self._make(sizes, state, memory)
        graph = self._graphs[sizes] if sizes else None
        if sizes is None or graph is None:
            return self._network.decode_step(pieces, state, memory, source, places, width)
        rows, (sentences, positions, _) = pieces.size(0), memory.shape
        for given, held in zip((pieces, state), graph.inputs[:2], strict=True):
            held[:rows].copy_(given)
        graph.inputs[2][:sentences, :positions].copy_(memory)
        graph.inputs[2][:sentences, positions:].zero_()  # a NaN left there would get through a weight of 0
        graph.inputs[3].fill_(PAD)
        graph.inputs[3][:sentences, :positions].copy_(source)
        # The places of a row count in this width, and those of the graph in its own; padding goes beyond all sentences.
        graph.inputs[4].fill_(sizes.sentences * sizes.width)
        graph.inputs[4][:rows].copy_(places // width * sizes.width + places % width)
        graph.replay()
        logits, new_state, weights = graph.outputs
        return logits[:rows], new_state[:rows].clone(), weights[:rows, :positions].clone()

    def _make(self, sizes: Sizes, state: Tensor, memory: Tensor) -> Graph | None:
        """Capture a step of these sizes; None where that fails, which costs speed and nothing else."""
        device, sentences = state.device, sizes.sentences + 1  # one more, for the padding
        try:
            inputs: Inputs = (
                torch.zeros(sizes.rows, dtype=torch.long, device=device),
                state.new_zeros(sizes.rows, state.size(1)),
                memory.new_zeros(sentences, sizes.positions, memory.size(2)),
                torch.full((sentences, sizes.positions), PAD, device=device),
                torch.full((sizes.rows,), sizes.sentences * sizes.width, device=device),
            )
            outputs, replay = self._capture(lambda: self._network.decode_step(*inputs, sizes.width))
        except RuntimeError:
            logger.exception("a step of %s cannot be captured as a CUDA graph and will run without", sizes)
            return None
        return Graph(inputs, outputs, replay)


def _sizes(rows: int, sentences: int, positions: int, width: int) -> Sizes | None:
    """Return the smallest sizes that hold a step, None when it is too large for all."""
    enough_rows = _smallest(ROWS, max(rows, sentences))
    enough_positions = _smallest(POSITIONS, positions)
    enough_width = _smallest(WIDTHS, width)
    if enough_rows is None or enough_positions is None or enough_width is None or sentences > MAX_SENTENCES:
        return None
    places = min(enough_rows, MAX_SENTENCES)
    return (
        Sizes(enough_rows, places, enough_positions, enough_width) if places * enough_positions <= MAX_CELLS else None
    )


def _smallest(sizes: Sequence[int], needed: int) -> int | None:
    return next((size for size in sizes if size >= needed), None)
