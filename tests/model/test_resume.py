"""Trainings that stop and go on."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import CheckpointError, load_checkpoint, restore_network
from model.recipe import Recipe
from model.training import open_training
from model.training_log import Progress, TrainingLog
from tests.runs import Killed, kill_at, read_log, run_training, with_table


@pytest.fixture(scope="module")
def tiny_recipe(tiny_recipe: Recipe) -> Recipe:
    """Return the tiny recipe with all that is random on, in what is read too."""
    return with_table(with_table(tiny_recipe, "tokenizer", masks=3), "training", mask_share=0.5)


@pytest.fixture(scope="module")
def straight(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training with dropout and masks that was never interrupted."""
    run = tmp_path_factory.mktemp("straight")
    trainer = run_training(tiny_recipe, tiny_corpora, run)
    assert trainer.epoch >= 1  # so that a place in the epoch is more than a number of steps
    assert tiny_recipe.network.dropout > 0
    assert tiny_recipe.training.mask_share > 0
    return run


def assert_same_end(run: Path, straight: Path) -> None:
    ended, expected = load_checkpoint(run / "last.pt"), load_checkpoint(straight / "last.pt")
    torch.testing.assert_close(ended.network_state, expected.network_state, rtol=0, atol=0)
    optimization = (one.training_state["optimization"] for one in (ended, expected))
    torch.testing.assert_close(*optimization, rtol=0, atol=0)
    for key in ("step", "epoch", "batches_seen", "best", "validations_since_best", "bad_steps", "random_states"):
        assert torch.equal(torch.as_tensor(ended.training_state[key]), torch.as_tensor(expected.training_state[key]))
    assert ended.scores == expected.scores


def test_the_same_recipe_trains_the_same_network(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    run_training(tiny_recipe, tiny_corpora, tmp_path)
    assert_same_end(tmp_path, straight)
    assert read_log(tmp_path) == read_log(straight)


def test_a_killed_training_goes_on_as_if_it_had_never_stopped(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    with pytest.raises(Killed):
        run_training(tiny_recipe, tiny_corpora, tmp_path, report=kill_at(60))
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == 32
    assert [row["step"] for row in read_log(tmp_path)] == ["20", "32", "32", "32", "40"]
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)
    # The row of step 40, which had no checkpoint, is there once.
    assert read_log(tmp_path) == read_log(straight)


@pytest.mark.parametrize("killed_at", [20, 40])
def test_a_training_goes_on_from_a_checkpoint_between_validations(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path, killed_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)  # slow, and drawn at each checkpoint
    often = with_table(tiny_recipe, "training", checkpoint_every_minutes=1e-9)
    with pytest.raises(Killed):
        run_training(often, tiny_corpora, tmp_path, report=kill_at(killed_at))
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == killed_at - 1
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)


def test_a_training_with_all_that_is_kept_between_steps_goes_on_after_it_was_stopped(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)
    recipe = with_table(tiny_recipe, "training", accumulate=2, ema_decay=0.9, patience=9)
    run_training(recipe, tiny_corpora, tmp_path / "straight")
    trainer = open_training(recipe, data=tiny_corpora, run=tmp_path, resume=False, device=torch.device("cpu"))

    def stop_at_40(progress: Progress) -> None:
        if progress.step == 40:
            trainer.stop()

    trainer.train(stop_at_40)
    assert (trainer.step, trainer.is_finished) == (40, False)
    run_training(recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, tmp_path / "straight")


def test_a_training_killed_again_and_again_always_has_something_to_go_on_from(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    last = tmp_path / "last.pt"
    with pytest.raises(Killed):
        run_training(tiny_recipe, tiny_corpora, tmp_path, report=kill_at(20))
    assert not last.exists()
    for resume, killed_at, kept in ((False, 40, 32), (True, 40, 32), (True, 64, 32)):
        with pytest.raises(Killed):
            run_training(tiny_recipe, tiny_corpora, tmp_path, resume=resume, report=kill_at(killed_at))
        assert load_checkpoint(last).training_state["step"] == kept
        restore_network(load_checkpoint(tmp_path / "best.pt"))
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "cache", "curves.png", "last.pt", "log.csv"]


def test_a_finished_training_resumes_to_nothing_or_to_more_steps(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    short = with_table(tiny_recipe, "training", steps=20)
    run_training(short, tiny_corpora, tmp_path)
    before = load_checkpoint(tmp_path / "last.pt").network_state
    assert run_training(short, tiny_corpora, tmp_path, resume=True).step == 20
    torch.testing.assert_close(load_checkpoint(tmp_path / "last.pt").network_state, before, rtol=0, atol=0)
    longer = with_table(tiny_recipe, "training", steps=30)
    assert run_training(longer, tiny_corpora, tmp_path, resume=True).step == 30
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == 30


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("network", {"hidden_size": 16}),
        ("network", {"dropout": 0.0}),
        ("filter", {"max_source_pieces": 5}),
        ("tokenizer", {"vocabulary_size": 299}),
        ("training", {"seed": 2}),
        ("training", {"batch_pieces": 299}),
    ],
)
def test_a_training_of_another_network_or_of_other_data_does_not_go_on(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, table: str, changes: dict[str, Any]
) -> None:
    other = with_table(tiny_recipe, table, **changes)
    before = (straight / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"last\.pt: was trained by a recipe with other data, network or batches"):
        run_training(other, tiny_corpora, straight, resume=True)
    assert (straight / "last.pt").read_bytes() == before


def test_a_training_may_go_on_with_other_steps_decoding_and_card_only(tiny_recipe: Recipe) -> None:
    for table, changes in (
        ("training", {"steps": 1000, "learning_rate": 1e-5}),
        ("decoding", {"beam_size": 3}),
        ("card", {"limits": "Many."}),
    ):
        assert with_table(tiny_recipe, table, **changes).trains_like(tiny_recipe)
    assert not tiny_recipe.model_copy(update={"name": "other"}).trains_like(tiny_recipe)
    assert not tiny_recipe.model_copy(update={"corpus": tiny_recipe.corpus[:1]}).trains_like(tiny_recipe)


def test_a_run_that_exists_is_not_overwritten_and_one_that_does_not_is_not_resumed(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, tmp_path: Path
) -> None:
    before = (straight / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match="go on with --resume, or name another folder"):
        run_training(tiny_recipe, tiny_corpora, straight)
    assert (straight / "last.pt").read_bytes() == before
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run_training(tiny_recipe, tiny_corpora, tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_of_a_network_alone_is_not_gone_on_from(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, tmp_path: Path
) -> None:
    shutil.copy(straight / "best.pt", tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt: holds a network alone"):
        run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)


def test_progress_tells_the_loss_that_the_log_tells(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    seen: list[Progress] = []
    run_training(with_table(tiny_recipe, "training", steps=40), tiny_corpora, tmp_path, report=seen.append)
    assert [progress.step for progress in seen] == [20, 32, 40]
    assert all(progress.steps == 40 and progress.pieces_per_second > 0 for progress in seen)
    logged = [row["loss"] for row in read_log(tmp_path) if row["loss"]]
    assert [f"{progress.loss:.4f}" for progress in seen] == logged
    assert logged[0] == next(row["loss"] for row in read_log(straight) if row["loss"])  # later its rate falls sooner
