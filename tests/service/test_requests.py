import asyncio
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from service.errors import BodyTooLarge, InvalidRequest
from service.requests import MAX_FORM_FIELDS, read_body, unless_client_leaves

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"


class Anything(BaseModel):
    """Keeps whatever fields a request has."""

    model_config = ConfigDict(extra="allow")


class Named(BaseModel):
    name: str


def request_of(body: bytes, content_type: str | None, query: str = "", *, whole: bool = True) -> Request:
    """Return a request as a server hands it on, in two parts; the client leaves after the first if not ``whole``."""
    middle = len(body) // 2
    last: Message = {"type": "http.request", "body": body[middle:]} if whole else {"type": "http.disconnect"}
    messages = iter([{"type": "http.request", "body": body[:middle], "more_body": True}, last])

    async def receive() -> Message:
        return next(messages)

    headers = [(b"content-type", content_type.encode())] if content_type else []
    # "app" makes Starlette raise HTTPException, as it does within an application.
    scope = {"type": "http", "method": "POST", "headers": headers, "query_string": query.encode(), "app": None}
    return Request(scope, receive)


def fields_of(body: bytes, content_type: str | None, query: str = "") -> dict[str, Any]:
    return asyncio.run(read_body(request_of(body, content_type, query), Anything)).model_dump()


def part(name: str, text: str) -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"q": "größer 我 😀"}'.encode(), JSON),
        ('{"q": "größer 我 😀"}'.encode(), "Application/JSON; charset=utf-8"),
        ('{"q": "größer 我 😀"}'.encode(), "application/vnd.api+json"),
        ('{"q": "größer 我 😀"}'.encode("utf-16"), JSON),
        (b'\xef\xbb\xbf{"q": "gr\\u00f6\\u00dfer \\u6211 \\ud83d\\ude00"}', JSON),
        (b"q=gr%C3%B6%C3%9Fer+%E6%88%91%20%F0%9F%98%80", FORM),
        ("q=größer 我 😀".encode(), FORM),
        ("q=größer 我 😀".encode(), FORM + "; charset=UTF-8"),
        (part("q", "größer 我 😀") + b"--x--\r\n", MULTIPART),
    ],
)
def test_a_text_arrives_whole_in_every_form(body: bytes, content_type: str) -> None:
    assert fields_of(body, content_type) == {"q": "größer 我 😀"}


def test_the_query_string_is_a_form_too() -> None:
    assert fields_of(b"", None, "q=gr%C3%B6%C3%9Fer&source=de") == {"q": "größer", "source": "de"}


@pytest.mark.parametrize(
    ("body", "content_type"), [(b'{"q": "body"}', JSON), (b"q=body", FORM), (part("q", "body") + b"--x--", MULTIPART)]
)
def test_the_body_outranks_the_query_string(body: bytes, content_type: str) -> None:
    assert fields_of(body, content_type, "q=query&source=de") == {"q": "body", "source": "de"}


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/xml", ";", "json"])
def test_a_body_of_unknown_form_has_no_fields(content_type: str | None) -> None:
    assert fields_of(b'"q": "a"', content_type) == {}


@pytest.mark.parametrize("content_type", [None, "text/plain", FORM])
@pytest.mark.parametrize("body", [b'{"q": "a"}', b'\n {"q": "' + b"&amp; %FF" * 200 + b'"}'])
def test_json_that_is_sent_as_something_else_is_told_what_it_needs(body: bytes, content_type: str | None) -> None:
    with pytest.raises(InvalidRequest, match=r"looks like JSON, which needs Content-Type: application/json$"):
        fields_of(body, content_type)


def test_empty_values_of_a_form_are_kept() -> None:
    assert fields_of(b"q=&source=de", FORM) == {"q": "", "source": "de"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b'{"q": "\xff"}', b'{"a": 1' * 50_000, b"[" * 200_000, b'{"a": ' + b"9" * 5000 + b"}"],
    ids=["empty", "cut short", "no JSON", "no UTF-8", "repeated", "deep", "too long a number"],
)
def test_bad_json_is_the_client_s_error(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match=r"^Invalid JSON format$"):
        fields_of(body, JSON)


