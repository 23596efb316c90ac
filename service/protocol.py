"""What a client may take of the HTTP server: so many connections, and so long for a request to come in.

Uvicorn's own protocol bounds only how long a connection idles once it had an answer. One timer a message is what is
added, and none where a request comes in one piece.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from httptools import HttpParserUpgrade, HttpRequestParser
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import error_response

MAX_HEADER_BYTES = 65_536
"""Of the target and the headers of a request. A query string may hold a text."""
MIN_BYTES_PER_SECOND = 10_000
MAX_PIPELINED = 100
"""Requests of a connection that may wait for the answer to one before; each takes far more memory than it has bytes."""
SPARE_CONNECTIONS = 100
"""So many over the limit are told that they are; those beyond are closed unheard."""
KEEP_ALIVE_SECONDS = 75
"""How long a connection may idle between requests: longer than proxies and clients keep theirs (nginx 60 s, httpx 5),
as a request that crosses with the end of its connection is lost."""
STALLED_SECONDS = 30.0
"""After which a client is given up that takes nothing of its answer."""
TOO_SLOW = "body_is_too_slow"
"""Key in a request's state: its body has taken too long, and whoever reads it has to say so."""


class Bounds(NamedTuple):
    """What a client may take."""

    connections: int
    header_seconds: float
    body_seconds: float
    """For the whole body, and a second more for each MIN_BYTES_PER_SECOND of it."""
    stalled_seconds: float = STALLED_SECONDS


class BoundedProtocol(HttpToolsProtocol):
    """A connection whose messages have to come in within their time, and whose answers have to be taken.

    ``count`` is told the status of each request that is refused here, which the application never sees.
    """

    def __init__(self, bounds: Bounds, count: Callable[[int], None], **given: Any) -> None:
        super().__init__(**given)
        self._bounds = bounds
        self._count = count
        self._application = self.app
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._in_headers = self._in_body = False
        self._began = 0.0  # the headers or the body that are coming in
        self._header_bytes = self._body_bytes = 0
        self._received = b""
        self._told = 0  # how often the parser told of anything but a header

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # So that all that the system does not take at once is timed, or the end of an answer would be kept for as long
        # as a client likes, on a connection that no longer counts as open.
        transport.set_write_buffer_limits(0)
        mine = (one for one in self.connections if isinstance(one, BoundedProtocol))
        open_ones = [one for one in mine if not one.transport.is_closing()]
        if len(open_ones) > self._bounds.connections:
            idle = next((one for one in open_ones if one.timeout_keep_alive_task), None)
            if idle:
                idle.transport.close()  # its client has all it asked for, and this one has nothing yet
            elif len(open_ones) > self._bounds.connections + SPARE_CONNECTIONS:
                transport.abort()
                return
            else:
                self._application = self._too_many
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_timer()
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        told, self._received = self._told, data
        super().data_received(data)
        self._received = b""  # not to be kept while it is answered, and for as long as the client stays
        if self.transport.is_closing():
            return
        # The parser keeps what it has of a header to itself, be it one before a body or one after it.
        if told == self._told and (self._in_headers or self._in_body):
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse(431, "Invalid request: the headers are too large")
                return
        # Also where nothing has begun, as line breaks between requests end no idle time.
        if self._timer is None and (self._in_headers or self._in_body or not self._answering):
            self._begin()

    @property
    def _answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    # Messages, as the parser tells of them

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests at once")  # for the parser, which then says that they are invalid
        super().on_message_begin()
        self._in_headers = True
        self._note_told()

    def on_headers_complete(self) -> None:
        if self._offers_upgrade:
            return
        self._in_headers, self._in_body = False, True
        self._began, self._body_bytes = self.loop.time(), 0
        self._note_told()
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self.app = self._application
        if size > MAX_HEADER_BYTES:
            self.app, self.url = self._too_large, b"/"  # a longer one cannot be parsed
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        self._note_told()
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._offers_upgrade:
            return
        self._in_body = False
        self._stop_timer()
        super().on_message_complete()

    def _note_told(self) -> None:
        self._told += 1
        self._header_bytes = 0

    # Offers of another protocol, as Java's client makes with every request

    @property
    def _offers_upgrade(self) -> bool:
        return bool(self.parser.should_upgrade()) and any(name == b"upgrade" for name, _ in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """Read the request again without its offer, for which the parser took its body for another protocol.

        uvicorn calls this where it handles the parser's exception, which says where that body begins.
        """
        error = sys.exception()
        if not self._offers_upgrade or not isinstance(error, HttpParserUpgrade):
            return
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn makes its own
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + self._received[error.args[0] :])

    # Time

    def _begin(self) -> None:
        self._began = self.loop.time()
        self._watch(self._bounds.header_seconds)

    def _watch(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._on_timer)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        if self.transport.is_closing():
            return
        if self._in_body:
            # What nobody reads any more, as its answer is there, gains no time by being sent.
            allowed = self._bounds.body_seconds + self._answering * self._body_bytes / MIN_BYTES_PER_SECOND
        else:
            allowed = self._bounds.header_seconds
        left = self._began + allowed - self.loop.time()
        if left > 0:
            self._watch(left)
        elif self.pipeline or self.flow.read_paused or (self._answering and not self._in_body):
            self._begin()  # it waits for us
        elif self._in_body and self._answering and not self.cycle.response_started and TOO_SLOW not in self._state:
            self._state[TOO_SLOW] = True
            self.cycle.keep_alive = False
            self.cycle.message_event.set()  # wakes whoever reads
            self._begin()
        elif self._in_headers:
            self._refuse(408, "Invalid request: the headers took too long to come in")
        else:
            self.transport.close()

    @property
    def _state(self) -> dict[str, Any]:
        state: dict[str, Any] = self.scope["state"]
        return state

    def _refuse(self, status: int, message: str) -> None:
        """Answer and close, where there is no request yet that an application could answer."""
        if not self._answering:  # or this would be taken for the answer to the request before
            self._count(status)
            body = json.dumps({"error": message}).encode()
            head = f"HTTP/1.1 {status} \r\ncontent-type: application/json\r\nconnection: close\r\n"
            self.transport.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    # Answers

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_less(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _expect_less(self, than: int) -> None:
        self._stalled = self.loop.call_later(self._bounds.stalled_seconds, self._on_stalled, than)

    def _on_stalled(self, size: int) -> None:
        left = self.transport.get_write_buffer_size()
        if left >= size:
            self.transport.abort()
        else:
            self._expect_less(left)

    # Applications in place of the service's

    async def _too_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(503)
        headers = {"Retry-After": "1", "Connection": "close"}
        await error_response(503, "Too many connections", headers)(scope, receive, send)

    async def _too_large(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._count(431)
        message = "Invalid request: the headers are too large"
        await error_response(431, message, {"Connection": "close"})(scope, receive, send)
