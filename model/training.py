"""Train a network by its recipe, alone or as one of several processes that share every batch.

What is kept in a run's folder: ``last.pt`` to go on from, ``best.pt`` to export, ``log.csv`` and ``curves.png``, and
``step-NNN.pt`` of the last validations where the recipe asks for them; and the text in pieces under ``cache``.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch

from model.batches import Place, Share, open_shares
from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network, save_checkpoint
from model.data import DataError, corpus_pairs
from model.known_words import KnownWords, count_words
from model.network import Seq2Seq
from model.optimization import Optimization, Update
from model.parallel import open_fabric
from model.recipe import Recipe, RecipeError
from model.tokenizer import Tokenizer
from model.training_log import Progress, Recent, TrainingLog
from model.training_set import open_training_set
from model.transfer import Start, load_start, suits, take
from model.validation import load_dev_set, validate

STEPS_A_ROW = 20
"""Steps that a row of the log stands for."""

Report = Callable[[Progress], None]


def train_tokenizer(recipe: Recipe, folder: Path) -> Tokenizer:
    """Learn the pieces from both sides of all training pairs, each corpus as often as it is repeated.

    DataError when no file holds any text.
    """
    texts = (text for _, text in _texts(recipe, folder))
    first = next(texts, None)
    if first is None:
        raise DataError(f"{', '.join(corpus.name for corpus in recipe.corpus)}: no text to train on")
    return Tokenizer.train(chain([first], texts), recipe.tasks, recipe.tokenizer)


def words_of(recipe: Recipe, folder: Path) -> KnownWords:
    """Return the words of both sides of all training pairs; DataError for text that cannot be read."""
    return count_words(_texts(recipe, folder))


def _texts(recipe: Recipe, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield both sides of all training pairs, each with its language, and each corpus as often as it is repeated."""
    for corpus in recipe.corpus:
        once = corpus.model_copy(update={"tasks": corpus.tasks[:1]})
        for _ in range(corpus.repeat):
            for task, source, target in corpus_pairs(once, corpus.train, folder):
                both = ((task.source, source), (task.target, target))
                yield from ((language, text) for language, text in both if text.strip())


class Prepared(NamedTuple):
    """What a training needs of its text besides the text, where another one of the same text shares it."""

    tokenizer: Tokenizer
    cache: Path
    """Folder of the text in pieces, which the first training to come writes."""


