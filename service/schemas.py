"""The bodies of requests and answers, in LibreTranslate's form."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _is_unicode(text: str) -> str:
    # JSON can spell half of a surrogate pair, which no text holds and no encoder takes.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds a lone surrogate, which is not Unicode text") from None
    return text


def _are_texts(q: object) -> object:
    # Stops at the first that is wrong: pydantic would describe each, and a megabyte of them takes seconds.
    for text in q if isinstance(q, list) else [q]:
        if not isinstance(text, str):
            raise ValueError("should be a text or a list of texts")
        _is_unicode(text)
    return q


Text = Annotated[str, AfterValidator(_is_unicode)]
Texts = Annotated[str | list[str], BeforeValidator(_are_texts)]
LanguageCode = Annotated[Text, AfterValidator(str.lower), Field(max_length=16, examples=["de"])]


class TextRequest(BaseModel):
    """What translating and summarizing have in common; unknown fields are ignored, as clients send their own."""

    model_config = ConfigDict(frozen=True)

    q: Texts = Field(description="A text, or in JSON a list of texts", examples=["Guten Morgen!"])
    format: Text = Field("text", description="`text`; `html` is not supported yet")
    alternatives: int = Field(0, ge=0, description="How many further outputs are wanted")
    api_key: str | None = Field(None, description="Ignored: this server asks for none")

    @property
    def texts(self) -> list[str]:
        """The texts of ``q``, one or many."""
        return [self.q] if isinstance(self.q, str) else self.q


class TranslateRequest(TextRequest):
    """Body of POST /translate."""

    source: LanguageCode
    target: LanguageCode


class SummarizeRequest(TextRequest):
    """Body of POST /summarize."""

    source: LanguageCode = "en"


class TranslateResponse(BaseModel):
    """Answer of POST /translate; lists when ``q`` was one."""

    translatedText: str | list[str] = Field(examples=["Good morning!"])
    alternatives: list[str] | list[list[str]] | None = Field(None, description="Only when asked for")


class SummarizeResponse(BaseModel):
    """Answer of POST /summarize; lists when ``q`` was one."""

    summaryText: str | list[str] = Field(examples=["A Network for Everything"])
    alternatives: list[str] | list[list[str]] | None = Field(None, description="Only when asked for")
    parts: int | list[int] | None = Field(
        None, description="Only when a text was longer than the network reads: how many parts have a line each"
    )


class ErrorResponse(BaseModel):
    """Body of every error."""

    error: str


class Language(BaseModel):
    """A language that can be translated from, as GET /languages lists it."""

    code: str = Field(examples=["de"])
    name: str = Field(examples=["German"])
    targets: list[str] = Field(examples=[["de", "en"]])


class ServedBundle(BaseModel):
    """A bundle in GET /models: what it is, or why it is not served."""

    folder: str
    status: Literal["ready", "failed"]
    error: str | None = None
    name: str | None = None
    version: str | None = None
    tasks: list[str] = []
    parameters: int | None = None
    max_source_pieces: int | None = None
    scores: list[dict[str, Any]] = []


class Health(BaseModel):
    """Answer of the health routes."""

    status: str = Field(examples=["ok"])
    failed: list[str] | None = Field(None, description="Why bundles are not served, when some are not")
