"""What happens to every request, whatever its route: limits, metrics and the access log."""

import asyncio
import logging
import time
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import (
    CLIENT_CLOSED_REQUEST,
    BodyTooLarge,
    BodyTooSlow,
    EncodedBody,
    NotReady,
    Overloaded,
    ServiceError,
    error_response,
)
from service.logs import new_request_id, request_id
from service.protocol import TOO_SLOW
from service.state import ServiceState

access = logging.getLogger("service.access")

UNKNOWN_ROUTE = "unknown"

WATCHERS = ("/health", "/metrics")
"""Beginnings of the paths that say how the service is; asking for them is no work in progress."""


class BodyLimit:
    """Refuse bodies over ``max_bytes``, or what is said ``of_path``, those that are compressed, and those too slow.

    By their announced length where there is one, and as they come in anyway. How long they take, the connection knows.

    Starlette's RequestBodyLimitMiddleware would answer in plain text where a route does not read the body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, of_path: Mapping[str, int] = MappingProxyType({})) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.of_path = of_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        max_bytes = self.of_path.get(scope["path"], self.max_bytes)
        message = f"Invalid request: body exceeds the limit of {max_bytes} bytes"
        headers = dict(scope["headers"])
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1")
        if encoding.lower() != "identity":
            refusal = f"Invalid request: a body in Content-Encoding {encoding[:20]} is not supported"
            await error_response(EncodedBody.status, refusal)(scope, receive, send)
            return
        announced = headers.get(b"content-length", b"").lstrip(b"0")
        # By its length first: Python makes no number of more than some thousand digits.
        if announced.isdigit() and (len(announced) > len(str(max_bytes)) or int(announced) > max_bytes):
            await error_response(BodyTooLarge.status, message)(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            part = await receive()
            if TOO_SLOW in scope.get("state", ()):
                raise BodyTooSlow("Invalid request: the body took too long to come in")
            received += len(part.get("body", b""))
            if received > max_bytes:
                raise BodyTooLarge(message)
            return part

        await self.app(scope, limited, send)


class ErrorsInJson:
    """Answer errors that Starlette says in plain text, as of ranges of files and of preflights, as all others."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        plain: Message | None = None

        async def in_json(message: Message) -> None:
            nonlocal plain
            if message["type"] == "http.response.start":
                is_error = message["status"] >= 400
                if is_error and Headers(raw=message["headers"]).get("content-type", "").startswith("text/plain"):
                    plain = message
                    return
            elif plain:  # the body, in one piece
                answer = error_response(
                    plain["status"], message.get("body", b"").decode() or HTTPStatus(plain["status"]).phrase
                )
                kept = [one for one in plain["headers"] if one[0] not in (b"content-type", b"content-length")]
                answer.raw_headers += kept
                await answer(scope, receive, send)
                return
            await send(message)

        await self.app(scope, receive, in_json)


class HeadAsGet:
    """Let routes take HEAD for GET, of whose answer the server then sends no body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # the server has its own
        await self.app(scope, receive, send)


class Observe:
    """Give each request an id; count, time and log it with the status that the client was sent.

    Routes name their task in ``request.state.task``, and in ``request.state.error`` what went wrong, which outranks a
    status that was sent before. Only the route's template is logged, never the query string, which may hold a text.
    """

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        status = CLIENT_CLOSED_REQUEST
        sent_id = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        its_id = new_request_id(sent_id)
        request_id.set(its_id)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", its_id.encode())]
            await send(message)

        scope.setdefault("state", {})
        is_work = not scope["path"].startswith(WATCHERS)  # or each scrape would count itself
        self.state.requests_in_progress += is_work
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            # The server gives up what outlasts the drain, and would itself answer with a 500 in plain text.
            if status != CLIENT_CLOSED_REQUEST:
                status = NotReady.status
                raise
            message, retry_after = "Not ready: shutting down", str(NotReady.retry_after_seconds)
            await error_response(NotReady.status, message, {"Retry-After": retry_after})(scope, receive, watched)
        except Exception:
            # The answer to what no handler foresaw is sent by the application's outermost layer, beyond this one.
            status = 500
            raise
        finally:
            self.state.requests_in_progress -= is_work
            self._record(scope, status, time.monotonic() - started, logging.INFO if is_work else logging.DEBUG)

    def _record(self, scope: Scope, status: int, seconds: float, level: int) -> None:
        error: ServiceError | None = scope["state"].get("error")
        status = error.status if error else status
        route = getattr(scope.get("route"), "path", UNKNOWN_ROUTE)
        task = str(scope["state"].get("task") or "")
        metrics = self.state.metrics
        metrics.requests.labels(route, task, status).inc()
        metrics.request_seconds.labels(route, status).observe(seconds)
        if isinstance(error, Overloaded):
            metrics.overloaded_requests.inc()
        scope["state"].update(route=route, status=status)
        method = scope["method"]
        fields = {"method": method, "route": route, "task": task, "status": status, "seconds": round(seconds, 6)}
        access.log(level, "%s %s %s %s %.1f ms", method, route, task or "-", status, 1000 * seconds, extra=fields)
