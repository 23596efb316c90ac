"""Search for the values of a recipe's keys that score best on dev, with Optuna (Akiba et al. 2019).

A trial is a training in a folder of its own, RUN/trials/N. The search stands in RUN/study.db, whose writes a kill does
not tear, and goes on in the midst of a trial. A trial is pruned when its best score is below the median of those that
the finished ones had at the same step: Hyperband parts its trials among brackets, and pays from some hundred on.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import torch
from optuna.trial import TrialState
from pydantic import ValidationError

from model.atomic import write_atomically
from model.checkpoint import CheckpointError
from model.config import describe_validation_error
from model.recipe import Recipe, RecipeError, SpanConfig
from model.tokenizer import Tokenizer, TokenizerError
from model.toml import to_toml
from model.training import Prepared, Trainer, open_training, train_tokenizer
from model.training_log import Progress
from model.trials import Trial, best_of, draw_trials

TABLES = ("filter", "tokenizer", "network", "training", "decoding")

UNPRUNED_TRIALS = 5
"""How many have to finish before one is pruned, as a median of fewer says little."""

Report = Callable[[int, Progress], None]
"""Is told the number of the trial, and where its training stands."""


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a trial; RecipeError names each key that is unknown or impossible."""
    content = recipe.model_dump(mode="json", exclude_unset=True, exclude={"tune"})
    for key, value in values.items():
        table, _, name = key.partition(".")
        if table not in TABLES:
            raise RecipeError(f"{recipe.name}: {key}: begins with none of the tables {', '.join(TABLES)}")
        content.setdefault(table, {})[name] = value
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        tried = ", ".join(f"{key} = {value}" for key, value in values.items())
        raise RecipeError(f"{recipe.name}: with {tried}: {describe_validation_error(error)}") from error


def check_spans(recipe: Recipe) -> None:
    """Refuse a key that is unknown, and a value that is impossible beside the recipe's other ones, with RecipeError."""
    if not recipe.tune:
        raise RecipeError(f"{recipe.name}: has no table [tune] that says what to try")
    if not any(corpus.dev for corpus in recipe.corpus):
        raise RecipeError(f"{recipe.name}: no corpus has a dev file to compare trials by")
    for key, span in recipe.tune.items():
        kind = _kind(recipe, key)
        if not span.choices and kind not in (int, float, None):
            raise RecipeError(f"{recipe.name}: tune.{key}: is no number; name choices")
        for value in span.choices or (span.low, span.high):
            with_values(recipe, {key: value})
        if not span.choices and kind is int:
            with_values(recipe, {key: int(span.low or 0) + 1})  # whether any number between will do


def _kind(recipe: Recipe, key: str) -> Any:
    """Return the type of a key's values; None of a key that is unknown."""
    table, _, name = key.partition(".")
    fields = type(getattr(recipe, table)).model_fields if table in TABLES else {}
    return fields[name].annotation if name in fields else None


def _own_value(recipe: Recipe, key: str) -> Any:
    table, _, name = key.partition(".")
    return getattr(getattr(recipe, table), name)


def _holds(span: SpanConfig, value: Any) -> bool:
    if span.choices:
        return value in span.choices
    assert span.low is not None
    assert span.high is not None
    return bool(span.low <= value <= span.high)


def _suggest(trial: optuna.Trial, recipe: Recipe, key: str) -> Any:
    span = recipe.tune[key]
    if span.choices:
        return trial.suggest_categorical(key, span.choices)
    assert span.low is not None
    assert span.high is not None
    if _kind(recipe, key) is int:
        return trial.suggest_int(key, int(span.low), int(span.high), log=span.log)
    return trial.suggest_float(key, span.low, span.high, log=span.log)


