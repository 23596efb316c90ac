"""What a decoder step takes at full beams, how close that is to its matrix products alone, and where the rest goes."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from timing import median_ms
from torch.profiler import ProfilerActivity, profile

from model.bundle import Bundle
from model.config import DType, NetworkConfig
from model.search import Batch, Sentence

ROUNDS = 30
TARGET_PIECES = 250
"""More than there are steps here: nobody ends."""
REPEATS = 10
"""Of the products in one measurement, so that what it takes to ask for them is hidden behind those before."""
GATES = 4


class Share(NamedTuple):
    """What one kernel or operator takes of a step."""

    name: str
    ms: float
    calls: float


class StepReport(NamedTuple):
    """A step, timed without the profiler; its tables are of other steps, and sum to more."""

    sentences: int
    rows: int
    positions: int
    admit_ms: float
    """To encode all of the sentences."""
    step_ms: float
    products_ms: float
    kernels: list[Share]
    operators: list[Share]
    outside_ms: float
    """Of a profiled step, what is not in PyTorch's operators on the host: Python, NumPy, TorchScript's interpreter."""

    @property
    def share_of_floor(self) -> float:
        """Return the products' part of a step."""
        return self.products_ms / self.step_ms


def report_step(bundle: Bundle, sources: Sequence[list[int]]) -> StepReport:
    """Measure steps of a batch of these sources, every beam with all its rows."""
    admit_ms = median_ms(lambda: _admitted(bundle, sources), 3)
    batch = _full_batch(bundle, sources)
    step_ms = median_ms(batch.step, ROUNDS)
    rows, positions = batch.rows, -(-max(map(len, sources)) // 16) * 16
    products = products_of_step(bundle, rows, len(sources), positions)
    products_ms = median_ms(products, ROUNDS) / REPEATS
    kernels, operators, outside_ms = _profiled(batch.step)
    return StepReport(
        len(sources), batch.rows, positions, admit_ms, step_ms, products_ms, kernels, operators, outside_ms
    )


def _admitted(bundle: Bundle, sources: Sequence[list[int]]) -> Batch:
    forced = {"min_length": TARGET_PIECES, "max_length": TARGET_PIECES, "prune_threshold": 0.0}
    config = bundle.manifest.decoding.model_copy(update=forced)
    batch = bundle.search.batch()
    batch.admit([Sentence(source, config) for source in sources])
    _synchronize(bundle.search.device)
    return batch


def _full_batch(bundle: Bundle, sources: Sequence[list[int]]) -> Batch:
    batch = _admitted(bundle, sources)
    while batch.rows < len(sources) * bundle.manifest.decoding.beam_size:
        batch.step()
    return batch


def products_of_step(bundle: Bundle, rows: int, sentences: int, positions: int) -> Callable[[], None]:
    """Return what does ``REPEATS`` times the products of a step over so many rows.

    Those by weights, in the type in which the bundle is served, then those of attention, all on random numbers.
    """
    network, pieces = bundle.manifest.networks[0], bundle.manifest.pieces
    hidden, embedding = network.hidden_size, network.embedding_size
    read = [embedding] + [2 * hidden] * (network.decoder_layers - 1)
    sizes = [size for inputs in read for size in ((inputs, GATES * hidden), (hidden, GATES * hidden))]
    sizes += [(2 * hidden, embedding), (embedding, pieces)]
    like: dict[str, Any] = {"device": bundle.search.device, "dtype": getattr(torch, bundle.dtype)}
    pairs = [(torch.randn(rows, i, **like), torch.randn(o, i, **like)) for i, o in sizes]
    queries = torch.randn(sentences, rows // sentences, hidden, **like)
    keys = torch.randn(sentences, positions, hidden, **like)
    weights = torch.rand(sentences, rows // sentences, positions, **like)

    @torch.inference_mode()
    def products() -> None:
        for _ in range(REPEATS):
            for inputs, matrix in pairs:
                torch.nn.functional.linear(inputs, matrix)
            torch.bmm(queries, keys.transpose(1, 2))
            torch.bmm(weights, keys)
        _synchronize(bundle.search.device)

    return products


def has_known_products(network: NetworkConfig, dtype: DType) -> bool:
    """Say whether ``products_of_step`` knows what such a network multiplies."""
    plain = not network.copying and not network.input_feeding
    return plain and network.cell == "lstm" and network.attention in ("general", "dot") and dtype != "int8"


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _profiled(step: Callable[[], object]) -> tuple[list[Share], list[Share], float]:
    """Return kernels and operators, those that take most first, and what the host does outside of operators."""
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])]
    with profile(activities=activities) as profiled:
        started = time.perf_counter()
        for _ in range(ROUNDS):
            step()
        wall_ms = 1000 * (time.perf_counter() - started)
    events = profiled.key_averages()
    kernels = [
        Share(event.key, event.self_device_time_total / 1000 / ROUNDS, event.count / ROUNDS)
        for event in events
        if event.device_type.name == "CUDA"
    ]
    operators = [
        Share(event.key, event.self_cpu_time_total / 1000 / ROUNDS, event.count / ROUNDS)
        for event in events
        if event.device_type.name == "CPU"
    ]
    outside_ms = wall_ms / ROUNDS - sum(share.ms for share in operators)
    return _most_first(kernels), _most_first(operators), outside_ms


def _most_first(shares: list[Share]) -> list[Share]:
    return sorted(shares, key=lambda share: -share.ms)
