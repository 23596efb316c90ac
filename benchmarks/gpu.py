"""Dragoman on a GPU, with an untrained network of GNMT v2's size: throughput, load within a bound, and a step.

    .venv/bin/python benchmarks/gpu.py pieces TEXTS.zh-en.tsv.xz PIECES.model
    .venv/bin/python benchmarks/gpu.py make BUNDLE PIECES.model
    .venv/bin/python benchmarks/gpu.py all BUNDLE --json gpu.json

The engine is asked in this process, without HTTP, and loads what it serves, an exported bundle. Where an untrained
network ends means nothing, so all hypotheses have one length, and none is pruned. It runs on a CPU too, for trying out.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from gpu_measure import (
    console,
    measure_mixed,
    measure_offline,
    measure_server,
    measure_step,
    measure_timeline,
    open_bench,
)

from model.checkpoint import Checkpoint, save_checkpoint
from model.config import DecodingConfig, DType, NetworkConfig, Task, TokenizerConfig
from model.data import read_rows
from model.export import export
from model.network import Seq2Seq
from model.recipe import CorpusConfig, FilterConfig, Recipe
from model.tokenizer import Tokenizer

TASK = Task(kind="translate", source="de", target="en")
LONGEST_SOURCE = 100
BOUND_MS = 250.0

app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

BundleFolder = Annotated[Path, typer.Argument(exists=True, file_okay=False)]
ServedIn = Annotated[DType | None, typer.Option(help="By default what the service would choose.")]
Seconds = Annotated[float, typer.Option(min=0.5, help="How long arrivals come at each load.")]
Json = Annotated[Path | None, typer.Option("--json", help="Where the report goes.")]
Texts = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="TSV: its sources, and hypotheses as long as its references."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="max_batch_sentences; by default the device's.")]


@app.command()
def pieces(
    texts: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TSV, all of whose columns are read.")],
    output: Path,
    vocabulary: int = 32_000,
    rows: Annotated[int, typer.Option(min=1, help="Of the file, the first so many.")] = 30_000,
) -> None:
    """Learn the pieces for a bundle: some 20 s for 32,000."""
    read = list(read_rows(texts.name, texts.parent))[:rows]
    tokenizer = Tokenizer.train(
        (text for row in read for text in row), [TASK], TokenizerConfig(vocabulary_size=vocabulary)
    )
    output.write_bytes(tokenizer.model)


@app.command()
def make(
    folder: Path,
    tokenizer: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="SentencePiece, by `pieces`.")],
    size: Annotated[int, typer.Option(min=2, help="Of embeddings and layers.")] = 1024,
    layers: Annotated[int, typer.Option(min=2, help="Of the encoder, and of the decoder.")] = 4,
    encoder: Literal["bidirectional", "unidirectional"] = "bidirectional",
    target: Annotated[int, typer.Option(min=1, help="Pieces of every hypothesis.")] = 25,
) -> None:
    """Export an untrained network as a bundle. GNMT v2's encoder is bidirectional in its first layer alone."""
    started = time.perf_counter()
    learned = Tokenizer(tokenizer.read_bytes())
    recipe = Recipe(
        name="untrained",
        corpus=[CorpusConfig(name="none", train=["none.tsv"], columns=(TASK.source, TASK.target), tasks=[TASK])],
        filter=FilterConfig(max_source_pieces=LONGEST_SOURCE),
        network=NetworkConfig(
            embedding_size=size, hidden_size=size, encoder_layers=layers, decoder_layers=layers, encoder=encoder
        ),
        decoding=DecodingConfig(beam_size=5, min_length=target, max_length=target, prune_threshold=0),
    )
    torch.manual_seed(1)
    network = Seq2Seq(recipe.network, len(learned))
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        checkpoint = Path(temporary) / "untrained.pt"
        save_checkpoint(checkpoint, Checkpoint(recipe, learned, network.state_dict(), {}, {}))
        manifest = export([checkpoint], folder, version="0", replace=True)
    console.print(
        f"{manifest.parameters / 1e6:.1f} M parameters, {manifest.pieces:,} pieces, "
        f"in {time.perf_counter() - started:.1f} s"
    )


@app.command()
def offline(
    bundle: BundleFolder,
    sentences: Annotated[str, typer.Option(help="Values of max_batch_sentences, with commas between.")] = "1280",
    count: Annotated[int, typer.Option(min=1, help="Sentences at hand.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1)] = 3,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Measure throughput with all sentences at hand."""
    limits = [int(limit) for limit in sentences.split(",")]
    measure_offline(open_bench(bundle, dtype, max(limits), report, texts), limits, count, rounds)


@app.command()
def server(
    bundle: BundleFolder,
    seconds: Seconds = 4.0,
    bound_ms: Annotated[float, typer.Option(min=1)] = BOUND_MS,
    limit: Limit = None,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Search the largest load whose p99 stays within the bound, by policy."""
    measure_server(open_bench(bundle, dtype, limit, report, texts), seconds, bound_ms)


@app.command()
def mixed(
    bundle: BundleFolder,
    seconds: Seconds = 4.0,
    capacity: Annotated[float | None, typer.Option(help="Sentences/s; by default as with all at hand.")] = None,
    limit: Limit = None,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Measure short requests beside documents of fifty sentences, one request in twenty, at half of the capacity."""
    measure_mixed(open_bench(bundle, dtype, limit, report, texts), seconds, capacity)


@app.command()
def profile(
    bundle: BundleFolder,
    sentences: Annotated[int, typer.Option(min=1)] = 1024,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Time a step at full beams, the products that it cannot do without, and what it is made of."""
    measure_step(open_bench(bundle, dtype, sentences, report, texts), sentences)


@app.command()
def timeline(
    bundle: BundleFolder,
    sentences: Annotated[int, typer.Option(min=1, help="max_batch_sentences.")] = 1280,
    count: Annotated[int, typer.Option(min=1, help="Sentences at hand.")] = 10_000,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Look at what the GPU and the host do while all is at hand."""
    measure_timeline(open_bench(bundle, dtype, sentences, report, texts), count)


@app.command(name="all")
def all_of_them(
    bundle: BundleFolder,
    sentences: Annotated[int, typer.Option(min=1, help="max_batch_sentences.")] = 1280,
    count: Annotated[int, typer.Option(min=1, help="Sentences at hand.")] = 20_000,
    seconds: Seconds = 3.0,
    dtype: ServedIn = None,
    texts: Texts = None,
    report: Json = None,
) -> None:
    """Do all of it with one start: a step, all at hand, loads, and loads with documents."""
    bench = open_bench(bundle, dtype, sentences, report, texts)
    measure_step(bench, sentences)
    measure_offline(bench, [sentences], count, rounds=2)
    measure_mixed(bench, seconds, measure_server(bench, seconds, BOUND_MS))


if __name__ == "__main__":
    app()
