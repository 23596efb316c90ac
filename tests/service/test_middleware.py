import asyncio
import json
import logging
import re
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import BodyTooLarge, DeadlineExceeded, Overloaded, ServiceError
from service.logs import request_id
from service.metrics import Metrics
from service.middleware import BodyLimit, Observe
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS
from tests.service.live import local_settings


async def swallow(_: Message) -> None:
    """Take whatever an application sends."""


async def nobody() -> Message:
    """Send nothing more."""
    return {"type": "http.disconnect"}


async def swallow_request(_: Scope, __: Receive, send: Send) -> None:
    """Answer with nothing."""
    await send({"type": "http.response.start", "status": 200})


async def read_all(_: Scope, receive: Receive, send: Send) -> None:
    """Answer with the number of bytes that came in."""
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message["body"])
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def call(app: ASGIApp, *parts: bytes, headers: dict[bytes, bytes] | None = None) -> tuple[int, bytes]:
    """Send the parts of a body to an application; return its status and answer."""
    incoming = iter(parts)
    left = len(parts)
    sent: list[Message] = []

    async def receive() -> Message:
        nonlocal left
        left -= 1
        return {"type": "http.request", "body": next(incoming), "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/x", "method": "POST", "headers": list((headers or {}).items())}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[1]["body"]


@pytest.mark.parametrize("parts", [(b"12345",), (b"123", b"45"), (b"", b"12345", b"")])
def test_a_body_of_the_limit_passes(parts: tuple[bytes, ...]) -> None:
    assert call(BodyLimit(read_all, max_bytes=5), *parts) == (200, b"5")


@pytest.mark.parametrize("announced", [b"6", b"006", b"9" * 5000, b"0" * 5000 + b"6"])
def test_a_body_announced_over_the_limit_is_refused_unread(announced: bytes) -> None:
    async def never(*_: object) -> None:
        raise AssertionError("the application was asked")

    status, body = call(BodyLimit(never, max_bytes=5), headers={b"content-length": announced})
    assert status == 413
    assert json.loads(body) == {"error": "Invalid request: body exceeds the limit of 5 bytes"}


@pytest.mark.parametrize(
    "headers", [{}, {b"content-length": b"5"}, {b"content-length": b"0" * 5000}, {b"content-length": b"-1"}]
)
def test_a_body_that_grows_over_the_limit_stops_whoever_reads_it(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(BodyTooLarge, match="limit of 5 bytes"):
        call(BodyLimit(read_all, max_bytes=5), b"123", b"456", headers=headers)


@pytest.fixture
def state() -> ServiceState:
    return ServiceState(local_settings(Path("nowhere")), Metrics())


def counted(state: ServiceState, route: str, task: str, status: str) -> float | None:
    labels = {"route": route, "task": task, "status": status}
    return state.metrics.registry.get_sample_value("dragoman_requests_total", labels)


def observe(state: ServiceState, app: ASGIApp, path: str = "/translate") -> None:
    """Run one request with a telling query string through the middleware."""
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"q=secret", "headers": []}

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    asyncio.run(Observe(app, state)(scope, receive, swallow))


def test_a_request_is_counted_and_timed_by_route_task_and_status(state: ServiceState) -> None:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path="/translate")
        scope["state"]["task"] = "translate:de:en"
        await send({"type": "http.response.start", "status": 418})

    observe(state, app)
    assert counted(state, "/translate", "translate:de:en", "418") == 1
    assert (
        state.metrics.registry.get_sample_value(
            "dragoman_request_seconds_count", {"route": "/translate", "status": "418"}
        )
        == 1
    )


def test_what_no_route_takes_is_counted_as_unknown(state: ServiceState) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 404})

    observe(state, app)
    assert counted(state, "unknown", "", "404") == 1


