"""What a training step on a processor is made of: matrix products, and the rest.

    .venv/bin/python benchmarks/training_profile.py RECIPE.toml --data DATA

PyTorch's profiler over steps of the recipe's own training, after as many to warm up. It slows small operators more than
products, whose share is, if anything, larger without it.
"""

import tempfile
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from model.recipe import load_recipe
from model.training import Prepared, Trainer, open_training, train_tokenizer
from model.tuning import with_values
from service.console import one_sentence_errors

PRODUCTS = (
    "aten::mm",
    "aten::addmm",
    "aten::bmm",
    "aten::mkldnn_rnn_layer",
    "aten::mkldnn_rnn_layer_backward",
)
"""Those of layers by themselves, and oneDNN's whole layers of LSTMs, in which little else takes time."""
SHOWN = 24

console = Console(width=120)


class Profiled(NamedTuple):
    """Steps under the profiler."""

    milliseconds: dict[str, float]
    """Operator → its own time in all steps."""
    seconds: float
    pieces: int
    """Of the target."""


def profile_steps(trainer: Trainer, steps: int) -> Profiled:
    """Take so many steps to warm up, and as many under the profiler."""
    with closing(trainer.shares()) as shares:
        for number, share in enumerate(islice(shares, steps)):
            trainer.optimization.update(share, number)
        ready = list(islice(shares, steps))  # preparing batches is another process's work where it takes long
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            started = time.perf_counter()
            pieces = sum(trainer.optimization.update(share, steps + n).pieces for n, share in enumerate(ready))
            seconds = time.perf_counter() - started
    own = {event.key: event.self_cpu_time_total / 1000 for event in profiler.key_averages()}
    return Profiled(own, seconds, pieces)


def print_profile(profiled: Profiled, steps: int) -> None:
    """Print a row for each operator, those of products first, and what products alone would leave."""
    total = 1000 * profiled.seconds
    products = {name: profiled.milliseconds[name] for name in PRODUCTS if name in profiled.milliseconds}
    rest = sorted(profiled.milliseconds.keys() - products.keys(), key=lambda name: -profiled.milliseconds[name])
    table = Table("operator", "ms a step", "share")
    for name in [*products, *rest[:SHOWN]]:
        own = profiled.milliseconds[name]
        table.add_row(name, f"{own / steps:.1f}", f"{own / total:.1%}")
    console.print(table)
    rate, of_products = profiled.pieces / profiled.seconds, sum(products.values()) / total
    console.print(
        f"{total / steps:.0f} ms a step, {rate:,.0f} target pieces/s, profiled. Products are {of_products:.0%}: "
        f"{rate / of_products:,.0f} if nothing else took time"
    )


def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
    steps: Annotated[int, typer.Option(min=1, help="To profile, after as many")] = 30,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Print the operators of a training step with their shares of the time."""
    torch.set_num_threads(threads)
    with one_sentence_errors(), tempfile.TemporaryDirectory() as folder:
        followed = with_values(
            load_recipe(recipe),
            {"training.steps": 2 * steps, "training.warmup_steps": 1, "training.decay_steps": 0}
            | {"training.validate_every_steps": 10 * steps, "training.checkpoint_every_minutes": 1000.0},
        )
        run = Path(folder)
        prepared = Prepared(train_tokenizer(followed, data), run / "cache")
        trainer = open_training(
            followed, data=data, run=run, resume=False, device=torch.device("cpu"), prepared=prepared
        )
        print_profile(profile_steps(trainer, steps), steps)


if __name__ == "__main__":
    typer.run(main)