class Tuning:
    """A search, in one process, one trial after another.

    RecipeError for a [tune] table that cannot be followed. CheckpointError when there is something to resume and
    ``resume`` is not set, or the reverse, or what is there was begun by another recipe.
    """

    def __init__(self, recipe: Recipe, *, data: Path, run: Path, resume: bool, device: torch.device) -> None:
        check_spans(recipe)
        database = run / "study.db"
        if database.exists() and not resume:
            raise CheckpointError(f"{database} exists: go on with --resume, or name another folder")
        if resume and not database.exists():
            raise CheckpointError(f"{database}: nothing to resume")
        run.mkdir(parents=True, exist_ok=True)
        self.recipe = recipe
        self.data = data
        self.run = run
        self.device = device
        self.is_stopped = False
        self._trainer: Trainer | None = None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=f"sqlite:///{database}", study_name="tune", direction="maximize", load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=UNPRUNED_TRIALS),
        )  # fmt: skip
        # One seed would have a resumed search draw again what the first one drew.
        seed = recipe.training.seed + len(self._study.trials)
        self._study.sampler = optuna.samplers.TPESampler(seed=seed)
        self._begin(database)

    def _begin(self, database: Path) -> None:
        content = self.recipe.model_dump(mode="json", exclude_unset=True)
        begun = self._study.user_attrs.get("recipe")
        if begun is None:
            # First what the recipe itself says, as far as it is in range, so that the best is never worse than that.
            own = {key: _own_value(self.recipe, key) for key in self.recipe.tune}
            self._study.enqueue_trial(
                {key: own[key] for key, span in self.recipe.tune.items() if _holds(span, own[key])}
            )
            self._study.set_user_attr("recipe", content)
        elif begun != content:
            raise CheckpointError(f"{database}: was begun by another recipe")

    @property
    def trials(self) -> list[Trial]:
        """All that ended, in order."""
        ended = self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
        return [
            Trial(
                number=trial.number,
                values=trial.params,
                score=max(trial.intermediate_values.values(), default=None),
                is_finished=trial.state == TrialState.COMPLETE,
                ended=trial.user_attrs["ended"],
            )
            for trial in ended
        ]

    def stop(self) -> None:
        """Save the trial that is under way after its step, and leave ``search``."""
        self.is_stopped = True
        if self._trainer:
            self._trainer.stop()

    def search(self, count: int, report: Report) -> None:
        """Go on until ``count`` trials have ended or to a stop; best.toml and trials.png are written after each."""
        left = self._study.get_trials(states=(TrialState.RUNNING,))
        while len(self.trials) < count and not self.is_stopped:
            # What a kill or a stop left under way is gone on with; Optuna has no public name for that.
            trial = optuna.Trial(self._study, left.pop()._trial_id) if left else self._study.ask()
            self._try(trial, report)
            self._write_results()

    def _try(self, trial: optuna.Trial, report: Report) -> None:
        """Train by the values that Optuna suggests, and tell it how that ended, or nothing after a stop."""
        reported = set(self._study.trials[trial.number].intermediate_values)

        def report_and_prune(progress: Progress) -> None:
            report(trial.number, progress)
            if progress.scores and progress.step not in reported:
                trial.report(fmean(progress.scores.values()), progress.step)
                if trial.should_prune():
                    raise optuna.TrialPruned(f"pruned at step {progress.step}")

        try:
            recipe = with_values(self.recipe, {key: _suggest(trial, self.recipe, key) for key in self.recipe.tune})
            trainer = self._trainer = self._open(trial.number, recipe)
            if self.is_stopped:  # while it was opened
                trainer.stop()
            trainer.train(report_and_prune)
        except (optuna.TrialPruned, RecipeError, TokenizerError) as end:
            # Values that go ill together, or want too much memory: worse for the sampler than any score.
            trial.set_user_attr("ended", str(end))
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            if trainer.is_finished:
                trial.set_user_attr("ended", "finished")
                self._study.tell(trial, trainer.best)
        finally:
            self._trainer = None

    def _open(self, number: int, recipe: Recipe) -> Trainer:
        folder = self.run / "trials" / str(number)
        resume = (folder / "last.pt").exists()
        prepared = Prepared(self._tokenizer(recipe), self.run / "cache")
        return open_training(recipe, data=self.data, run=folder, resume=resume, device=self.device, prepared=prepared)

    def _tokenizer(self, recipe: Recipe) -> Tokenizer:
        """Return the tokenizer that all trials with the same [tokenizer] share, learnt by the first of them."""
        sizes = "-".join(map(str, recipe.tokenizer.model_dump().values()))
        path = self.run / f"tokenizer-{sizes}.model"
        if not path.exists():
            write_atomically(path, train_tokenizer(recipe, self.data).model)
        return Tokenizer(path.read_bytes())

    def _write_results(self) -> None:
        """Write the best recipe and the picture; of all trials that ended, the best alone keeps its network."""
        trials = self.trials
        best = best_of(trials)
        for trial in trials:
            for path in (self.run / "trials" / str(trial.number)).glob("*.pt"):
                if trial != best or path.name == "last.pt":
                    path.unlink()
        if best:
            found = f"# Trial {best.number} of {len(trials)}: {best.score:.2f} on dev.\n"
            recipe = to_toml(with_values(self.recipe, best.values))
            write_atomically(self.run / "best.toml", (found + recipe).encode())
        draw_trials(self.run / "trials.png", trials, self.recipe.tune)
