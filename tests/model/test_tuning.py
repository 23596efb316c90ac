import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from model import tuning
from model.checkpoint import CheckpointError, load_checkpoint
from model.recipe import Recipe, RecipeError, load_recipe
from model.training_log import Progress, TrainingLog
from model.tuning import Tuning, check_spans, with_values
from tests.runs import Killed, run_training, with_table

RATE = {"training.learning_rate": {"low": 1e-7, "high": 1e-2, "log": True}}
SIZE = {"network.hidden_size": {"choices": [8, 12]}}


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out, which take longer than these trials."""
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)
    monkeypatch.setattr(tuning, "draw_trials", lambda *_: None)


def with_tune(recipe: Recipe, spans: dict[str, Any]) -> Recipe:
    """Return the recipe with a training as short as can be, and what to try in it."""
    short = {"steps": 20, "validate_every_steps": 10, "warmup_steps": 2, "decay_steps": 5}
    content = with_table(recipe, "training", **short).model_dump()
    return Recipe.model_validate({**content, "tune": spans})


def open_tuning(recipe: Recipe, data: Path, run: Path, *, resume: bool = False) -> Tuning:
    return Tuning(recipe, data=data, run=run, resume=resume, device=torch.device("cpu"))


def quietly(_number: int, _progress: Progress) -> None:
    pass


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ({}, "no table"),
        ({"training.learningrate": {"low": 0.1, "high": 0.2}}, "training.learningrate: is unknown"),
        ({"learning_rate": {"low": 0.1, "high": 0.2}}, "learning_rate: begins with none of the tables"),
        ({"corpus.repeat": {"choices": [1, 2]}}, "corpus.repeat: begins with none of the tables"),
        ({"network.dropout": {"low": 0.0, "high": 1.5}}, "network.dropout = 1.5: network.dropout: Input should be"),
        ({"network.hidden_size": {"choices": [8, 9]}}, "network.hidden_size = 9"),
        ({"network.hidden_size": {"low": 8, "high": 16}}, "network.hidden_size = 9"),
        ({"training.warmup_steps": {"low": 2, "high": 10_000}}, "warmup_steps and decay_steps together exceed steps"),
        ({"training.bf16": {"low": 0, "high": 1}}, "tune.training.bf16: is no number"),
        ({"network.cell": {"low": 0, "high": 1}}, "tune.network.cell: is no number"),
    ],
)
def test_what_no_trial_can_try_is_refused_before_one_begins(
    spans: dict[str, Any], message: str, tiny_recipe: Recipe, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        open_tuning(with_tune(tiny_recipe, spans), tmp_path, tmp_path / "run", resume=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "span",
    [
        {"low": 1.0},
        {"low": 2, "high": 1},
        {"choices": []},
        {"choices": [1], "low": 1},
        {"low": 0, "high": 1, "log": True},
        {"low": 0, "high": 1, "lgo": True},
    ],
)
def test_a_span_without_values_is_refused(span: dict[str, Any], tiny_recipe: Recipe) -> None:
    with pytest.raises(ValueError, match=r"tune\.`training\.learning_rate`"):
        with_tune(tiny_recipe, {"training.learning_rate": span})


def test_trials_can_only_be_compared_on_dev_text(tiny_recipe: Recipe) -> None:
    recipe = with_tune(tiny_recipe, RATE)
    corpora = [corpus.model_copy(update={"dev": None}) for corpus in recipe.corpus]
    with pytest.raises(RecipeError, match="no corpus has a dev file"):
        check_spans(recipe.model_copy(update={"corpus": corpora}))


def test_the_best_of_the_trials_is_a_recipe_that_trains_to_its_score(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    recipe = with_tune(tiny_recipe, {**RATE, **SIZE})
    found = open_tuning(recipe, tiny_corpora, tmp_path / "run")
    found.search(2, quietly)
    # The first one is the recipe itself.
    assert found.trials[0].values == {"training.learning_rate": 1e-3, "network.hidden_size": 8}
    assert len({trial.values["training.learning_rate"] for trial in found.trials}) == 2
    assert [trial.ended for trial in found.trials] == ["finished"] * 2
    best = max(found.trials, key=lambda trial: trial.score or 0.0)
    written = load_recipe(tmp_path / "run" / "best.toml")
    assert written == with_values(recipe, best.values)
    assert written.training.learning_rate == best.values["training.learning_rate"]
    assert run_training(written, tiny_corpora, tmp_path / "again").best == best.score
    # Of all the networks the best one's is kept.
    assert list(tmp_path.glob("run/trials/*/*.pt")) == [tmp_path / f"run/trials/{best.number}/best.pt"]


def test_a_killed_search_goes_on_in_the_midst_of_a_trial(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    recipe = with_tune(tiny_recipe, RATE)
    steps = []

    def kill_in_the_second(number: int, progress: Progress) -> None:
        if (number, progress.step) == (1, 20):
            raise Killed

    def note(number: int, progress: Progress) -> None:
        steps.append((number, progress.step))

    with pytest.raises(Killed):
        open_tuning(recipe, tiny_corpora, tmp_path).search(3, kill_in_the_second)
    tokenizer = load_checkpoint(tmp_path / "trials" / "1" / "last.pt").tokenizer.model
    with pytest.raises(CheckpointError, match="go on with --resume"):
        open_tuning(recipe, tiny_corpora, tmp_path)
    with pytest.raises(CheckpointError, match="begun by another recipe"):
        open_tuning(with_tune(tiny_recipe, SIZE), tiny_corpora, tmp_path, resume=True)
    resumed = open_tuning(recipe, tiny_corpora, tmp_path, resume=True)
    resumed.search(3, note)
    assert steps == [(1, 20), (2, 10), (2, 20)]
    assert len({trial.values["training.learning_rate"] for trial in resumed.trials}) == 3
    with (tmp_path / "trials" / "1" / "log.csv").open(newline="", encoding="utf-8") as file:
        assert [row["step"] for row in csv.DictReader(file) if row["loss"]] == ["10", "20"]
    assert [path.read_bytes() for path in tmp_path.glob("tokenizer-*.model")] == [tokenizer]


def test_a_stopped_search_keeps_the_trial_under_way(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path) -> None:
    recipe = with_tune(tiny_recipe, RATE)
    stopped = open_tuning(recipe, tiny_corpora, tmp_path)
    stopped.search(2, lambda _number, _progress: stopped.stop())
    assert stopped.trials == []
    assert load_checkpoint(tmp_path / "trials" / "0" / "last.pt").training_state["step"] == 10


def test_a_trial_behind_the_finished_ones_is_pruned(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "UNPRUNED_TRIALS", 1)
    scores = iter([30.0, 40.0, 20.0])
    monkeypatch.setattr("model.training.validate", lambda *_: {"translate:de:en": next(scores)})
    found = open_tuning(with_tune(tiny_recipe, RATE), tiny_corpora, tmp_path)
    found.search(2, quietly)
    assert [(trial.score, trial.ended) for trial in found.trials] == [(40.0, "finished"), (20.0, "pruned at step 10")]


def test_values_that_go_ill_together_end_a_trial_and_not_the_search(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    halves = {"training.warmup_steps": {"choices": [2, 12]}, "training.decay_steps": {"choices": [2, 12]}}
    found = open_tuning(with_tune(tiny_recipe, halves), tiny_corpora, tmp_path)
    found._study.enqueue_trial({"training.warmup_steps": 12, "training.decay_steps": 12})
    found.search(3, quietly)
    ended = {tuple(trial.values.values()): (trial.is_finished, trial.ended) for trial in found.trials}
    assert ended.pop((12, 12)) == (
        False,
        "reversal: with training.warmup_steps = 12, training.decay_steps = 12: "
        "training: warmup_steps and decay_steps together exceed steps",
    )
    assert set(ended.values()) == {(True, "finished")}
