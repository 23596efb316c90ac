"""The mean of several checkpoints' weights, as of the last ones of a training: often better than each of them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network


def average(paths: Sequence[Path]) -> Checkpoint:
    """Return the first checkpoint with the arithmetic mean of all weights, without training state and scores.

    CheckpointError for one that cannot be read, or whose tokenizer, network or data are not those of the first.
    """
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths[1:], checkpoints[1:], strict=True):
        if not other.recipe.trains_like(first.recipe):
            raise CheckpointError(f"{path}: was trained by another recipe than {paths[0]}: their mean is no network")
        if other.tokenizer.model != first.tokenizer.model:
            raise CheckpointError(f"{path}: has another tokenizer than {paths[0]}: their mean is no network")
    states = [restore_network(checkpoint).state_dict() for checkpoint in checkpoints]  # refuses what is not whole
    mean = {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}
    return first._replace(network_state=mean, scores={}, training_state={})
