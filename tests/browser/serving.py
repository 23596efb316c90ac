"""The service in a process of its own, as who runs it starts it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

START_SECONDS = 120
"""Three networks and a trial of each on a machine that has other work, as that of a browser."""


@contextmanager
def serving(port: int, **settings: object) -> Iterator[str]:
    """Run a service of its own process for as long as the block; gives its address."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("DRAGOMAN_", "OTEL_"))}
    environment |= {f"DRAGOMAN_{name.upper()}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "service", "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                _wait_until_ready(client)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_until_ready(client: httpx.Client) -> None:
    deadline = time.monotonic() + START_SECONDS
    pause = threading.Event()
    while not _is_ready(client):
        assert time.monotonic() < deadline, "the service is not ready"
        pause.wait(0.1)


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.TransportError:
        return False
