"""What each choice of a recipe is worth on dev: a training as the recipe has it, and one for each change of it alone.

    .venv/bin/python benchmarks/choices.py RECIPE.toml --data DATA --run RUN network.dropout=0.1 network.cell=gru ...

A change is KEY=VALUE, or several joined by a comma; --with is for what all trainings share, as
fewer steps. They have the same seed, tokenizer and text, and one follows another; what was trained before in RUN is not
trained again, and one that was broken off goes on. How fast each trained tells of a quiet machine only.
"""

import csv
import statistics
import tomllib
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from rich.console import Console
from rich.table import Table

from model.atomic import write_atomically
from model.recipe import Recipe, RecipeError, load_recipe
from model.tokenizer import Tokenizer
from model.toml import to_toml
from model.training import Prepared, open_training, train_tokenizer
from model.training_log import Progress
from model.tuning import with_values
from service.console import console, one_sentence_errors

AS_IT_IS = ""
"""The change that is none."""


class Result(NamedTuple):
    """How a training ended."""

    loss: float
    """Of the last steps, nats a target piece."""
    scores: dict[int, float]
    """Step of each validation → mean score on dev."""
    pieces_per_second: float
    """Target pieces, median of the log's rows."""


def parse(change: str) -> dict[str, Any]:
    """Return key → value of ``KEY=VALUE,KEY=VALUE``; a value that is none of TOML is a text."""
    values: dict[str, Any] = {}
    for part in change.split(",") if change else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise RecipeError(f"{part} is no change; one looks like network.dropout=0.2")
        try:
            values[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = value
        if key.startswith("tokenizer."):
            raise RecipeError(f"{key}: all trainings share a tokenizer")
    return values


def read_log(run: Path) -> Result:
    """Read how a training went from its log.csv."""
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    updates = [row for row in rows if row["loss"]]
    scores: dict[int, list[float]] = {}
    for row in rows:
        if row["score"]:
            scores.setdefault(int(row["step"]), []).append(float(row["score"]))
    return Result(
        loss=float(updates[-1]["loss"]),
        scores={step: statistics.fmean(of_tasks) for step, of_tasks in scores.items()},
        pieces_per_second=statistics.median(float(row["pieces_per_second"]) for row in updates),
    )


def train(recipe: Recipe, *, data: Path, run: Path, prepared: Prepared) -> Result:
    """Train to the end, unless that was done before."""

    def report(progress: Progress) -> None:
        if progress.scores:
            scores = ", ".join(f"{task} {score:.2f}" for task, score in progress.scores.items())
            console.print(f"{run.name}: step {progress.step}, loss {progress.loss:.3f}, on dev: {scores}")

    resume = (run / "last.pt").exists()
    trainer = open_training(recipe, data=data, run=run, resume=resume, device=torch.device("cpu"), prepared=prepared)
    trainer.train(report)
    return read_log(run)


def print_results(results: dict[str, Result]) -> None:
    """Print a row for each training, with its gain over that of the recipe as it is, the first."""
    if AS_IT_IS not in results:
        return
    table = Table("change", "loss", "on dev, by steps", "best", "beside the recipe", "target pieces/s")
    own = max(results[AS_IT_IS].scores.values())
    for change, result in results.items():
        best = max(result.scores.values())
        curve = ", ".join(f"{score:.1f} ({step:,})" for step, score in result.scores.items())
        table.add_row(
            change or "as it is",
            f"{result.loss:.2f}",
            curve,
            f"{best:.2f}",
            f"{best - own:+.2f}",
            f"{result.pieces_per_second:,.0f}",
        )
    Console(width=150).print(table)


def main(
    recipe: Annotated[Path, typer.Argument(help="TOML file")],
    changes: Annotated[list[str], typer.Argument(help="KEY=VALUE, or several joined by a comma")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
    run: Annotated[Path, typer.Option(help="Folder for the trainings")],
    shared: Annotated[str, typer.Option("--with", help="Changes that all trainings share, as training.steps=500")] = "",
) -> None:
    """Train by a recipe, and once more with each change of it alone, and print how they score on dev."""
    with one_sentence_errors():
        print_results(train_all(recipe, changes, data=data, run=run, shared=shared))


def train_all(recipe: Path, changes: list[str], *, data: Path, run: Path, shared: str) -> dict[str, Result]:
    """Return change → how its training ended, that of the recipe as it is first."""
    base = with_values(load_recipe(recipe), parse(shared))
    recipes = {change: with_values(base, parse(change)) for change in (AS_IT_IS, *changes)}
    if not any(corpus.dev for corpus in base.corpus):
        raise RecipeError(f"{base.name}: no corpus has a dev file to compare by")
    _begin(base, run)
    tokenizer = run / "tokenizer.model"
    if not tokenizer.exists():
        write_atomically(tokenizer, train_tokenizer(base, data).model)
    prepared = Prepared(Tokenizer(tokenizer.read_bytes()), run / "cache")
    results = {}
    for change, changed in recipes.items():
        folder = run / (change.replace(",", "+") or "as-it-is")
        try:
            results[change] = train(changed, data=data, run=folder, prepared=prepared)
        except RecipeError as error:  # as of a rate that is too high: the others can still be compared
            console.print(f"{folder.name}: {error}", style="yellow", markup=False)
    return results


def _begin(base: Recipe, run: Path) -> None:
    """Keep in the folder what all trainings share, and refuse a folder that others were trained in."""
    kept, content = run / "recipe.toml", to_toml(base)
    if kept.exists() and kept.read_text() != content:
        raise RecipeError(f"{run}: holds trainings by another recipe, or with other changes that all share")
    run.mkdir(parents=True, exist_ok=True)
    write_atomically(kept, content.encode())


if __name__ == "__main__":
    typer.run(main)
