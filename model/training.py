"""Train a network by its recipe, and validate it through the search that serves it.

What is kept in a run's folder: ``last.pt`` to go on from, ``best.pt`` to export, ``log.csv`` and ``curves.png``.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from torch import nn

from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network, save_checkpoint
from model.config import Recipe, Task, TrainingConfig
from model.copying import coverage_loss
from model.data import Batch, DataError, Pair, TrainingSet, corpus_pairs
from model.evaluation import headline, score
from model.network import Seq2Seq
from model.precision import available
from model.search import BeamSearch, search_all
from model.tokenizer import PAD, Tokenizer
from model.training_log import TrainingLog


class Progress(NamedTuple):
    """Where a training stands after a step, for whoever shows it."""

    step: int
    steps: int
    loss: float
    """Cross-entropy a target piece in nats, without smoothing, averaged over the last steps."""
    pieces_per_second: float
    """Target pieces, padding not counted."""


Report = Callable[[Progress], None]


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the rate of a step counted from 0: linear warm-up, constant, linear decay to zero at ``steps``."""
    warmup = (step + 1) / config.warmup_steps
    decay = (config.steps - step) / (config.decay_steps + 1)
    return config.learning_rate * min(1.0, warmup, decay)


def has_bf16(device: torch.device) -> bool:
    """Say whether it is a processor with instructions for bfloat16; without them oneDNN has no LSTM in it at all."""
    return device.type == "cpu" and "bfloat16" in available(device)


def load_training_set(recipe: Recipe, tokenizer: Tokenizer, folder: Path) -> TrainingSet:
    """Read and tokenize all training pairs of the recipe; DataError when none is fit for training."""
    training_set = TrainingSet(tokenizer, recipe.filter)
    for corpus in recipe.corpus:
        training_set.add(corpus_pairs(corpus, corpus.train, folder), corpus.repeat)
    if not training_set.examples:
        raise DataError(f"{recipe.name}: no pair is fit for training; dropped: {dict(training_set.dropped)}")
    return training_set


def load_dev_set(recipe: Recipe, folder: Path) -> dict[Task, list[Pair]]:
    """Read the first ``validation_pairs`` dev pairs of each task."""
    dev_set: dict[Task, list[Pair]] = {}
    for corpus in recipe.corpus:
        pairs = list(corpus_pairs(corpus, [corpus.dev], folder)) if corpus.dev else []
        for task in corpus.tasks:
            of_task = [pair for pair in pairs if pair.task == task]
            dev_set.setdefault(task, []).extend(of_task[: recipe.training.validation_pairs])
    return {task: pairs for task, pairs in dev_set.items() if pairs}


def train_tokenizer(recipe: Recipe, folder: Path) -> Tokenizer:
    """Learn the pieces from both sides of all training pairs, each corpus as often as it is repeated."""
    texts = (
        text
        for corpus in recipe.corpus
        for _ in range(corpus.repeat)
        for pair in corpus_pairs(corpus.model_copy(update={"tasks": corpus.tasks[:1]}), corpus.train, folder)
        for text in (pair.source, pair.target)
    )
    return Tokenizer.train(texts, recipe.tasks, recipe.tokenizer)


