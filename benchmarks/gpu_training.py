"""How fast one GPU trains a network of the size of GNMT v2, as NVIDIA counts it.

    .venv/bin/python benchmarks/gpu_training.py PAIRS.zh-en.tsv.xz --folder FOLDER --prepare-only    # on any machine
    .venv/bin/python benchmarks/gpu_training.py PAIRS.zh-en.tsv.xz --folder FOLDER --output gpu-training.json

NVIDIA's reference implementation (DeepLearningExamples, PyTorch/Translation/GNMT) tells tokens/s of both sides, their
ends counted and padding not; for one V100 it tells 66,050. ``both sides`` below is the same count: a source has a tag
and an end, a target its end.

Equal: 4 layers and 4 of 1,024, residual connections, attention queried by the decoder's first layer and read by all
others; 32,000 pieces for both languages, dropout 0.2, label smoothing 0.1, Adam, clipping of gradients, sentences of up
to 50 pieces a side, batches of like lengths.

Not equal:

- All of our encoder's layers read in both directions, each half as wide as the layer; theirs does in the first alone,
  each as wide. So 4 have 25.2 M weights and theirs 46.2 M: with --encoder-layers 7 ours has 44.1 M.
- Their attention is additive, normalized; ours is the general one. Our output layer shares the embeddings.
- Their text is WMT16 en-de, ours what is given, each pair as often as REPEAT in an epoch so that large batches of like
  lengths can be filled. What counts of it is how long sentences are.

Batches are made by worker processes and go through loss, backward pass, clipping and Adam as in a training; nobody
validates or saves meanwhile. ``waits`` is the share of the time in which the next batch was waited for.
"""

import json
import shutil
import time
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from rich.console import Console
from rich.table import Table

from model.atomic import write_atomically
from model.batches import Share
from model.recipe import Recipe
from model.tokenizer import Tokenizer
from model.training import Prepared, Trainer, open_training, train_tokenizer
from model.training_set import open_training_set

MAX_PIECES = 50
REPEAT = 16
WARMUP_STEPS = 20
PUBLISHED = 66_050
"""Tokens/s of both sides that NVIDIA tells of one V100 in mixed precision."""

console = Console(width=140)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Measurement(NamedTuple):
    """What was seen of a setting."""

    batch_pieces: int
    bf16: bool
    steps: int
    finite: int
    """Steps that were taken; others were skipped because loss or gradient was not finite."""
    seconds: float
    both_sides: float
    """Pieces of source and target a second, padding not counted."""
    target: float
    """Those of the target."""
    padding: float
    """Share of the positions."""
    waits: float
    """Share of the time in which the next batch was waited for."""
    gigabytes: float
    """Of the GPU's memory, at most."""


def recipe_of(pairs: Path, task: str, pieces: int, size: int, encoder_layers: int) -> Recipe:
    """Return the recipe of the text and the network."""
    _, source, target = task.split(":")
    corpus = {"name": pairs.name, "train": [pairs.name], "columns": (source, target), "tasks": [task]}
    network = {
        "embedding_size": size,
        "hidden_size": size,
        "encoder_layers": encoder_layers,
        "decoder_layers": 4,
        "dropout": 0.2,
    }
    return Recipe.model_validate(
        {
            "name": "gnmt-v2",
            "corpus": [corpus],
            "filter": {"max_source_pieces": MAX_PIECES, "max_target_pieces": MAX_PIECES},
            "tokenizer": {"vocabulary_size": pieces},
            "network": network,
            "training": {"steps": 1_000_000, "warmup_steps": 200, "label_smoothing": 0.1, "max_gradient_norm": 5.0},
        }
    )


def prepare(recipe: Recipe, texts: Path, folder: Path) -> Prepared:
    """Return the tokenizer that is kept in the folder, learnt if need be, and where the text in pieces is kept."""
    path = folder / "tokenizer.model"
    if not path.exists():
        console.print(f"learning {recipe.tokenizer.vocabulary_size:,} pieces")
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, train_tokenizer(recipe, texts).model)
    return Prepared(Tokenizer(path.read_bytes()), folder / "cache")


def with_training(recipe: Recipe, **changes: object) -> Recipe:
    """Return the recipe with its corpus repeated and keys of [training] changed."""
    corpora = [corpus.model_copy(update={"repeat": REPEAT}) for corpus in recipe.corpus]
    return recipe.model_copy(update={"corpus": corpora, "training": recipe.training.model_copy(update=changes)})


