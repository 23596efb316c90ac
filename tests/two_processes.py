"""What torchrun starts twice for tests/model/test_parallel.py: two processes that train together, as one."""

import json
import sys
from pathlib import Path

import torch

from model.recipe import Recipe
from model.training import open_training
from model.training_log import Progress


def main(recipe: Recipe, data: Path, runs: Path) -> None:
    """Train by the recipe straight, and once more with a stop that the second process alone is asked for."""

    def train(run: Path, stop_at: int = 0, *, resume: bool = False) -> None:
        trainer = open_training(recipe, data=data, run=run, resume=resume, device=torch.device("cpu"))
        is_asked = trainer.fabric.global_rank == 1

        def report(progress: Progress) -> None:
            if is_asked and progress.step == stop_at:
                trainer.stop()

        trainer.train(report)
        assert trainer.is_stopped == (stop_at > 0)

    torch.set_num_threads(1)
    train(runs / "straight")
    train(runs / "stopped", stop_at=20)
    train(runs / "stopped", resume=True)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Recipe.model_validate(json.loads(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3]))
