"""Validate a network on dev text, through the search that serves it."""

from pathlib import Path

import torch

from model.config import Task
from model.data import DataError, Pair, corpus_pairs
from model.evaluation import EvaluationSet, headline, score
from model.network import Seq2Seq
from model.recipe import Recipe
from model.search import BeamSearch, search_all
from model.tokenizer import Tokenizer

GPU_BATCH_SIZE = 512
"""A step on a GPU takes hardly longer for so many sentences than for a few."""


def load_dev_set(recipe: Recipe, folder: Path) -> dict[Task, list[Pair]]:
    """Read the first ``validation_pairs`` dev pairs of each task; DataError for a file that holds none."""
    dev_set: dict[Task, list[Pair]] = {}
    for corpus in recipe.corpus:
        pairs = list(corpus_pairs(corpus, [corpus.dev], folder)) if corpus.dev else []
        if corpus.dev and not pairs:
            raise DataError(f"{corpus.dev}: holds no pair to validate on")
        for task in corpus.tasks:
            of_task = [pair for pair in pairs if pair.task == task]
            dev_set.setdefault(task, []).extend(of_task[: recipe.training.validation_pairs])
    return {task: pairs for task, pairs in dev_set.items() if pairs}


def validate(
    network: Seq2Seq, tokenizer: Tokenizer, dev_set: dict[Task, list[Pair]], recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Return the headline score of each task on its dev pairs, decoded by the recipe's beam search."""
    network.eval()
    search = BeamSearch(network, tokenizer.special_ids, device)
    limit = recipe.max_source_pieces
    batch_size = GPU_BATCH_SIZE if device.type == "cuda" else 64
    scores = {}
    for task, pairs in dev_set.items():
        sources = [tokenizer.frame_source(tokenizer.encode(pair.source)[:limit], task) for pair in pairs]
        outputs = [""] * len(pairs)
        for index, hypotheses in search_all(search, sources, recipe.decoding, batch_size):
            # A network that has diverged to NaN gives no hypothesis; its score says so.
            outputs[index] = tokenizer.decode(hypotheses[0].pieces) if hypotheses else ""
        test = EvaluationSet(task, [pair.source for pair in pairs], [[pair.target] for pair in pairs])
        scores[str(task)] = headline(task, score(test, outputs))
    return scores
