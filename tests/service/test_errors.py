import asyncio

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    DecodingFailed,
    InvalidRequest,
    NotReady,
    Overloaded,
    describe_invalid_fields,
    install_error_handlers,
)
from service.schemas import TranslateRequest


def answer_to(error: Exception) -> httpx.Response:
    """Return what an application answers when a route raises the error."""
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/")
    async def fail() -> None:
        raise error

    async def get() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/")

    return asyncio.run(get())


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        (InvalidRequest("what is wrong"), 400, None),
        (BodyTooLarge("what is wrong"), 413, None),
        (NotReady("what is wrong"), 503, "5"),
        (Overloaded("what is wrong"), 503, "1"),
        (DeadlineExceeded("what is wrong"), 504, None),
        (DecodingFailed("what is wrong"), 500, None),
        (HTTPException(418, "what is wrong"), 418, None),
        (HTTPException(429, "what is wrong", {"Retry-After": "7"}), 429, "7"),
    ],
)
def test_an_error_is_answered_in_json_with_its_status(error: Exception, status: int, retry_after: str | None) -> None:
    answer = answer_to(error)
    assert (answer.status_code, answer.json()) == (status, {"error": "what is wrong"})
    assert answer.headers.get("retry-after") == retry_after


def test_an_unforeseen_error_says_nothing_of_itself_and_that_the_connection_closes() -> None:
    answer = answer_to(ZeroDivisionError("a secret"))
    assert answer.status_code == 500
    assert answer.json().keys() == {"error"}
    assert "secret" not in answer.text
    assert answer.headers["connection"] == "close"


def test_a_client_that_left_is_no_error_of_the_server() -> None:
    assert answer_to(ClientDisconnect()).status_code == 499


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (TranslateRequest, {}, "Invalid request: missing q parameter"),
        (TranslateRequest, {"q": "a", "target": "en"}, "Invalid request: missing source parameter"),
        (
            TranslateRequest,
            {"q": ["a", 5], "source": "de", "target": "en"},
            "Invalid request: q parameter should be a text or a list of texts",
        ),
        (
            TranslateRequest,
            {"q": "\ud800", "source": "de", "target": "en"},
            "Invalid request: q parameter holds a lone surrogate, which is not Unicode text",
        ),
        (
            TranslateRequest,
            {"q": "a", "source": [], "target": "en"},
            "Invalid request: source parameter should be a valid string",
        ),
    ],
)
def test_an_invalid_field_is_described_by_its_own_name(
    model: type[BaseModel], fields: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)
    assert describe_invalid_fields(caught.value) == message
