"""A recipe: what is trained on what, and how. It is one TOML file.

Its tables that matter only to training are here; those that a bundle or a request knows too are in ``model.config``.
"""

import tomllib
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, model_validator

from model.config import (
    CardConfig,
    Config,
    DecodingConfig,
    Glossaries,
    NetworkConfig,
    Task,
    TaskName,
    TokenizerConfig,
    check_glossaries,
    describe_validation_error,
)


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the key."""


class CorpusConfig(Config):
    """Parallel text: files, the language of each column, and the tasks to learn from it.

    A file is a TSV (.tsv, .tsv.xz, .tsv.gz) with the source in the first and the target in the second column, or a
    pair of text files with equally many lines.
    """

    name: str
    train: list[str | tuple[str, str]] = Field(min_length=1)
    dev: str | tuple[str, str] | None = None
    columns: tuple[str, str]
    tasks: list[TaskName] = Field(min_length=1)
    repeat: int = Field(1, ge=1)
    """How often each pair is seen in an epoch; lifts a small corpus beside a large one."""

    @model_validator(mode="after")
    def _tasks_use_the_columns(self) -> Self:
        for task in self.tasks:
            if {task.source, task.target} != set(self.columns):
                raise ValueError(f"task {task} does not use the columns {' and '.join(self.columns)}")
        return self


class FilterConfig(Config):
    """Which pairs are dropped, by pieces of the tokenizer."""

    max_source_pieces: int = Field(100, ge=1)
    max_target_pieces: int = Field(100, ge=1)
    overlong_source: Literal["drop", "cut"] = "drop"
    """``cut`` keeps the beginning, as fits summarization, where the source is long and opens with what matters."""
    max_length_ratio: float = Field(4.0, gt=1)
    """Longer side over shorter side; only pairs with a side of more than 10 pieces are held to it."""


class TrainingConfig(Config):
    """Optimization: Adam, linear warm-up, constant rate, linear decay to zero."""

    seed: int = 1
    steps: int = Field(20_000, ge=1)
    batch_pieces: int = Field(8_000, ge=1)
    """Padded source and target positions in a batch, of all processes together."""
    accumulate: int = Field(1, ge=1)
    """In how many parts each process works through its share of a batch: less memory for the same steps."""
    length_multiple: int = Field(8, ge=1)
    """Lengths are padded to a multiple of this: oneDNN keeps one primitive for each shape it meets."""
    window_pairs: int = Field(1_000_000, ge=1)
    """Pairs that are shuffled together, for which memory takes some 400 bytes each; a smaller corpus is one window."""
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(400, ge=1)
    decay_steps: int = Field(4_000, ge=0)
    """The last steps, over which the rate falls to zero (warm-up, stable, decay: Hu et al. 2024, section 4)."""
    label_smoothing: float = Field(0.1, ge=0, lt=1)
    ema_decay: float = Field(0.0, ge=0, lt=1)
    """Validate and export the exponential moving average of the weights, of which so much stays at each step."""
    sparsity: float = Field(0.0, ge=0, lt=1)
    """Share of each matrix of a network to start from that is set to 0 and stays 0 (Han et al. 2015)."""
    coverage_loss: float = Field(0.0, ge=0)
    """Weight of a loss on attending again to what was attended to before (See et al. 2017, section 2.3: 1)."""
    max_gradient_norm: float = Field(1.0, gt=0)
    max_bad_steps: int = Field(10, ge=1)
    """A step whose loss or gradient is not finite is skipped; so many in a row end the training."""
    bf16: bool = True
    """Autocast to bfloat16 on a processor (avx512_bf16) or GPU with instructions for it; other processors train in
    float32, GPUs in TF32."""
    mask_share: float = Field(0.0, ge=0, le=1)
    """Of the pairs, how many have names and numbers that both sides hold masked, anew in each epoch."""
    workers: int = Field(0, ge=0)
    """Processes that prepare batches ahead of each training process, with as many windows in memory; 0: itself does.
    For a GPU, which else waits for the text: 4, or 8 with masks."""
    validate_every_steps: int = Field(1_000, ge=1)
    checkpoint_every_minutes: float = Field(5.0, gt=0)
    validation_pairs: int = Field(300, ge=1)
    """Pairs of each task's dev file that are decoded at a validation."""
    patience: int = Field(0, ge=0)
    """End after so many validations in a row without a better score on dev; 0 goes on to the last step."""
    keep_checkpoints: int = Field(0, ge=0)
    """Of how many last validations the network is kept, as step-NNN.pt, for an average of them."""

    @model_validator(mode="after")
    def _schedule_fits(self) -> Self:
        if self.warmup_steps + self.decay_steps > self.steps:
            raise ValueError("warmup_steps and decay_steps together exceed steps")
        return self