@pytest.mark.parametrize("body", [b"[]", b'"q"', b"1", b"null", b"true"])
def test_json_that_is_no_object_is_the_client_s_error(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="an object is expected"):
        fields_of(body, JSON)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"q=\xff", FORM),
        (b"q=%ff", FORM),
        (b"q=%ed%a0%80", FORM),
        (b"&".join([b"q=a"] * (MAX_FORM_FIELDS + 1)), FORM),
        (part("q", "a"), MULTIPART + "; charset=undefined"),
    ],
)
def test_a_form_that_is_no_text_is_the_client_s_error(body: bytes, content_type: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^Invalid form"):
        fields_of(body, content_type)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"nonsense", MULTIPART),
        (b"--x\r\nno header\r\n\r\n", MULTIPART),
        (part("q", "a"), "multipart/form-data"),
        (b'--x\r\nContent-Disposition: form-data; name="q"; filename="f"\r\n\r\na\r\n--x--\r\n', MULTIPART),
        (b"".join([part("q", "a")] * (MAX_FORM_FIELDS + 1)) + b"--x--", MULTIPART),
    ],
    ids=["no multipart", "no header", "no boundary", "a file", "too many fields"],
)
def test_bad_multipart_is_the_client_s_error(body: bytes, content_type: str) -> None:
    with pytest.raises(HTTPException) as caught:
        fields_of(body, content_type)
    assert caught.value.status_code == 400


def test_what_is_invalid_is_named() -> None:
    with pytest.raises(InvalidRequest, match="missing name parameter"):
        asyncio.run(read_body(request_of(b"{}", JSON), Named))


@pytest.mark.parametrize("content_type", [JSON, FORM, MULTIPART])
def test_a_client_that_leaves_within_its_body_is_known_as_such(content_type: str) -> None:
    with pytest.raises(ClientDisconnect):
        asyncio.run(read_body(request_of(part("q", "a"), content_type, whole=False), Anything))


# A client that leaves


def request_with(*messages: Message | Exception) -> Request:
    """Return a request whose server has these to say, and nothing more."""
    said = iter(messages)

    async def receive() -> Message:
        for message in said:
            if isinstance(message, Exception):
                raise message
            return message
        nothing: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await nothing

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


LEAVES: Message = {"type": "http.disconnect"}
REST: Message = {"type": "http.request", "body": b"unread"}


async def answer() -> str:
    for _ in range(5):
        await asyncio.sleep(0)
    return "answer"


async def fail() -> None:
    await asyncio.sleep(0)
    raise ZeroDivisionError


@pytest.mark.parametrize("messages", [(), (REST,), (REST, REST)])
def test_work_for_a_client_that_stays_is_done(messages: tuple[Message, ...]) -> None:
    assert asyncio.run(unless_client_leaves(request_with(*messages), answer())) == "answer"


def test_work_that_fails_fails_for_the_client() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(unless_client_leaves(request_with(), fail()))


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        ((LEAVES,), ClientDisconnect),
        ((REST, LEAVES), ClientDisconnect),
        ((REST, BodyTooLarge("the rest of the body")), BodyTooLarge),
    ],
)
def test_work_for_a_client_that_leaves_is_cancelled(
    messages: tuple[Message | Exception, ...], error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(error):
        asyncio.run(unless_client_leaves(request_with(*messages), work()))
    assert cancelled == [True]
    assert caplog.text == ""


def test_work_that_nobody_waits_for_any_more_is_cancelled() -> None:
    cancelled = []

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def give_up() -> None:
        task = asyncio.create_task(unless_client_leaves(request_with(), work()))
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())
    assert cancelled == [True]


def test_a_body_of_unknown_form_has_to_be_within_the_limit_too() -> None:
    request = request_with({**REST, "more_body": True}, BodyTooLarge("the rest of the body"))
    with pytest.raises(BodyTooLarge):
        asyncio.run(read_body(request, Anything))