class Trainer:
    """A training at one moment: weights, optimizer and place in the data, all of which a checkpoint restores.

    ``last`` is the checkpoint to go on from; its recipe must equal this one but for [training], [decoding], [card],
    [glossary] and [tune], else CheckpointError. ``start`` is a network to begin from instead; ``taken`` says what of it
    was of use. ``prepared`` is of the same text; by default the tokenizer is learnt, and the text in pieces is kept in
    ``run``.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        data: Path,
        run: Path,
        device: torch.device,
        last: Checkpoint | None = None,
        start: Start | None = None,
        prepared: Prepared | None = None,
    ) -> None:
        self.recipe = recipe
        self.run = run
        config = recipe.training
        if last and not recipe.trains_like(last.recipe):
            raise CheckpointError(f"{run / 'last.pt'}: was trained by a recipe with other data, network or batches")
        if config.sparsity and not (last or start):
            raise RecipeError(f"{recipe.name}: training.sparsity prunes a trained network: name one to start from")
        self.fabric = open_fabric(device, bf16=config.bf16)
        self.device = self.fabric.device
        known = last or prepared
        self.tokenizer = known.tokenizer if known else self._tokenizer(data, start)
        cache = prepared.cache if prepared else run / "cache"
        with self.fabric.rank_zero_first():  # what it leaves on disk is there for the others
            self.training_set = open_training_set(recipe, self.tokenizer, texts=data, cache=cache)
            self.words = last.words if last and last.words.words else self._words(data, start)
        self.dev_set = load_dev_set(recipe, data)
        torch.manual_seed(config.seed)
        network = restore_network(last) if last else Seq2Seq(recipe.network, len(self.tokenizer))
        self.taken = take(network, self.tokenizer, start) if start else None
        self.network = network
        self.optimization = Optimization(network, config, self.fabric)
        if self.fabric.global_rank:
            torch.manual_seed(config.seed + self.fabric.global_rank)  # each drops out units of its own
        self.step = 0
        self.epoch = 0
        self.batches_seen = 0
        self.seconds = 0.0
        self.best = float("-inf")
        self.validations_since_best = 0
        self.bad_steps = 0
        self.scores: dict[str, float] = {}
        self.is_stopped = False
        self._is_asked_to_stop = False
        if last:
            self._restore(last)

    def _tokenizer(self, data: Path, start: Start | None) -> Tokenizer:
        """Return the start's where it suits the recipe, else one learnt by the first process, the same for all."""
        if start and suits(start.tokenizer, self.recipe):
            return start.tokenizer
        with self.fabric.rank_zero_first():  # which waits for longer than a broadcast would
            model = train_tokenizer(self.recipe, data).model if self.fabric.is_global_zero else b""
        return Tokenizer(self.fabric.broadcast(model))

    def _words(self, data: Path, start: Start | None) -> KnownWords:
        """Return what the network will have met; none where that is of no use, and in processes that save nothing."""
        if not self.tokenizer.masks or not self.fabric.is_global_zero:
            return KnownWords()
        words = words_of(self.recipe, data)
        return words | start.words if start else words

    def _restore(self, last: Checkpoint) -> None:
        state = last.training_state
        self.optimization.restore(state["optimization"])
        self.step, self.epoch, self.batches_seen = state["step"], state["epoch"], state["batches_seen"]
        self.seconds, self.best, self.scores = state["seconds"], state["best"], last.scores
        self.validations_since_best, self.bad_steps = state["validations_since_best"], state["bad_steps"]
        rank = self.fabric.global_rank
        if rank < len(state["random_states"]):  # more processes than before begin with states of their own
            torch.set_rng_state(state["random_states"][rank].clone())  # PyTorch crashes on a row of a tensor
            if self.device.type == "cuda" and state["cuda_random_states"] is not None:
                torch.cuda.set_rng_state(state["cuda_random_states"][rank].clone(), self.device)

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint of this moment, to go on from; all processes have to ask for it together."""
        on_gpu = self.device.type == "cuda"
        state = {
            "optimization": self.optimization.state(),
            "step": self.step,
            "epoch": self.epoch,
            "batches_seen": self.batches_seen,
            "seconds": self.seconds,
            "best": self.best,
            "validations_since_best": self.validations_since_best,
            "bad_steps": self.bad_steps,
            "random_states": self._gathered(torch.get_rng_state()),
            "cuda_random_states": self._gathered(torch.cuda.get_rng_state(self.device)) if on_gpu else None,
        }
        return self.result()._replace(training_state=state)

    def result(self) -> Checkpoint:
        """Return the checkpoint of this moment's network alone."""
        return Checkpoint(
            recipe=self.recipe,
            tokenizer=self.tokenizer,
            network_state=self.optimization.result.state_dict(),
            scores=self.scores,
            training_state={},
            words=self.words,
        )

    def _gathered(self, state: torch.Tensor) -> torch.Tensor:
        """Return the state of each process, (processes, size)."""
        states = torch.zeros(self.fabric.world_size, len(state), dtype=state.dtype)
        states[self.fabric.global_rank] = state
        gathered: torch.Tensor = self.fabric.all_reduce(states, reduce_op="sum")  # type: ignore[assignment]
        return gathered.cpu()

    def stop(self) -> None:
        """Save and leave ``train`` after the step that is under way, whichever process is asked."""
        self._is_asked_to_stop = True

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done, or no validation has been better for as long as the recipe has patience."""
        config = self.recipe.training
        return self.step >= config.steps or 0 < config.patience <= self.validations_since_best

    def train(self, report: Report) -> None:
        """Train to the recipe's last step or to a stop, validating and saving on the way.

        RecipeError for a batch that does not fit into memory, and for too many steps in a row that are not finite.
        """
        if self.is_finished:
            return
        config = self.recipe.training
        log = TrainingLog(self.run, resumed_at=self.step) if self.fabric.is_global_zero else None
        recent = Recent()
        last_save = time.monotonic()
        with closing(self.shares()) as shares:
            for share in shares:
                update = self._update(share)
                if update.is_finite:
                    recent.add(update.loss, update.pieces)
                else:
                    recent.skip()
                is_validation = self.step % config.validate_every_steps == 0 or self.step == config.steps
                if self.step % STEPS_A_ROW == 0 or is_validation:
                    self._note(recent, is_validation, log, report)
                    recent = Recent()
                if self._must_save(last_save) or is_validation:
                    self._save(log)
                    last_save = time.monotonic()
                if self.is_stopped or self.is_finished:
                    return

    def shares(self) -> Generator[Share, None, None]:
        """Yield this process's share of each batch that is still to come, without end; close it when done."""
        place = Place(self.epoch, self.batches_seen)
        return open_shares(self.training_set, self.recipe.training, self.fabric, place)

    def _update(self, share: Share) -> Update:
        """Take a step with the share; refuse what does not fit into memory and a run of steps that are not finite."""
        config = self.recipe.training
        name = f"epoch {share.place.epoch}, batch {share.place.number} ({share.description})"
        try:
            update = self.optimization.update(share, self.step)
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            raise RecipeError(
                f"{name}: out of memory: lower training.batch_pieces, now {config.batch_pieces}, "
                f"or raise training.accumulate, now {config.accumulate}"
            ) from error
        self.bad_steps = 0 if update.is_finite else self.bad_steps + 1
        if self.bad_steps >= config.max_bad_steps:
            raise RecipeError(
                f"{name}: loss or gradient is not finite, for the {self.bad_steps}th step in a row: "
                f"training.learning_rate {config.learning_rate} may be too high"
            )
        self.step += 1
        self.epoch, self.batches_seen = share.place.epoch, share.place.number + 1
        return update

    def _must_save(self, last_save: float) -> bool:
        """Agree on whether to save, and whether to stop, which one process may want and all have to do together."""
        is_late = time.monotonic() - last_save > 60 * self.recipe.training.checkpoint_every_minutes
        if self.fabric.world_size == 1:  # which does not wait for a GPU that is still busy with the step
            self.is_stopped = self._is_asked_to_stop
            return self.is_stopped or is_late
        wishes = torch.tensor([is_late, self._is_asked_to_stop], dtype=torch.float32, device=self.device)
        late, stopped = self.fabric.all_reduce(wishes, reduce_op="sum").tolist()  # type: ignore[union-attr]
        self.is_stopped = stopped > 0
        return self.is_stopped or late > 0

    def _note(self, recent: Recent, is_validation: bool, log: TrainingLog | None, report: Report) -> None:
        """Report and log the recent steps, after a validation where one is due."""
        progress = recent.progress(self.step, self.recipe.training.steps)
        self.seconds += recent.seconds
        if is_validation:
            self._validate()
            progress = progress._replace(scores=self.scores)
        report(progress)
        if log:
            log.add(progress, self.seconds)

    def _validate(self) -> None:
        """Score the network in the first process, and keep it if none was better."""
        is_first = self.fabric.is_global_zero
        network = self.optimization.result
        scores = validate(network, self.tokenizer, self.dev_set, self.recipe, self.device) if is_first else {}
        self.scores = self.fabric.broadcast(scores)
        mean = sum(self.scores.values()) / len(self.scores) if self.scores else 0.0
        is_better = mean > self.best or not self.scores
        self.validations_since_best = 0 if is_better else self.validations_since_best + 1
        keeps_best = mean >= self.best
        self.best = max(self.best, mean)
        if is_first and keeps_best:
            save_checkpoint(self.run / "best.pt", self.result())
        if is_first and self.recipe.training.keep_checkpoints:
            self._keep_result()

    def _keep_result(self) -> None:
        save_checkpoint(self.run / f"step-{self.step}.pt", self.result())
        kept = sorted(self.run.glob("step-*.pt"), key=lambda path: int(path.stem.removeprefix("step-")))
        for path in kept[: -self.recipe.training.keep_checkpoints]:
            path.unlink()

    def _save(self, log: TrainingLog | None) -> None:
        checkpoint = self.checkpoint()
        if log:
            save_checkpoint(self.run / "last.pt", checkpoint)
            log.draw()
        self.fabric.barrier()


def open_training(
    recipe: Recipe,
    *,
    data: Path,
    run: Path,
    resume: bool,
    device: torch.device,
    start: Path | None = None,
    prepared: Prepared | None = None,
) -> Trainer:
    """Read text from folder ``data`` to train with into folder ``run``, which all processes have to see.

    It begins with random weights, with those of ``start`` (a checkpoint, or a bundle's folder) or with its last.pt.
    ``prepared`` is what it shares with another training of the same text.
    CheckpointError when there is something to resume and ``resume`` is not set, or the reverse; DataError for text
    that cannot be read.
    """
    last = run / "last.pt"
    if last.exists() and not resume:
        raise CheckpointError(f"{last} exists: go on with --resume, or name another folder")
    if resume and not last.exists():
        raise CheckpointError(f"{last}: nothing to resume")
    if resume and start:
        raise CheckpointError(f"{last} and {start}: a training goes on from one or starts from the other")
    begun = load_start(start) if start else None
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = load_checkpoint(last) if resume else None
    if checkpoint and not checkpoint.training_state:
        raise CheckpointError(f"{last}: holds a network alone, and not the training that made it")
    return Trainer(recipe, data=data, run=run, device=device, last=checkpoint, start=begun, prepared=prepared)
