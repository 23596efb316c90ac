"""A service that does as a test tells it, in a thread of the test's process."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.service.fakes import PATIENCE_SECONDS

Answer = Callable[[dict[str, Any]], int]


class Stub(ThreadingHTTPServer):
    """Answers each POST with the status that ``answer`` gives for its JSON body, GET with ``models`` or ``metrics``."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = answer
        self.metrics = ""
        self.models = [{"tasks": []}, {"tasks": ["translate:de:en"], "dtype": "int8"}]
        self.bodies: list[dict[str, Any]] = []
        self.paths: set[str] = set()

    @property
    def url(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One connection, kept open."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = PATIENCE_SECONDS
    server: Stub

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.paths.add(self.path)
        self._write(self.server.answer(body), "{}")

    def do_GET(self) -> None:
        self._write(200, json.dumps(self.server.models) if self.path == "/models" else self.server.metrics)

    def _write(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def stub(answer: Answer = lambda _: 200) -> Iterator[Stub]:
    """Run a service for as long as the block."""
    with Stub(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(PATIENCE_SECONDS)
