import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from model.optimization import Optimization, Update
from model.recipe import load_recipe
from tests.service.cli.commands import Dragoman, assert_one_sentence


@pytest.fixture
def tunable(recipe: Path) -> Path:
    with recipe.open("a") as file:
        file.write('[tune]\n"training.learning_rate" = {low = 1e-4, high = 1e-2, log = true}\n')
    return recipe


def test_a_search_is_stopped_goes_on_and_ends_in_a_table_and_a_recipe_to_train_by(
    dragoman: Dragoman, tunable: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = Optimization.update

    def update_and_signal(*arguments: Any) -> Update:
        os.kill(os.getpid(), signal.SIGTERM)
        return update(*arguments)

    monkeypatch.chdir(tmp_path)
    arguments = ["tune", tunable, "--data", tiny_corpora, "--trials", 2]
    with monkeypatch.context() as patched:
        patched.setattr(Optimization, "update", update_and_signal)
        stopped = dragoman(*arguments)
    assert stopped.status == 143
    assert "stopped after 0 trials, saved in runs/tiny-tune: go on with --resume" in stopped.err
    ended = dragoman(*arguments, "--resume")
    assert ended.status == 0
    assert "training.learning_rate" in ended.out
    assert len(re.findall("finished", ended.out)) == 2
    assert re.search(r"best: trial [01], as runs/tiny-tune/best.toml", ended.err)
    assert (tmp_path / "runs/tiny-tune/trials.png").exists()
    best = load_recipe(tmp_path / "runs/tiny-tune/best.toml")
    assert f"{best.training.learning_rate:.4g}" in ended.out


def test_a_search_that_cannot_be_made_is_explained(
    dragoman: Dragoman, recipe: Path, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["tune", recipe, "--data", tiny_corpora, "--trials", 1, "--run", tmp_path / "run"]
    assert_one_sentence(dragoman(*arguments), "has no table [tune]")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert_one_sentence(dragoman(*arguments), "without torchrun")
