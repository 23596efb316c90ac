"""Trainings that tests start, kill and read."""

import csv
from collections.abc import Callable
from pathlib import Path

import torch

from model.config import Config
from model.recipe import Recipe
from model.training import Trainer, open_training
from model.training_log import Progress


class Killed(BaseException):
    """Stands for the end of the process."""


def kill_at(step: int) -> Callable[[Progress], None]:
    """Return a report that ends the process at a step."""

    def report(progress: Progress) -> None:
        if progress.step >= step:
            raise Killed

    return report


def run_training(
    recipe: Recipe, data: Path, run: Path, *, resume: bool = False, start: Path | None = None,
    report: Callable[[Progress], None] = lambda _: None,
) -> Trainer:  # fmt: skip
    """Train to the end."""
    trainer = open_training(recipe, data=data, run=run, resume=resume, device=torch.device("cpu"), start=start)
    trainer.train(report)
    return trainer


def read_log(run: Path) -> list[dict[str, str]]:
    """Return the log's rows, without what depends on the clock."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key not in {"seconds", "pieces_per_second"}}
            for row in csv.DictReader(file)
        ]


def with_table(recipe: Recipe, table: str, **changes: object) -> Recipe:
    """Return the recipe with entries of one of its tables changed."""
    part: Config = getattr(recipe, table)
    return recipe.model_copy(update={table: part.model_copy(update=changes)})