class SpanConfig(Config):
    """What ``dragoman tune`` tries for a key: one of ``choices``, or any number from ``low`` to ``high``."""

    choices: list[bool | int | float | str] | None = Field(None, min_length=1)
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Draw evenly over orders of magnitude, as fits a learning rate."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.choices is not None:
            if self.model_fields_set != {"choices"}:
                raise ValueError("choices stand alone")
        elif self.low is None or self.high is None or self.low >= self.high:
            raise ValueError("asks for choices, or for low and a higher high")
        elif self.log and self.low <= 0:
            raise ValueError(f"low {self.low} has no logarithm")
        return self


class Recipe(Config):
    """A whole recipe; the checkpoint carries it, so that a network is never without what it was made from."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    corpus: list[CorpusConfig] = Field(min_length=1)
    filter: FilterConfig = FilterConfig()
    tokenizer: TokenizerConfig = TokenizerConfig()
    network: NetworkConfig = NetworkConfig()
    training: TrainingConfig = TrainingConfig()
    decoding: DecodingConfig = DecodingConfig()
    card: CardConfig = CardConfig()
    glossary: Glossaries = Field(default_factory=dict)
    """What all translations of the bundle hold, as ``[glossary."translate:de:en"]`` with ``Vertrag = "agreement"``."""
    tune: dict[str, SpanConfig] = Field(default_factory=dict)
    """Key, as ``"training.learning_rate"``, → what to try for it; training by the recipe itself ignores it."""

    @model_validator(mode="after")
    def _coverage_has_attention(self) -> Self:
        if self.training.coverage_loss and self.network.attention == "none":
            raise ValueError("training.coverage_loss is a loss on attention; network.attention is none")
        return self

    @model_validator(mode="after")
    def _has_masks_to_learn(self) -> Self:
        if self.training.mask_share and not self.tokenizer.masks:
            raise ValueError("training.mask_share has no masks to draw; tokenizer.masks is 0")
        return self

    @model_validator(mode="after")
    def _glossaries_are_of_its_tasks(self) -> Self:
        check_glossaries(self.glossary, self.tasks)
        return self

    def trains_like(self, other: "Recipe") -> bool:
        """Say whether a training by the other recipe can go on by this one, with the very same batches.

        Steps and rates may change, and what only matters once the network is trained, [decoding], [card] and
        [glossary], or in other trainings, [tune].
        """
        free = {"training", "decoding", "card", "glossary", "tune"}
        order = {"seed", "batch_pieces", "length_multiple", "window_pairs"}
        same_data = self.model_dump(exclude=free) == other.model_dump(exclude=free)
        return same_data and self.training.model_dump(include=order) == other.training.model_dump(include=order)

    @property
    def max_source_pieces(self) -> int:
        """The longest source that is decoded in one piece, without tag and end."""
        return self.decoding.max_source_pieces or self.filter.max_source_pieces

    @property
    def tasks(self) -> list[Task]:
        """Every task once, in the order in which the corpora name them."""
        return list(dict.fromkeys(task for corpus in self.corpus for task in corpus.tasks))


def load_recipe(path: Path) -> Recipe:
    """Read a recipe; RecipeError names the file and every key that is unknown or impossible."""
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not TOML: {error}") from error
    except ValidationError as error:
        raise RecipeError(f"{path}: {describe_validation_error(error)}") from error
