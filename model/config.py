"""The parts of a recipe that go along with what it makes: tasks, and what networks and searches are like.

Every table forbids unknown keys, so a misspelt key stops with its own name instead of training for an hour with a
default.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)

from model.masks import MASKS


class Config(BaseModel):
    """Base of every table of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


GONE = {
    "network": ("variational_dropout", "word_dropout"),
    "training": ("r_drop", "sampling_alpha", "sampling_candidates", "source_drop", "source_shuffle"),
}
"""Table → keys that there were, of what happens in training alone and did not help. They stand in earlier checkpoints
and bundles, and mean nothing to who uses a network; a recipe has none of them."""


def without_gone(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return a table of a checkpoint or bundle without the keys that are gone."""
    return {key: value for key, value in values.items() if key not in GONE[table]}


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
    def reverse(self) -> "Task":
        """The translation from target to source; of a summary, itself."""
        return Task(kind=self.kind, source=self.target, target=self.source)

    @property
    def tag(self) -> str:
        """The tokenizer's control piece for this task."""
        return f"<{self}>"


def _parse_task(value: object) -> object:
    return Task.parse(value) if isinstance(value, str) else value


TaskName = Annotated[Task, BeforeValidator(_parse_task), PlainSerializer(str)]


class TokenizerConfig(Config):
    """SentencePiece unigram (Kudo 2018) with byte fallback, shared by all languages of a bundle."""

    vocabulary_size: int = Field(8000, ge=300)
    character_coverage: float = Field(0.9995, gt=0, le=1)
    max_training_sentences: int = Field(1_000_000, ge=1)
    masks: int = Field(0, ge=0, le=len(MASKS))
    """Pieces that stand for what has to come out as it went in; ``training.mask_share`` is how they are learnt."""


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
    by position: on one core at 0.6 times the speed (benchmarks/README.md)."""
    copying: bool = False
    """Pieces of the source may be written as they are (pointer-generator, See et al. 2017, section 2.2)."""
    dropout: float = Field(0.2, ge=0, lt=1)
    """Of what each layer reads."""

    @model_validator(mode="after")
    def _choices_go_together(self) -> Self:
        if self.attention == "multi-head" and self.hidden_size % self.heads:
            raise ValueError(f"heads {self.heads} do not divide hidden_size {self.hidden_size}")
        if self.copying and self.attention == "none":
            raise ValueError("copying needs attention, which says what is copied; attention is none")
        return self


DType = Literal["float32", "bfloat16", "float16", "int8"]
"""In what a network is served: float16 on a GPU only, int8 on a CPU only."""


StoredIn = Literal["bfloat16", "int8"]
"""In what a bundle holds the weights; int8 for matrices only, with a scale for each row."""


MAX_BEAM_SIZE = 16


class DecodingConfig(Config):
    """Beam search: what a bundle does by default, and what one request may ask for."""

    beam_size: int = Field(5, ge=1, le=MAX_BEAM_SIZE)
    n_best: int = Field(1, ge=1, le=MAX_BEAM_SIZE)
    length_penalty: float = Field(1.0, ge=0, le=5)
    """Alpha of Wu et al. (2016, section 7): 0 ranks by probability alone, larger favours longer hypotheses."""
    coverage_penalty: float = Field(0.0, ge=0, le=5)
    """Beta of the same section: how much a hypothesis loses for source pieces that it never attended to."""
    reverse_weight: float = Field(0.0, ge=0, le=5)
    """How much it counts, when the best of what a search has found is chosen, for how probable its source is as a
    translation of it. Of bundles that translate in both directions (model.reverse); 0 does without."""
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

    full_stop: bool = False
    """A source of several words that ends without a mark, as a label, is read with a full stop, and the output loses
    its own: for networks whose training text has few such. What a word alone means is learnt from a lexicon."""

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


def _is_text(text: str) -> str:
    # JSON can spell half of a surrogate pair, which no text holds and no tokenizer takes.
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("holds a lone surrogate, which is not Unicode text")
    return text


Term = Annotated[str, Field(max_length=200, pattern=r"\S"), AfterValidator(_is_text)]
Glossaries = dict[TaskName, Annotated[dict[Term, Term], Field(max_length=100_000)]]
"""Task → term → what its translation has to be, whoever asks."""


def check_glossaries(glossaries: Glossaries, tasks: Sequence[Task]) -> None:
    """Raise ValueError when there is one of what is no translation among the tasks."""
    for task in glossaries:
        if task not in tasks or task.kind != "translate":
            raise ValueError(f"{task} is no translation among the tasks {', '.join(map(str, tasks))}")


class CardConfig(Config):
    """What the model card says beyond what can be measured; Markdown."""

    summary: str = "Not stated."
    data: str = "Not stated."
    licence: str = "Not stated."
    limits: str = "Not stated."
    """What the network is bad at."""


def describe_validation_error(error: ValidationError) -> str:
    """Return one line that names each key at fault, and what is wrong with it."""
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'recipe'}: "
        + ("is unknown" if e["type"] == "extra_forbidden" else e["msg"].removeprefix("Value error, "))
        for e in error.errors()
    )
