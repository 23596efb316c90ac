"""The bodies of requests and answers, in LibreTranslate's form."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.config import MAX_BEAM_SIZE
from service.fields import WORDS_OF_LENGTH, LanguageCode, Length, Rounded, Terms, TextFormat, Texts
from service.files import SUPPORTED

MAX_LENGTH = 256
"""Pieces of a sentence that a request may ask for."""


class AnyRequest(BaseModel):
    """What all requests have in common.

    Unknown fields are ignored, as clients send their own; null, and what a form leaves empty, is as good as nothing.
    """

    model_config = ConfigDict(frozen=True)

    api_key: str | None = Field(
        None, description="Where /frontend/settings says that one is needed; may be sent as `Authorization: Bearer` too"
    )

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, fields: dict[str, Any]) -> dict[str, Any]:
        # An empty text is one, whose translation is empty.
        return {name: value for name, value in fields.items() if value is not None and (value != "" or name == "q")}


class TextsRequest(AnyRequest):
    """What requests about texts have in common."""

    q: Texts = Field(description="A text, or in JSON a list of texts", examples=["Guten Morgen!"])

    @property
    def texts(self) -> list[str]:
        """The texts of ``q``, one or many."""
        return [self.q] if isinstance(self.q, str) else self.q


class TextRequest(TextsRequest):
    """What translating and summarizing have in common."""

    format: TextFormat = "text"
    alternatives: int = Field(0, ge=0, description="How many further outputs are wanted")
    beam_size: int | None = Field(None, ge=1, le=MAX_BEAM_SIZE, description="Hypotheses that the search follows")
    length_penalty: float | None = Field(None, ge=0, le=5, description="Larger favours longer outputs")
    coverage_penalty: float | None = Field(
        None, ge=0, le=5, description="Larger favours outputs that leave nothing out"
    )
    reverse_weight: float | None = Field(None, ge=0, le=5, description="Larger heeds the reverse direction more")
    no_repeat_ngram: int | None = Field(None, ge=0, le=16, description="So many pieces in a row never come twice")
    repetition_penalty: float | None = Field(None, ge=1, le=10, description="Larger makes repeated pieces rarer")
    min_length: int | None = Field(None, ge=0, le=MAX_LENGTH, description="Pieces of each sentence at least")
    max_length: int | None = Field(None, ge=1, le=MAX_LENGTH, description="Pieces of each sentence at most")
    timeout_ms: int | None = Field(None, ge=1, description="After which the answer is 504; the server has a limit too")
    scores: bool = Field(False, description="Whether to answer with the log-probability of each piece")
    attention: bool = Field(False, description="Whether to answer with what each piece attended to")


DECODING_FIELDS = (
    "beam_size",
    "length_penalty",
    "coverage_penalty",
    "reverse_weight",
    "no_repeat_ngram",
    "repetition_penalty",
    "min_length",
    "max_length",
)
"""Fields of a request that replace the bundle's own DecodingConfig."""


AUTO = "auto"
"""As a source: the language is to be found out."""


class TranslateRequest(TextRequest):
    """Body of POST /translate."""

    source: LanguageCode = Field(description="A code of /languages, or `auto`")
    target: LanguageCode
    glossary: Terms = {}
    stream: bool = Field(False, description="Answer with an event for each sentence, and one with the answer")


class FileRequest(AnyRequest):
    """The fields of POST /translate_file beside the file."""

    source: LanguageCode = Field(description="A code of /languages, or `auto`")
    target: LanguageCode
    glossary: Terms = {}


class FileResponse(BaseModel):
    """Answer of POST /translate_file."""

    translatedFileUrl: str = Field(description="Where the translated file can be had for half an hour")


class DetectRequest(TextsRequest):
    """Body of POST /detect."""


class SummarizeRequest(TextRequest):
    """Body of POST /summarize."""

    source: LanguageCode = "en"
    length: Length = Field(
        None, description="About how many words each line has: `short`, `medium`, `long` or a number"
    )
    sentences: int = Field(1, ge=1, le=50, description="So many parts of the text have a line each, if it has them")

    @property
    def words(self) -> int | None:
        """About how many words each line is to have; None leaves it to the network."""
        return WORDS_OF_LENGTH[self.length] if isinstance(self.length, str) else self.length


class RankedOutput(BaseModel):
    """What the search found."""

    text: str
    score: Rounded = Field(description="What the search ranks by; to four decimals")


