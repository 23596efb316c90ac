"""The typed form of a recipe: what is trained on what, and how.

A recipe is one TOML file. Every table forbids unknown keys, so a misspelt key stops with its own name instead of
training for an hour with a default.
"""

import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, model_validator


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message names the key."""


class Config(BaseModel):
    """Base of every table of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


LanguageCode = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[a-z0-9]+)*$")]
"""In lower case throughout, as ``zh-hant``: clients write codes in either."""


class Task(Config):
    """One thing that a bundle can do: translate source→target, or summarize (source = target).

    Written ``translate:de:en`` or ``summarize:en``. Its tag is the piece before the source that tells the network
    what to do (Johnson et al. 2017, section 3).
    """

    kind: Literal["translate", "summarize"]
    source: LanguageCode
    target: LanguageCode

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind:source[:target]``; ValueError when it is not of that form."""
        kind, _, languages = text.partition(":")
        source, _, target = languages.partition(":")
        return cls.model_validate({"kind": kind, "source": source, "target": target or source})

    @model_validator(mode="after")
    def _languages_fit_the_kind(self) -> Self:
        if (self.kind == "translate") == (self.source == self.target):
            raise ValueError(f"{self}: a translation has two languages, a summary one")
        return self

    def __str__(self) -> str:
        languages = self.source if self.kind == "summarize" else f"{self.source}:{self.target}"
        return f"{self.kind}:{languages}"

    @property
    def tag(self) -> str:
        """The tokenizer's control piece for this task."""
        return f"<{self}>"


def _parse_task(value: object) -> object:
    return Task.parse(value) if isinstance(value, str) else value


TaskName = Annotated[Task, BeforeValidator(_parse_task), PlainSerializer(str)]


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


class TokenizerConfig(Config):
    """SentencePiece unigram (Kudo 2018) with byte fallback, shared by all languages of a bundle."""

    vocabulary_size: int = Field(8000, ge=300)
    character_coverage: float = Field(0.9995, gt=0, le=1)
    max_training_sentences: int = Field(1_000_000, ge=1)


class NetworkConfig(Config):
    """What the encoder and the decoder are made of; the embeddings are tied with the output layer."""

    embedding_size: int = Field(512, ge=1)
    hidden_size: int = Field(512, ge=2, multiple_of=2)
    encoder_layers: int = Field(2, ge=1)
    decoder_layers: int = Field(2, ge=2)
    """The first layer's output queries the attention, so at least two."""
    cell: Literal["rnn", "gru", "lstm", "lstm-norm"] = "lstm"
    """``rnn`` with tanh (Elman 1990), ``gru`` (Cho et al. 2014), ``lstm`` (Hochreiter & Schmidhuber 1997), or that with
    layer normalization (Ba et al. 2016), which trains without a fused kernel and so more slowly."""
    encoder: Literal["bidirectional", "unidirectional", "convolutional"] = "bidirectional"
    """``convolutional``: position embeddings, and in each layer a kernel of three positions (Gehring et al. 2017)."""
    residual: bool = True
    """Whether each layer but the first adds to what it reads, in encoder and decoder, rather than to replace it."""
    attention: Literal["general", "dot", "additive", "multi-head", "local", "hybrid", "none"] = "general"
    """``general`` and ``dot`` (Luong et al. 2015, section 3.1); ``additive`` (Bahdanau et al. 2015), which holds source
    times target positions times hidden_size in training; ``multi-head`` (Vaswani et al. 2017); ``local`` around a
    predicted position (Luong, section 3.2); ``hybrid``, a learned mixture of general and local; ``none``: the decoder
    begins with what is known of the source, and sees no more of it (Sutskever et al. 2014)."""
    heads: int = Field(4, ge=1)
    """Of multi-head attention; they share hidden_size."""
    window: int = Field(10, ge=1)
    """Of local and hybrid attention: how many positions it sees on either side (D of the paper)."""
    input_feeding: bool = False
    """The first layer reads what the output layer got a step before (Luong, section 3.3). Training then goes position
    by position; on one core that was about a fifth slower."""
    copying: bool = False
    """Pieces of the source may be written as they are (pointer-generator, See et al. 2017, section 2.2)."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Of what each layer reads."""
    variational_dropout: bool = False
    """Draw ``dropout`` once for all positions of a sentence (Gal & Ghahramani 2016)."""
    word_dropout: float = Field(0.0, ge=0, lt=1)
    """Of whole pieces: one that is dropped is so wherever it stands in the sentence (same paper, section 4.2)."""

    @model_validator(mode="after")
    def _choices_go_together(self) -> Self:
        if self.attention == "multi-head" and self.hidden_size % self.heads:
            raise ValueError(f"heads {self.heads} do not divide hidden_size {self.hidden_size}")
        if self.copying and self.attention == "none":
            raise ValueError("copying needs attention, which says what is copied; attention is none")
        if self.variational_dropout and self.input_feeding:
            raise ValueError("variational_dropout draws for all positions at once; input_feeding takes them one by one")
        return self


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
    r_drop: float = Field(0.0, ge=0)
    """Weight of the divergence between two passes with different dropout (Liang et al. 2021, equation 4); 0 makes one
    pass. Two take twice the time and memory."""
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
    """Autocast to bfloat16 on a processor with instructions for it (avx512_bf16); others train in float32."""
    sampling_alpha: float = Field(0.0, ge=0)
    """Subword regularization: smoothing of the distribution over segmentations (Kudo 2018); 0 switches it off."""
    sampling_candidates: int = Field(8, ge=2)
    """Among how many best segmentations to sample."""
    source_drop: float = Field(0.0, ge=0, lt=1)
    """Share of source pieces that are left out, anew in each epoch (Lample et al. 2018, section 2.3)."""
    source_shuffle: int = Field(0, ge=0)
    """How many places a source piece may move from its own (the same section; 3 there)."""
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


