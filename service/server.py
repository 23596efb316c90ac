"""The HTTP server around the application, and how it leaves: SIGTERM finishes what was accepted, then ends with 0."""

import logging
import os
import socket
import sys
import time
from functools import partial
from types import FrameType

import uvicorn

from service.app import create_app
from service.logs import log_to_stderr
from service.middleware import UNKNOWN_ROUTE
from service.protocol import KEEP_ALIVE_SECONDS, BoundedProtocol, Bounds
from service.settings import Settings, SettingsError, unknown_variables

logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """Uvicorn, but the first signal drains before the listening socket closes.

    So readiness is seen to turn, and new work gets a clear 503, while accepted work is finished. Uvicorn itself would
    close at once and afterwards raise the signal again, which ends the process with the signal's status.
    """

    def __init__(self, settings: Settings) -> None:
        self._app = create_app(settings)
        self._settings = settings
        self._drain_until: float | None = None
        bounds = Bounds(settings.max_connections, settings.header_seconds, settings.body_seconds)
        config = uvicorn.Config(
            self._app,
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            http=partial(BoundedProtocol, bounds, self._count_refused),  # type: ignore[arg-type]  # as good as the class that it makes
            ws="none",  # or an upgrade would leave the limits of requests behind, where a library for it is installed
            forwarded_allow_ips=settings.trusted_proxies,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
        )
        super().__init__(config)

    def _count_refused(self, status: int) -> None:
        self._app.state.service.metrics.requests.labels(UNKNOWN_ROUTE, "", status).inc()

    @property
    def is_decoding(self) -> bool:
        """Whether a step is under way."""
        return bool(self._app.state.service.engine.stalled_seconds())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal leaves at once."""
        del sig, frame
        if self._drain_until is not None:
            self.force_exit = self.should_exit = True
            self.config.timeout_graceful_shutdown = 0  # from Python 3.12 on, uvicorn would wait for open connections
            return
        self._app.state.service.draining = True
        self._drain_until = time.monotonic() + self._settings.drain_seconds

    async def on_tick(self, counter: int) -> bool:
        """Say every tenth of a second whether to leave."""
        if self._drain_until is not None and not self.should_exit:
            in_progress = self._app.state.service.requests_in_progress
            if not in_progress or time.monotonic() > self._drain_until:
                logger.info("shutting down with %d requests unanswered", in_progress)
                self.should_exit = True
        return await super().on_tick(counter)


SWITCH_SECONDS = 0.0005


def listen(host: str, port: int) -> socket.socket:
    """Listen before anything is loaded, so that a port in use is noticed at once; SettingsError when it is.

    Whoever connects before the server accepts, a moment later, waits in the backlog.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]  # Python adds the address, which stands here already
        raise SettingsError(f"DRAGOMAN_HOST, DRAGOMAN_PORT: cannot listen on {host}:{port}: {reason}") from error


def serve(settings: Settings) -> None:
    """Serve until a signal comes; returns when all that was accepted is answered, or drain_seconds have passed.

    Where a step hangs, or is cut off by a second signal, the process ends here, with status 1.

    SettingsError when there is no folder of bundles, which is mistyped, and never ready helps nobody; or when the port
    is not to be had.
    """
    if not settings.models.is_dir():
        raise SettingsError(f"DRAGOMAN_MODELS: there is no folder {settings.models}")
    # oneDNN keeps what it makes for each shape of a batch it meets, 1,024 of them if nobody says otherwise, and batches
    # of many lengths filled half a gigabyte. It reads the variable when it first runs.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")
    # A step asks for Python's lock some times; beside a thread that cuts a document it would wait 5 ms each time.
    sys.setswitchinterval(SWITCH_SECONDS)
    log_to_stderr(settings)
    for name in unknown_variables():
        logger.warning("%s is none of the settings, and is ignored", name)
    listening = listen(settings.host, settings.port)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    with listening:  # closed also where a setting turns out to be wrong
        server = Server(settings)
        logger.info("running on http://%s:%d", host, listening.getsockname()[1])
        server.run([listening])
    if server.is_decoding:  # the end of the interpreter would take from the step what it works with, or wait for it
        logger.error("leaving in the middle of a step")
        os._exit(1)
