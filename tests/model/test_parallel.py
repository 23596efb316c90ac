import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.checkpoint import load_checkpoint
from model.parallel import open_fabric
from model.recipe import Recipe
from tests.runs import read_log, run_training, with_table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def together(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """Return a recipe without dropout, whose smallest batches hold one pair, and the runs of two processes by it."""
    recipe = with_table(tiny_recipe, "network", dropout=0.0)
    recipe = with_table(
        recipe, "training", steps=40, validate_every_steps=25, batch_pieces=60, accumulate=2, ema_decay=0.9
    )
    runs = tmp_path_factory.mktemp("together")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
    subprocess.run(
        [*command, "tests.two_processes", recipe.model_dump_json(), tiny_corpora, runs],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )
    return recipe, runs


def test_two_processes_train_what_one_does(together: tuple[Recipe, Path], tiny_corpora: Path, tmp_path: Path) -> None:
    recipe, runs = together
    run_training(recipe, tiny_corpora, tmp_path)
    two, one = (load_checkpoint(run / "last.pt") for run in (runs / "straight", tmp_path))
    torch.testing.assert_close(two.network_state, one.network_state, rtol=1e-3, atol=1e-4)
    for row, expected in zip(read_log(runs / "straight"), read_log(tmp_path), strict=True):
        assert {**row, "loss": ""} == {**expected, "loss": ""}
        if expected["loss"]:
            assert float(row["loss"]) == pytest.approx(float(expected["loss"]), abs=2e-4)
    assert {path.name for path in (runs / "straight").iterdir()} == {path.name for path in tmp_path.iterdir()}


def test_two_processes_stop_together_and_go_on_as_if_they_had_not(together: tuple[Recipe, Path]) -> None:
    ended, expected = (load_checkpoint(together[1] / run / "last.pt") for run in ("stopped", "straight"))
    torch.testing.assert_close(ended.network_state, expected.network_state, rtol=0, atol=0)
    for state in (ended.training_state, expected.training_state):
        del state["seconds"]
    torch.testing.assert_close(ended.training_state, expected.training_state, rtol=0, atol=0)
    assert len(expected.training_state["random_states"]) == 2


def test_alone_a_training_is_on_the_device_it_was_given() -> None:
    fabric = open_fabric(torch.device("cpu"), bf16=True)
    assert (fabric.world_size, fabric.global_rank, fabric.device) == (1, 0, torch.device("cpu"))