class SentenceDetails(BaseModel):
    """How the best output of one sentence came about."""

    source_text: str = Field(description="The sentence")
    target_text: str = Field(description="Its best output")
    source: list[str] = Field(description="Pieces that the network read: a tag, the text, the end")
    target: list[str] = Field(description="Pieces that it wrote, the end last")
    score: Rounded = Field(description="What the search ranks by; to four decimals")
    log_probabilities: list[Rounded] | None = Field(
        None, description="Natural logarithm for each piece of the target; to four decimals"
    )
    attention: list[list[Rounded]] | None = Field(
        None, description="For each piece of the target, how much it attended to each of the source; to four decimals"
    )
    hypotheses: list[RankedOutput] | None = Field(
        None, description="Only with alternatives: all outputs of the sentence, best first"
    )


Details = list[SentenceDetails] | list[list[SentenceDetails]] | None
DETAILS = Field(None, description="Only when scores or attention are asked for: an entry for each sentence")


class DetectedLanguage(BaseModel):
    """What a text was taken for."""

    confidence: float = Field(description="Percent", examples=[99.9])
    language: str = Field(examples=["de"])


class TranslateResponse(BaseModel):
    """Answer of POST /translate; lists when ``q`` was one."""

    detectedLanguage: DetectedLanguage | list[DetectedLanguage] | None = Field(None, description="Only with `auto`")
    via: str | list[str | None] | None = Field(
        None, description="Only when no network translates directly: the language in between"
    )
    translatedText: str | list[str] = Field(examples=["Good morning!"])
    alternatives: list[str] | list[list[str]] | None = Field(None, description="Only when asked for")
    details: Details = DETAILS


class SummarizeResponse(BaseModel):
    """Answer of POST /summarize; lists when ``q`` was one."""

    summaryText: str | list[str] = Field(examples=["A Network for Everything"])
    alternatives: list[str] | list[list[str]] | None = Field(None, description="Only when asked for")
    details: Details = DETAILS
    parts: int | list[int] | None = Field(
        None, description="Only when a text was longer than the network reads: how many parts have a line each"
    )


class ErrorResponse(BaseModel):
    """Body of every error."""

    error: str


class FrontendLanguage(BaseModel):
    """A language that a page begins with."""

    code: str
    name: str


class FrontendLanguages(BaseModel):
    """The languages that a page begins with."""

    source: FrontendLanguage
    target: FrontendLanguage


class FrontendSettings(BaseModel):
    """Answer of GET /frontend/settings: what LibreTranslate's page and clients ask before they begin."""

    apiKeys: bool
    charLimit: int
    filesTranslation: bool = True
    frontendTimeout: int = Field(500, description="Milliseconds that a page waits after the last key")
    keyRequired: bool
    language: FrontendLanguages
    suggestions: bool = False
    supportedFilesFormat: list[str] = list(SUPPORTED)


class Language(BaseModel):
    """A language that can be translated from, as GET /languages lists it."""

    code: str = Field(examples=["de"])
    name: str = Field(examples=["German"])
    targets: list[str] = Field(examples=[["de", "en"]])


class ServedBundle(BaseModel):
    """A bundle in GET /models: what it is, or why it is not served.

    One that is ready and has an error is served in the version before, as the one in the folder cannot be.
    """

    folder: str
    status: Literal["ready", "failed"]
    error: str | None = None
    name: str | None = None
    version: str | None = None
    tasks: list[str] = []
    serving: list[str] = Field([], description="Those of its tasks that it serves; another bundle serves the others")
    parameters: int | None = None
    dtype: str | None = Field(None, description="Type of number that the network is served in")
    max_source_pieces: int | None = None
    decoding: dict[str, Any] | None = Field(None, description="Options that hold where a request gives none")
    scores: list[dict[str, Any]] = []


class Reloaded(BaseModel):
    """Answer of POST /models/reload: folders of bundles."""

    loaded: list[str] = Field(description="New, or another version", examples=[["translate-de-en"]])
    kept: list[str] = Field(description="Not changed")
    removed: list[str] = Field(description="Served no more")
    failed: dict[str, str] = Field(description="Why a folder was not loaded; what it served before is served still")


class Health(BaseModel):
    """Answer of the health routes."""

    status: str = Field(examples=["ok"])
    failed: list[str] | None = Field(None, description="Why bundles are not served, when some are not")