def synchronize(device: torch.device) -> None:
    """Wait for all that the device has still to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def counted(share: Share) -> tuple[int, int, int]:
    """Return the pieces of the source, those of the target, and the positions of both."""
    source = sum(int(part.lengths.sum()) for part in share.parts)
    positions = sum(part.source.numel() + part.target_inputs.numel() for part in share.parts)
    return source, share.pieces, positions


def measure(trainer: Trainer, warmup_steps: int, seconds: float) -> Measurement:
    """Take steps for some time, after some to warm up."""
    optimization, config, device = trainer.optimization, trainer.recipe.training, trainer.device
    with closing(trainer.shares()) as shares:
        for step in range(warmup_steps):
            optimization.update(next(shares), step)
        synchronize(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        steps = finite = source = target = positions = 0
        waited = 0.0
        began = time.perf_counter()
        while time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            share = next(shares)
            waited += time.perf_counter() - asked
            finite += optimization.update(share, warmup_steps + steps).is_finite
            of_source, of_target, of_both = counted(share)
            steps, source, target, positions = steps + 1, source + of_source, target + of_target, positions + of_both
        synchronize(device)
        took = time.perf_counter() - began
    return Measurement(
        batch_pieces=config.batch_pieces,
        bf16=config.bf16,
        steps=steps,
        finite=finite,
        seconds=took,
        both_sides=(source + target) / took,
        target=target / took,
        padding=1 - (source + target) / positions,
        waits=waited / took,
        gigabytes=torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0,
    )


def table_of(found: list[Measurement], title: str) -> Table:
    """Return what is printed."""
    columns = ("batch_pieces", "type", "steps", "finite", "both sides/s", "target/s", "padding", "waits", "GB")
    table = Table(*columns, title=title)
    for one in found:
        table.add_row(
            f"{one.batch_pieces:,}",
            "bfloat16" if one.bf16 else "float32 or TF32",
            str(one.steps),
            str(one.finite),
            f"{one.both_sides:,.0f} ({one.both_sides / PUBLISHED:.1f} x)",
            f"{one.target:,.0f}",
            f"{one.padding:.0%}",
            f"{one.waits:.0%}",
            f"{one.gigabytes:.1f}",
        )
    return table


def try_setting(recipe: Recipe, texts: Path, folder: Path, device: torch.device, seconds: float) -> Measurement | None:
    """Measure a training of its own by the recipe; None where it does not fit, or the device lacks the type."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    prepared = prepare(recipe, texts, folder)
    try:
        trainer = open_training(recipe, data=texts, run=run, resume=False, device=device, prepared=prepared)
        return measure(trainer, WARMUP_STEPS, seconds)
    except RuntimeError as error:
        console.print(f"{recipe.training.batch_pieces:,}, bf16 {recipe.training.bf16}: {error}")
        return None


@app.command()
def main(
    pairs: Annotated[Path, typer.Argument(help="TSV (.xz, .gz): source, target")],
    folder: Annotated[Path, typer.Option(help="Where tokenizer and text in pieces are kept")],
    output: Annotated[Path | None, typer.Option(help="JSON to write")] = None,
    task: Annotated[str, typer.Option(help="What the pairs are")] = "translate:zh:en",
    prepare_only: Annotated[bool, typer.Option("--prepare-only", help="Fill the folder, and measure nothing")] = False,
    batch_pieces: Annotated[str, typer.Option(help="Positions of a batch")] = "16000,32000,64000,128000",
    types: Annotated[str, typer.Option(help="Of numbers; float32 is TF32 on a GPU")] = "bfloat16,float32",
    workers: Annotated[int, typer.Option(help="Processes that make batches")] = 8,
    seconds: Annotated[float, typer.Option(help="Of each measurement")] = 10.0,
    size: Annotated[int, typer.Option(help="Of embeddings and layers")] = 1024,
    encoder_layers: Annotated[int, typer.Option(min=1)] = 4,
    pieces: Annotated[int, typer.Option(help="Of the tokenizer")] = 32_000,
) -> None:
    """Print a table, a row for each size of batch and type of number."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    texts = pairs.parent
    recipe = recipe_of(pairs, task, pieces, size, encoder_layers)
    prepared = prepare(recipe, texts, folder)
    training_set = open_training_set(recipe, prepared.tokenizer, texts=texts, cache=prepared.cache)
    console.print(f"{len(training_set):,} pairs; dropped: {training_set.dropped}; {len(prepared.tokenizer):,} pieces")
    if prepare_only:
        return
    found: list[Measurement] = []
    for type_name, positions in product(types.split(","), map(int, batch_pieces.split(","))):
        bf16 = type_name == "bfloat16"
        changed = with_training(recipe, batch_pieces=positions, bf16=bf16, workers=workers)
        measured = try_setting(changed, texts, folder, device, seconds)
        if measured:
            found.append(measured)
            console.print(f"{positions:,} {type_name}: {measured.both_sides:,.0f} of both sides/s")
        if device.type == "cuda":
            torch.cuda.empty_cache()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    console.print(table_of(found, f"{name}, {encoder_layers} encoder layers of {size}"))
    if output:
        rows = [one._asdict() for one in found]
        content = {"device": name, "torch": torch.__version__, "encoder_layers": encoder_layers, "size": size}
        write_atomically(output, json.dumps({**content, "measurements": rows}, indent=1).encode())


if __name__ == "__main__":
    app()
