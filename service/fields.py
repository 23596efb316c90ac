"""What single fields of requests may hold, and what is said of one that holds something else."""

import json
from typing import Annotated, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from service.formats.opened import Format


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


Texts = Annotated[str | list[str], BeforeValidator(_are_texts)]
Rounded = Annotated[float, AfterValidator(lambda value: round(value, 4) + 0.0)]  # JSON can spell -0.0 too
LanguageCode = Annotated[str, Field(max_length=16, examples=["de"]), AfterValidator(str.lower)]


def _is_format(text_format: object) -> object:
    if text_format in get_args(Format):
        return text_format
    given = _is_unicode(str(text_format)[:20])
    raise PydanticCustomError("format", "{given} format is not supported", {"given": given})


TextFormat = Annotated[Format, BeforeValidator(_is_format), Field(description="`text` or `html`")]

MAX_TERMS = 1000


def _is_glossary(glossary: object) -> object:
    # A form has but text for it.
    try:
        terms = json.loads(glossary) if isinstance(glossary, str) else glossary
    except (ValueError, RecursionError):
        terms = None
    if not isinstance(terms, dict):
        raise ValueError("should be a JSON object of terms and their translations")
    if len(terms) > MAX_TERMS:  # before pydantic describes what is wrong with each
        raise ValueError(f"has {len(terms)} terms, more than {MAX_TERMS}")
    return terms


def _is_one_line(term: str) -> str:
    if term.splitlines() != [term]:
        raise ValueError("holds a line break, which no sentence has")
    return term


Term = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_is_one_line)]
Terms = Annotated[
    dict[Term, Term],
    BeforeValidator(_is_glossary),
    Field(
        max_length=MAX_TERMS,
        description="Terms of the source, each with what its translation has to be; in a form as JSON",
        examples=[{}],
    ),
]

WORDS_OF_LENGTH = {"short": 6, "medium": 10, "long": 18}
"""Words of a headline of each length."""
MAX_WORDS = 150
Words = Annotated[int, Field(ge=1, le=MAX_WORDS)]


def _is_length(length: object, validate: ValidatorFunctionWrapHandler) -> object:
    # A union would tell of one of its branches.
    try:
        return validate(length)
    except ValidationError:
        named = ", ".join(WORDS_OF_LENGTH)
        raise ValueError(f"should be {named}, or a number of words from 1 to {MAX_WORDS}") from None


Length = Annotated[Literal["short", "medium", "long"] | Words | None, WrapValidator(_is_length)]
