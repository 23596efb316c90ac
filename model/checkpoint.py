"""Checkpoints: one file that holds all that training needs to go on, or an export needs to begin.

Written atomically, so that a kill at any moment leaves the old file or the new one.
"""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError

from model.atomic import open_atomically
from model.config import GONE, describe_validation_error, without_gone
from model.known_words import KnownWords
from model.network import Seq2Seq
from model.recipe import Recipe
from model.tokenizer import Tokenizer, TokenizerError


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another version of the code."""


class Checkpoint(NamedTuple):
    """A network with its recipe and tokenizer, and the state of the training that made it."""

    recipe: Recipe
    tokenizer: Tokenizer
    network_state: dict[str, torch.Tensor]
    scores: dict[str, float]
    """Headline score on dev of each task, when it was last validated."""
    training_state: dict[str, Any]
    """Optimizer, schedule, place in the epoch and random state; empty where only the network was kept."""
    words: KnownWords = KnownWords()
    """Of its training text; none where it has no masks."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write the checkpoint atomically."""
    with open_atomically(path) as file:
        torch.save(
            {
                "recipe": checkpoint.recipe.model_dump(mode="json"),
                "tokenizer": checkpoint.tokenizer.model,
                "network_state": checkpoint.network_state,
                "scores": checkpoint.scores,
                "training_state": checkpoint.training_state,
                "words": {language: sorted(words) for language, words in checkpoint.words.words.items()},
            },
            file,
        )


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint onto the CPU; CheckpointError says in one sentence what is wrong with it."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(
            recipe=Recipe.model_validate(_without_gone(content["recipe"])),
            tokenizer=Tokenizer(content["tokenizer"]),
            network_state=content["network_state"],
            scores=content["scores"],
            training_state=content["training_state"],
            words=KnownWords(content.get("words")),  # earlier ones have none
        )
    except IsADirectoryError as error:
        raise CheckpointError(f"{path}: is a folder, and a checkpoint is a file: name one, as RUN/best.pt") from error
    except (FileNotFoundError, PermissionError) as error:
        raise CheckpointError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise CheckpointError(f"{path}: its recipe: {describe_validation_error(error)}") from error
    except TokenizerError as error:
        raise CheckpointError(f"{path}: its tokenizer: {error}") from error
    except Exception as error:  # whatever its file happens to break: pickle, zip, key, OS and runtime errors
        raise CheckpointError(f"{path}: not a checkpoint, or damaged ({type(error).__name__})") from error


def _without_gone(recipe: dict[str, Any]) -> dict[str, Any]:
    return {**recipe, **{table: without_gone(table, recipe.get(table, {})) for table in GONE}}


def restore_network(checkpoint: Checkpoint) -> Seq2Seq:
    """Build the checkpoint's network in evaluation mode; CheckpointError when its weights do not fit its recipe."""
    network = Seq2Seq(checkpoint.recipe.network, len(checkpoint.tokenizer))
    try:
        network.load_state_dict(checkpoint.network_state)
    except RuntimeError as error:
        fault = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"a checkpoint of {checkpoint.recipe.name}: weights do not fit the recipe: {fault}"
        ) from error
    return network.eval()
