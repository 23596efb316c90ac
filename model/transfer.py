"""Start from a trained network: what fits is taken, and pieces are known by their text where tokenizers differ."""

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.bundle import load_bundle
from model.checkpoint import CheckpointError, load_checkpoint
from model.known_words import KnownWords
from model.network import Seq2Seq
from model.recipe import Recipe
from model.tokenizer import Tokenizer

BY_PIECE = ("embedding.weight", "output_bias")
"""Weights with a row for each piece."""


class Start(NamedTuple):
    """A trained network to start from."""

    path: Path
    tokenizer: Tokenizer
    weights: dict[str, Tensor]
    words: KnownWords
    """That it has met."""


class Taken(NamedTuple):
    """What was taken from a network to start from, out of all that there is."""

    weights: int
    all_weights: int
    """Single numbers, those of pieces not counted."""
    pieces: int
    all_pieces: int
    missing: list[str]
    """Names of weights that stay as they were."""
    keeps_tokenizer: bool

    def __str__(self) -> str:
        """Say it in a line."""
        tokenizer = "its tokenizer" if self.keeps_tokenizer else "a tokenizer learnt from this text"
        missing = f"; not taken: {', '.join(self.missing)}" if self.missing else ""
        taken = f"{self.weights:,} of {self.all_weights:,} weights and {self.pieces:,} of {self.all_pieces:,} pieces"
        return f"{taken}, with {tokenizer}{missing}"


def load_start(path: Path) -> Start:
    """Read a bundle's folder or a checkpoint; BundleError or CheckpointError when it is neither."""
    if path.is_dir():
        bundle = load_bundle(path, torch.device("cpu"), "float32")
        assert isinstance(bundle.search.network, torch.jit.ScriptModule)
        return Start(path, bundle.tokenizer, bundle.search.network.state_dict(), bundle.words)
    checkpoint = load_checkpoint(path)
    return Start(path, checkpoint.tokenizer, checkpoint.network_state, checkpoint.words)


def suits(tokenizer: Tokenizer, recipe: Recipe) -> bool:
    """Say whether a tokenizer has what the recipe asks for, so that another need not be learnt."""
    knows_all = all(tokenizer.knows(task) for task in recipe.tasks)
    config = recipe.tokenizer
    return knows_all and (len(tokenizer), len(tokenizer.masks)) == (config.vocabulary_size, config.masks)


@torch.no_grad()
def take(network: Seq2Seq, tokenizer: Tokenizer, start: Start) -> Taken:
    """Give the network all weights of ``start`` whose name and shape fit; CheckpointError when none does."""
    old_ids = {piece: i for i, piece in enumerate(start.tokenizer.pieces(range(len(start.tokenizer))))}
    pairs = [(i, old_ids[piece]) for i, piece in enumerate(tokenizer.pieces(range(len(tokenizer)))) if piece in old_ids]
    new_rows, old_rows = torch.tensor(pairs).t()
    weights = all_weights = pieces = 0
    missing = []
    for name, weight in network.state_dict().items():
        old = start.weights.get(name)
        if name in BY_PIECE:
            fits = old is not None and old.shape[1:] == weight.shape[1:]
            if old is not None and fits:
                weight[new_rows] = old[old_rows].to(weight.dtype)
                pieces += len(pairs) if weight.dim() > 1 else 0  # a bias alone, which always fits, is no use
        else:
            fits = old is not None and old.shape == weight.shape
            all_weights += weight.numel()
            if old is not None and fits:
                weight.copy_(old)
                weights += weight.numel()
        if not fits:
            missing.append(name)
    if not weights and not pieces:
        raise CheckpointError(f"{start.path}: nothing of its network fits the recipe's")
    return Taken(weights, all_weights, pieces, len(tokenizer), missing, tokenizer.model == start.tokenizer.model)
