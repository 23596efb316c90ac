"""What happens to every request, whatever its route: limits, metrics and the access log."""

import asyncio
import logging
import time
from collections.abc import Mapping
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import (
    CLIENT_CLOSED_REQUEST,
    BodyTooLarge,
    BodyTooSlow,
    EncodedBody,
    NotReady,
    error_response,
)
from service.protocol import TOO_SLOW
from service.state import ServiceState

access = logging.getLogger("service.access")

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
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > max_bytes:
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


class Observe:
    """Count, time and log each request with the status that the client was sent.

    Routes name their task in ``request.state.task``. Only the route's template is logged, never the query string,
    which may hold a text.
    """

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()
        status = str(CLIENT_CLOSED_REQUEST)

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        scope.setdefault("state", {})
        is_work = not scope["path"].startswith(WATCHERS)  # or each scrape would count itself
        self.state.requests_in_progress += is_work
        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            # The server gives up what outlasts the drain, and would itself answer with a 500 in plain text.
            if status != str(CLIENT_CLOSED_REQUEST):
                raise
            message, retry_after = "Not ready: shutting down", str(NotReady.retry_after_seconds)
            await error_response(NotReady.status, message, {"Retry-After": retry_after})(scope, receive, watched)
        except Exception:
            # The answer to what no handler foresaw is sent by the application's outermost layer, beyond this one.
            status = "500"
            raise
        finally:
            self.state.requests_in_progress -= is_work
            seconds = time.monotonic() - started
            route = getattr(scope.get("route"), "path", "unknown")
            task = str(scope["state"].get("task", ""))
            self.state.metrics.requests.labels(route, task, status).inc()
            self.state.metrics.request_seconds.labels(route).observe(seconds)
            access.info("%s %s %s %s %.1f ms", scope["method"], route, task or "-", status, 1000 * seconds)