class Trainer:
    """A training at one moment: network, optimizer and place in the data, all of which a checkpoint restores.

    ``last`` is the checkpoint to go on from; its recipe must equal this one but for [training], [decoding] and [card],
    else CheckpointError.
    """

    def __init__(
        self, recipe: Recipe, *, data: Path, run: Path, device: torch.device, last: Checkpoint | None = None
    ) -> None:
        self.recipe = recipe
        self.run = run
        self.device = device
        config = recipe.training
        torch.manual_seed(config.seed)
        if last and not recipe.trains_like(last.recipe):
            raise CheckpointError(f"{run / 'last.pt'}: was trained by a recipe with other data, network or batches")
        self.tokenizer = last.tokenizer if last else train_tokenizer(recipe, data)
        self.training_set = load_training_set(recipe, self.tokenizer, data)
        self.dev_set = load_dev_set(recipe, data)
        network = restore_network(last) if last else Seq2Seq(recipe.network, len(self.tokenizer))
        self.network = network.to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.step = 0
        self.epoch = 0
        self.batches_seen = 0
        self.seconds = 0.0
        self.best = float("-inf")
        self.scores: dict[str, float] = {}
        if last:
            self._restore(last)

    def _restore(self, last: Checkpoint) -> None:
        state = last.training_state
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.epoch, self.batches_seen = state["step"], state["epoch"], state["batches_seen"]
        self.seconds, self.best, self.scores = state["seconds"], state["best"], last.scores
        torch.set_rng_state(state["random_state"])
        if self.device.type == "cuda" and state["cuda_random_state"] is not None:
            torch.cuda.set_rng_state(state["cuda_random_state"])

    def checkpoint(self, *, with_training_state: bool) -> Checkpoint:
        """Return the checkpoint of this moment."""
        on_gpu = self.device.type == "cuda"
        state = {
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "epoch": self.epoch,
            "batches_seen": self.batches_seen,
            "seconds": self.seconds,
            "best": self.best,
            "random_state": torch.get_rng_state(),
            "cuda_random_state": torch.cuda.get_rng_state() if on_gpu else None,
        }
        return Checkpoint(
            recipe=self.recipe,
            tokenizer=self.tokenizer,
            network_state=self.network.state_dict(),
            scores=self.scores,
            training_state=state if with_training_state else {},
        )

    def train(self, report: Report) -> None:
        """Train to the recipe's last step, validating and saving on the way."""
        config = self.recipe.training
        log = TrainingLog(self.run, resumed_at=self.step)
        loss_sum, pieces, recent_loss = 0.0, 0, float("nan")
        since_log = last_save = time.monotonic()
        while self.step < config.steps:
            batches = self.training_set.epoch(self.epoch, config)
            for number in range(self.batches_seen, len(batches)):
                # The segmentations of a batch follow from its place alone, so a resumed run draws the same.
                random = Random(f"{config.seed} {self.epoch} {number}")
                batch = self.training_set.batch(batches[number], config, random)
                batch_loss, batch_pieces = self._update(batch)
                loss_sum, pieces = loss_sum + batch_loss, pieces + batch_pieces
                self.step += 1
                self.batches_seen = number + 1
                is_validation = self.step % config.validate_every_steps == 0 or self.step == config.steps
                if self.step % 20 == 0 or is_validation:
                    now = time.monotonic()
                    self.seconds += now - since_log
                    recent_loss = loss_sum / pieces
                    report(Progress(self.step, config.steps, recent_loss, pieces / (now - since_log)))
                    log.add_loss(self.step, self.seconds, recent_loss, pieces / (now - since_log))
                    loss_sum, pieces = 0.0, 0
                    if is_validation:
                        self._validate_and_keep_best()
                        log.add_scores(self.step, self.seconds, self.scores)
                    since_log = time.monotonic()
                if is_validation or time.monotonic() - last_save > 60 * config.checkpoint_every_minutes:
                    save_checkpoint(self.run / "last.pt", self.checkpoint(with_training_state=True))
                    log.draw()
                    last_save = time.monotonic()
                if self.step == config.steps:
                    return
            self.epoch, self.batches_seen = self.epoch + 1, 0

    def _update(self, batch: Batch) -> tuple[float, int]:
        """Take one step; return the batch's unsmoothed loss in nats and its number of target pieces."""
        config = self.recipe.training
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, config)
        batch = Batch(*(tensor.to(self.device) for tensor in batch))
        # On a GPU, autocast would run cuDNN's LSTM in float16, whatever type it is given, and its gradients underflow.
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.bf16 and has_bf16(self.device)):
            logits, weights = self.network(batch.source, batch.lengths, batch.target_inputs)
        smoothed, plain, pieces = cross_entropy(logits, batch.target_outputs, config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        if config.coverage_loss > 0:
            smoothed = smoothed + config.coverage_loss * coverage_loss(weights, batch.target_outputs != PAD)
        torch.autograd.backward(smoothed / pieces)
        nn.utils.clip_grad_norm_(self.network.parameters(), config.max_gradient_norm)
        self.optimizer.step()
        return plain, pieces

    def _validate_and_keep_best(self) -> None:
        self.network.eval()
        self.scores = validate(self.network, self.tokenizer, self.dev_set, self.recipe, self.device)
        mean = sum(self.scores.values()) / len(self.scores) if self.scores else 0.0
        if mean >= self.best:
            self.best = mean
            save_checkpoint(self.run / "best.pt", self.checkpoint(with_training_state=False))


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> tuple[torch.Tensor, float, int]:
    """Return summed loss with label smoothing (Szegedy et al. 2016, section 7), without it, and the pieces counted.

    logits (B, T, V), targets (B, T); padding does not count.
    """
    log_probabilities = torch.log_softmax(logits.float(), dim=-1)
    is_piece = targets != PAD
    plain = -(log_probabilities.gather(-1, targets.unsqueeze(-1)).squeeze(-1) * is_piece).sum()
    uniform = -(log_probabilities.mean(dim=-1) * is_piece).sum()
    return (1 - smoothing) * plain + smoothing * uniform, plain.item(), int(is_piece.sum())


def validate(
    network: Seq2Seq, tokenizer: Tokenizer, dev_set: dict[Task, list[Pair]], recipe: Recipe, device: torch.device
) -> dict[str, float]:
    """Return the headline score of each task on its dev pairs, decoded by the recipe's beam search."""
    search = BeamSearch(network, tokenizer.special_ids, device)
    limit = recipe.max_source_pieces
    scores = {}
    for task, pairs in dev_set.items():
        sources = [tokenizer.frame_source(tokenizer.encode(pair.source)[:limit], task) for pair in pairs]
        outputs = [""] * len(pairs)
        for index, hypotheses in search_all(search, sources, recipe.decoding):
            # A network that has diverged to NaN gives no hypothesis; its score says so.
            outputs[index] = tokenizer.decode(hypotheses[0].pieces) if hypotheses else ""
        scores[str(task)] = headline(task, score(task, outputs, [[pair.target] for pair in pairs]))
    return scores


def open_training(recipe: Recipe, *, data: Path, run: Path, resume: bool, device: torch.device) -> Trainer:
    """Read text from folder ``data`` to train with into folder ``run``, from the start or from its last.pt.

    CheckpointError when there is something to resume and ``resume`` is not set, or the reverse; DataError for text
    that cannot be read.
    """
    last = run / "last.pt"
    if last.exists() and not resume:
        raise CheckpointError(f"{last} exists: go on with --resume, or name another folder")
    if resume and not last.exists():
        raise CheckpointError(f"{last}: nothing to resume")
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = load_checkpoint(last) if resume else None
    if checkpoint and not checkpoint.training_state:
        raise CheckpointError(f"{last}: holds a network alone, and not the training that made it")
    return Trainer(recipe, data=data, run=run, device=device, last=checkpoint)
