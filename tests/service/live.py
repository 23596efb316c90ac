"""A real server on a free port, in a thread of the test's own process, so that a test can reach into its state."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model.bundle import Bundle
from service import state as state_module
from service.catalogue import Catalogue, Entry
from service.server import Server
from service.settings import Settings
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle, wait_until

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
TEXT = "Apfel Birne Mango."
VALID = {"q": TEXT, "source": "de", "target": "en"}


def local_settings(models: Path, **changes: Any) -> Settings:
    """Return settings of a small service on a free port of this machine."""
    return Settings(models=models, host="127.0.0.1", **{"port": 0, "device": "cpu", "threads": 1, **changes})


class SignallingServer(Server):
    """Says when it listens, and ends soon after it is told to: hundreds of tests wait for that."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(0.005)


class Live:
    """A running server, and a client of it."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state: ServiceState = server.config.app.state.service  # type: ignore[union-attr]
        self.address: tuple[str, int] = server.servers[0].sockets[0].getsockname()
        self.client = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS, trust_env=False)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.address)

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


def serve_fakes(monkeypatch: pytest.MonkeyPatch, search: GatedSearch, *tasks: str, masks: str = "") -> None:
    """Let the next server load one bundle that does these tasks."""
    bundle = fake_bundle(search, tasks=tasks, masks=masks)
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    monkeypatch.setattr(state_module, "load_catalogue", lambda *_: catalogue)


def assert_error(answer: httpx.Response, status: int, message: str | None = None) -> None:
    """Hold that an answer is an error in the one form that all have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"]
    if message is not None:
        assert answer.json()["error"] == message


def assert_counted(live: Live, labels: tuple[str, str, int], count: int = 1) -> None:
    """Hold that so many requests were counted for a route, a task and a status."""
    route, task, status = labels

    def counted() -> float:
        return live.metric("dragoman_requests_total", route=route, task=task, status=str(status))

    # A request is counted when its answer has been sent, which the client may see first.
    wait_until(lambda: counted() >= count)
    assert counted() == count
