"""How close a decoder step comes to the matrix products that it cannot do without, and where the rest goes.

    .venv/bin/python benchmarks/floor.py BUNDLE TEXTS.de-en.tsv [TASK]

In int8 on one thread, as one worker decodes. The floor is every product of a step by itself, on inputs of the same
shape. Steps are timed without the profiler; its table is of other steps, and sums to more.
"""

import sys
import time
from pathlib import Path
from random import Random

import torch
from rich.console import Console
from rich.table import Table
from timing import median_ms
from torch.profiler import ProfilerActivity, profile

from model.bundle import Bundle, load_bundle
from model.config import Task
from model.data import read_rows
from model.search import Batch, Sentence
from model.step import BLOCK

SENTENCES = (1, 8, 32)
TARGET_PIECES = 25
ROUNDS = 15
PRODUCTS = ("quantized::linear_with_input_q_dq_qweight_dq_output_fp32", "aten::bmm")
SHOWN = 14

console = Console(width=120)


def full_batch(bundle: Bundle, sources: list[list[int]]) -> Batch:
    """Return a batch in which every beam has all its rows, none of which is pruned."""
    forced = {"min_length": TARGET_PIECES, "max_length": TARGET_PIECES, "prune_threshold": 0.0}
    config = bundle.manifest.decoding.model_copy(update=forced)
    batch = bundle.search.batch()
    batch.admit([Sentence(source, config) for source in sources])
    batch.step()
    return batch


def products_ms(bundle: Bundle, rows: int, sentences: int, positions: int) -> float:
    """Return the time of the products of one step alone: those by weights, then those of attention."""
    network = bundle.search.network
    assert isinstance(network, torch.jit.ScriptModule)
    modules = [
        module
        for name, module in network.named_modules()
        if name.rpartition(".")[2].startswith("int8")
        and module.packed is not None
        and (name.startswith(("decoder.layers", "decoder.output")) or name == "int8_output")
    ]
    inputs = [torch.rand(rows, module.packed.unpack()[0].size(1)) for module in modules]
    hidden = bundle.manifest.networks[0].hidden_size
    queries = torch.rand(sentences, rows // sentences, hidden)
    keys, weights = torch.rand(sentences, positions, hidden), torch.rand(sentences, rows // sentences, positions)

    @torch.inference_mode()
    def products() -> None:
        for module, given in zip(modules, inputs, strict=True):
            module(given)
        torch.bmm(queries, keys.transpose(1, 2))
        torch.bmm(weights, keys)

    return median_ms(products, ROUNDS)


def passes_ms(rows: int, pieces: int) -> tuple[float, float, float]:
    """Return the times of log-softmax, of the best of each block, and of nothing but a copy, over logits of a step."""
    logits, other = torch.randn(rows, pieces), torch.empty(rows, pieces)
    blocks = logits[:, : pieces // BLOCK * BLOCK].view(rows, -1, BLOCK)
    return (
        median_ms(lambda: torch.log_softmax(logits, dim=-1, out=logits), ROUNDS),
        median_ms(lambda: blocks.amax(dim=-1), ROUNDS),
        median_ms(lambda: other.copy_(logits), ROUNDS),
    )


def steps_ms(bundle: Bundle, sources: list[list[int]]) -> float:
    """Return the median time of a step at full beams."""
    batch = full_batch(bundle, sources)
    return median_ms(batch.step, ROUNDS)


def print_profile(bundle: Bundle, sources: list[list[int]]) -> None:
    """Print what PyTorch's operators take of a step; the rest is Python, NumPy and TorchScript's interpreter."""
    batch = full_batch(bundle, sources)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        started = time.perf_counter()
        for _ in range(ROUNDS):
            batch.step()
        wall = time.perf_counter() - started
    events = sorted(profiled.key_averages(), key=lambda event: -event.self_cpu_time_total)
    of_all = sum(event.self_cpu_time_total for event in events) / 1e6
    table = Table("operator", "ms a step", "share", title=f"{len(sources)} sentences")
    for event in [e for e in events if e.key in PRODUCTS] + [e for e in events if e.key not in PRODUCTS][:SHOWN]:
        seconds = event.self_cpu_time_total / 1e6
        table.add_row(event.key, f"{1000 * seconds / ROUNDS:.3f}", f"{seconds / wall:.1%}")
    table.add_row("outside of operators", f"{1000 * (wall - of_all) / ROUNDS:.3f}", f"{1 - of_all / wall:.1%}")
    console.print(table)


def main() -> None:
    """Print the table of the floor, then the profiles."""
    torch.set_num_threads(1)
    bundle = load_bundle(Path(sys.argv[1]), torch.device("cpu"), "int8")
    file, task = Path(sys.argv[2]), Task.parse(sys.argv[3] if len(sys.argv) > 3 else "translate:de:en")
    texts = [row[0] for row in read_rows(file.name, file.parent)]
    chosen = Random(1).sample(texts, max(SENTENCES))
    sources = [bundle.tokenizer.encode_source(text, task) for text in chosen]
    table = Table("sentences", "rows", "step, ms", "products, ms", "share of the floor", "pieces/s")
    for count in SENTENCES:
        step = steps_ms(bundle, sources[:count])
        rows = count * bundle.manifest.decoding.beam_size
        products = products_ms(bundle, rows, count, 16)
        table.add_row(
            str(count),
            str(rows),
            f"{step:.2f}",
            f"{products:.2f}",
            f"{products / step:.0%}",
            f"{1000 * count / step:,.0f}",
        )
    console.print(table)
    rows = max(SENTENCES) * bundle.manifest.decoding.beam_size
    softmax, best, copy = passes_ms(rows, bundle.manifest.pieces)
    console.print(f"logits of {rows} rows: log-softmax {softmax:.2f} ms, best of blocks {best:.2f}, a copy {copy:.2f}")
    for count in SENTENCES:
        print_profile(bundle, sources[:count])


if __name__ == "__main__":
    main()
