from pathlib import Path

import pytest
import torch

from model.averaging import average
from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network, save_checkpoint
from model.config import NetworkConfig, TokenizerConfig
from model.network import Seq2Seq
from model.recipe import TrainingConfig
from model.tokenizer import Tokenizer
from tests.reversal import TRANSLATE, random_sentences


@pytest.fixture
def checkpoints(tiny_checkpoint: Path) -> list[Checkpoint]:
    """Return three moments of a training, as far as their weights go."""
    first = load_checkpoint(tiny_checkpoint)
    pieces = len(first.tokenizer)
    return [
        first._replace(
            network_state=Seq2Seq(first.recipe.network, pieces).state_dict(),
            scores={str(TRANSLATE): float(i)},
            training_state={"step": i},
        )
        for i in range(3)
    ]


def saved(folder: Path, checkpoints: list[Checkpoint]) -> list[Path]:
    paths = [folder / f"step-{i}.pt" for i in range(len(checkpoints))]
    for path, checkpoint in zip(paths, checkpoints, strict=True):
        save_checkpoint(path, checkpoint)
    return paths


def test_every_weight_is_the_mean_of_all_and_the_rest_is_of_the_first(
    checkpoints: list[Checkpoint], tmp_path: Path
) -> None:
    mean = average(saved(tmp_path, checkpoints))
    one, two, three = (checkpoint.network_state for checkpoint in checkpoints)
    assert mean.network_state.keys() == one.keys()
    for name, weight in mean.network_state.items():
        torch.testing.assert_close(weight, (one[name] + two[name] + three[name]) / 3)
    assert (mean.recipe, mean.tokenizer.model) == (checkpoints[0].recipe, checkpoints[0].tokenizer.model)
    assert (mean.scores, mean.training_state) == ({}, {})
    assert not restore_network(mean).training


def test_the_mean_of_a_network_with_itself_is_that_network(checkpoints: list[Checkpoint], tmp_path: Path) -> None:
    (path,) = saved(tmp_path, checkpoints[:1])
    torch.testing.assert_close(average([path] * 4).network_state, checkpoints[0].network_state, rtol=0, atol=0)


def test_checkpoints_of_one_training_by_changed_rates_have_a_mean(
    checkpoints: list[Checkpoint], tmp_path: Path
) -> None:
    recipe = checkpoints[0].recipe
    faster = recipe.training.model_copy(update={"learning_rate": 0.5})
    assert isinstance(faster, TrainingConfig)
    checkpoints[1] = checkpoints[1]._replace(recipe=recipe.model_copy(update={"training": faster}))
    assert average(saved(tmp_path, checkpoints)).recipe == recipe


def test_other_networks_and_tokenizers_are_refused_by_name(checkpoints: list[Checkpoint], tmp_path: Path) -> None:
    recipe = checkpoints[0].recipe
    larger = recipe.model_copy(update={"network": NetworkConfig(hidden_size=64)})
    paths = saved(tmp_path, [checkpoints[0], checkpoints[1]._replace(recipe=larger)])
    with pytest.raises(CheckpointError, match=f"{paths[1]}: was trained by another recipe than {paths[0]}"):
        average(paths)
    other = Tokenizer.train(random_sentences(200, seed=9), recipe.tasks, TokenizerConfig(vocabulary_size=300))
    paths = saved(tmp_path, [checkpoints[0], checkpoints[1]._replace(tokenizer=other)])
    with pytest.raises(CheckpointError, match=f"{paths[1]}: has another tokenizer than {paths[0]}"):
        average(paths)
