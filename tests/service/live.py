"""A real server on a free port, in a thread of the test's own process, so that a test can reach into its state."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from model.bundle import Bundle
from service.server import Server
from service.settings import Settings
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS, wait_until


def local_settings(models: Path, **changes: Any) -> Settings:
    """Return settings of a small service on a free port of this machine."""
    return Settings(models=models, host="127.0.0.1", port=0, device="cpu", threads=1, **changes)


class SignallingServer(Server):
    """Says when it listens."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


class Live:
    """A running server, and a client of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state: ServiceState = server.config.app.state.service  # type: ignore[union-attr]
        self.address: tuple[str, int] = server.servers[0].sockets[0].getsockname()
        self.client = httpx.Client(
            base_url="http://{}:{}".format(*self.address), timeout=PATIENCE_SECONDS, trust_env=False
        )

    @property
    def bundle(self) -> Bundle:
        """The first bundle that is served."""
        return next(iter(self.state.catalogue.serving.values()))

    def translate(
        self, q: object = "Apfel Birne", source: str = "de", target: str = "en", **more: Any
    ) -> httpx.Response:
        """Post JSON to /translate."""
        return self.client.post("/translate", json={"q": q, "source": source, "target": target, **more})

    def connect(self) -> socket.socket:
        """Open a connection on which a test can say anything."""
        return socket.create_connection(self.address, timeout=PATIENCE_SECONDS)

    def metric(self, name: str, **labels: str) -> float:
        """Return a sample of /metrics; 0 when there is none."""
        families = text_string_to_metric_families(self.client.get("/metrics").text)
        samples = (sample for family in families for sample in family.samples)
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@contextmanager
def running(settings: Settings, *, wait_for_networks: bool = True) -> Iterator[Live]:
    """Run a server for as long as the block."""
    server = SignallingServer(settings)
    thread = threading.Thread(target=server.run, name="server")
    thread.start()
    try:
        assert server.listens.wait(PATIENCE_SECONDS)
        live = Live(server)
        with live.client:
            if wait_for_networks:
                wait_until(lambda: live.client.get("/health/ready").is_success)
            yield live
    finally:
        server.should_exit = True
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