def test_an_unforeseen_error_is_counted_as_500_and_goes_on(state: ServiceState) -> None:
    async def app(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        observe(state, app)
    assert counted(state, "unknown", "", "500") == 1


def test_a_client_that_left_before_any_answer_is_counted_as_499(state: ServiceState) -> None:
    async def app(*_: object) -> None:
        """Send nothing."""

    observe(state, app)
    assert counted(state, "unknown", "", "499") == 1


def test_an_answer_that_is_given_up_when_it_has_begun_counts_as_503_and_is_not_followed_by_another(
    state: ServiceState,
) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        observe(state, app)
    assert counted(state, "unknown", "", "503") == 1


@pytest.mark.parametrize(("error", "overloaded"), [(DeadlineExceeded("late"), 0), (Overloaded("full"), 1)])
def test_what_goes_wrong_after_a_status_was_sent_is_counted_with_its_own(
    error: ServiceError, overloaded: int, state: ServiceState
) -> None:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        scope["state"]["error"] = error

    observe(state, app)
    assert counted(state, "unknown", "", str(error.status)) == 1
    assert counted(state, "unknown", "", "200") is None
    assert state.metrics.registry.get_sample_value("dragoman_overloaded_requests_total") == overloaded


def test_an_unforeseen_error_after_a_status_was_sent_is_counted_as_500(state: ServiceState) -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        observe(state, app)
    assert counted(state, "unknown", "", "500") == 1


@pytest.mark.parametrize("error", [None, ZeroDivisionError, asyncio.CancelledError])
def test_a_request_is_in_progress_until_it_ends_however_it_ends(
    error: type[BaseException] | None, state: ServiceState
) -> None:
    seen = []

    async def app(*_: object) -> None:
        seen.append(state.metrics.registry.get_sample_value("dragoman_requests_in_progress"))
        if error:
            raise error

    with pytest.raises(error) if error is ZeroDivisionError else nullcontext():
        observe(state, app)
    seen.append(state.metrics.registry.get_sample_value("dragoman_requests_in_progress"))
    assert seen == [1, 0]


@pytest.mark.parametrize("path", ["/metrics", "/health", "/health/live", "/health/ready"])
def test_who_asks_how_the_service_is_is_counted_but_not_in_progress(path: str, state: ServiceState) -> None:
    seen = []

    async def app(*_: object) -> None:
        seen.append(state.requests_in_progress)

    observe(state, app, path)
    assert [*seen, state.requests_in_progress] == [0, 0]
    assert counted(state, "unknown", "", "499") == 1


def test_the_log_tells_the_route_and_not_the_query(state: ServiceState, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, _: Receive, send: Send) -> None:
        scope["route"] = SimpleNamespace(path="/translate")
        await send({"type": "http.response.start", "status": 200})

    with caplog.at_level(logging.INFO, "service.access"):
        observe(state, app)
    (record,) = caplog.records
    assert record.getMessage().startswith("POST /translate - 200 ")
    fields = {name: getattr(record, name) for name in ("method", "route", "task", "status")}
    assert fields == {"method": "POST", "route": "/translate", "task": "", "status": 200}
    assert 0 <= record.__dict__["seconds"] < PATIENCE_SECONDS
    assert "secret" not in str(record.__dict__)


def test_who_asks_how_the_service_is_does_not_fill_the_log(
    state: ServiceState, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "service.access"):
        observe(state, swallow_request, "/health/ready")
    assert caplog.records == []


def answered_with(sent: list[tuple[bytes, bytes]], state: ServiceState) -> str:
    """Return the id that the answer to a request with these headers has, and that its context had."""
    seen = []
    answers: list[Message] = []

    async def app(_: Scope, __: Receive, send: Send) -> None:
        seen.append(request_id.get())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-other", b"1")]})

    async def send(message: Message) -> None:
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"", "headers": sent}
    asyncio.run(Observe(app, state)(scope, nobody, send))
    headers = dict(answers[0]["headers"])
    assert headers[b"x-other"] == b"1"
    assert seen == [headers[b"x-request-id"].decode()]
    return str(seen[0])


@pytest.mark.parametrize("sane", [b"a", b"4f0c-11.22_33:4/5=+@", b"x" * 128])
def test_the_id_that_a_client_sent_is_in_the_answer(sane: bytes, state: ServiceState) -> None:
    assert answered_with([(b"x-request-id", sane)], state) == sane.decode()


@pytest.mark.parametrize(
    "sent", [[], *([(b"x-request-id", id)] for id in [b"", b"x" * 129, b"a b", b"a\nb", b"\xe4", b'"'])]
)
def test_without_an_id_that_may_stand_in_a_log_each_request_gets_one(
    sent: list[tuple[bytes, bytes]], state: ServiceState
) -> None:
    ids = {answered_with(sent, state) for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)


@pytest.mark.parametrize("wrap", [lambda app, _: BodyLimit(app, max_bytes=1), Observe])
def test_what_is_no_request_passes_untouched(wrap: type[Observe], state: ServiceState) -> None:
    passed = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append((scope, receive, send))

    async def receive() -> Message:
        return {}

    scope = {"type": "lifespan"}
    asyncio.run(wrap(app, state)(scope, receive, swallow))
    assert passed == [(scope, receive, swallow)]
    assert scope == {"type": "lifespan"}