DType = Literal["float32", "bfloat16", "float16", "int8"]
"""In what a network is served: float16 on a GPU only, int8 on a CPU only."""


StoredIn = Literal["bfloat16", "int8"]
"""In what a bundle holds the weights; int8 for matrices only, with a scale for each row."""


class DecodingConfig(Config):
    """Beam search: what a bundle does by default, and what one request may ask for."""

    beam_size: int = Field(5, ge=1, le=16)
    n_best: int = Field(1, ge=1, le=16)
    length_penalty: float = Field(1.0, ge=0, le=5)
    """Alpha of Wu et al. (2016, section 7): 0 ranks by probability alone, larger favours longer hypotheses."""
    coverage_penalty: float = Field(0.0, ge=0, le=5)
    """Beta of the same section: how much a hypothesis loses for source pieces that it never attended to."""
    no_repeat_ngram: int = Field(0, ge=0, le=16)
    """A hypothesis never holds the same so many pieces in a row twice; 0 for no such guard."""
    repetition_penalty: float = Field(1.0, ge=1, le=10)
    """By what the log-probability of a piece is multiplied that the hypothesis holds already (Keskar et al. 2019)."""
    prune_threshold: float = Field(3.0, ge=0)
    """Hypotheses whose log-probability is further than this behind the best are dropped (Freitag & Al-Onaizan 2017);
    0 drops none, and none are dropped where n_best asks for more than one."""
    min_length: int = Field(1, ge=0)
    """Pieces that a hypothesis has at least, without the end of sentence."""
    max_length_ratio: float = Field(2.0, gt=0)
    max_length_offset: int = Field(10, ge=1)
    """A hypothesis has at most ``max_length_ratio`` * source pieces + ``max_length_offset`` (or min_length) ..."""
    max_length: int = Field(256, ge=1)
    """... and never more than this."""
    max_source_pieces: int | None = Field(None, ge=8)
    """The longest source that is decoded in one piece; longer texts are split. None: as in training.

    The manifest of a bundle states it once, beside its other sizes.
    """

    def longest(self, source_length: int) -> int:
        """Return how many pieces a hypothesis may have for a framed source of that length."""
        usual = int(self.max_length_ratio * source_length) + self.max_length_offset
        return min(self.max_length, max(self.min_length, usual))

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.n_best > self.beam_size:
            raise ValueError(f"n_best {self.n_best} exceeds beam_size {self.beam_size}")
        if self.min_length > self.max_length:
            raise ValueError(f"min_length {self.min_length} exceeds max_length {self.max_length}")
        return self


class CardConfig(Config):
    """What the model card says beyond what can be measured; Markdown."""

    summary: str = "Not stated."
    data: str = "Not stated."
    licence: str = "Not stated."
    limits: str = "Not stated."
    """What the network is bad at."""


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
    tune: dict[str, SpanConfig] = {}
    """Key, as ``"training.learning_rate"``, → what to try for it; training by the recipe itself ignores it."""

    @model_validator(mode="after")
    def _coverage_has_attention(self) -> Self:
        if self.training.coverage_loss and self.network.attention == "none":
            raise ValueError("training.coverage_loss is a loss on attention; network.attention is none")
        return self

    def trains_like(self, other: "Recipe") -> bool:
        """Say whether a training by the other recipe can go on by this one, with the very same batches.

        Steps and rates may change, and what only matters once the network is trained, [decoding] and [card],
        or in other trainings, [tune].
        """
        free = {"training", "decoding", "card", "tune"}
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


def describe_validation_error(error: ValidationError) -> str:
    """Return one line that names each key at fault, and what is wrong with it."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
    )


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
