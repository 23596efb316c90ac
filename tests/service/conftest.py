"""What the service's tests share: loggers that stay as they are, and a running service of the made-up language."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from model.bundle import Bundle
from service import lanes, server
from service import worker as worker_module
from service.engine import Engine
from service.metrics import Metrics
from service.worker import Worker
from tests.reversal import Trained
from tests.service.echoes import Echoes, serving_echoes
from tests.service.engines import new_engine
from tests.service.fakes import GatedSearch, fake_bundle
from tests.service.jobs import Clock
from tests.service.live import TEXT, Live, local_settings, running, serve_fakes


@pytest.fixture(scope="session", autouse=True)
def _loggers_stay_as_they_are() -> Iterator[None]:
    """Let no test that serves in this process change how all others log."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "log_to_stderr", lambda _: None)
        yield


@pytest.fixture
def known_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine know from the first sentence on how long one takes."""
    monkeypatch.setattr(lanes, "ENOUGH_ANSWERS", 1)


@pytest.fixture(scope="session")
def reversal_models(trained_reversal: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose one bundle is the trained made-up language."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(trained_reversal.bundle, folder / "reversal")
    return folder


@pytest.fixture(scope="session")
def live(reversal_models: Path) -> Iterator[Live]:
    """Run one service of the made-up language for all tests that leave it as it was."""
    with running(local_settings(reversal_models, dtype="float32")) as live:
        yield live


@pytest.fixture(scope="session")
def output(live: Live) -> str:
    """Return what ``TEXT`` becomes when it is asked for alone, in JSON."""
    return str(live.translate(TEXT).json()["translatedText"])


@pytest.fixture(scope="session")
def echoes() -> Iterator[Echoes]:
    """Run one service of the starters whose networks copy, or do worse, for all tests that ask so of them."""
    with serving_echoes() as echoes:
        yield echoes


@pytest.fixture
def gated(live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedSearch]:
    """Put a gate before the steps of the shared service; it is open until a test closes it."""
    search = GatedSearch(live.bundle.search.batch)
    monkeypatch.setattr(live.bundle.search, "batch", search.batch)
    yield search
    search.gate.set()


@pytest.fixture
def search() -> Iterator[GatedSearch]:
    """Return the search of ``bundle`` and of the service ``fresh``; it answers each sentence with itself backwards."""
    search = GatedSearch()
    yield search
    search.gate.set()


@pytest.fixture
def bundle(search: GatedSearch) -> Bundle:
    return fake_bundle(search)


@pytest.fixture
def engine(request: pytest.FixtureRequest, search: GatedSearch) -> Iterator[Engine]:
    """Run an engine; a parameter is what is special about it."""
    engine = new_engine(**getattr(request, "param", {}))
    engine.start()
    yield engine
    search.gate.set()
    engine.close()


@pytest.fixture
def fresh(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Live]:
    """Run a service that has not counted anything yet; a parameter is its settings."""
    serve_fakes(monkeypatch, search, "translate:de:en", "summarize:en")
    with running(local_settings(tmp_path, max_body_bytes=1000, **getattr(request, "param", {}))) as live:
        yield live
        search.gate.set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put a clock into the worker that stands still."""
    clock = Clock()
    monkeypatch.setattr(worker_module, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def metrics() -> Metrics:
    """Return metrics of their own."""
    return Metrics()


@pytest.fixture
def worker(metrics: Metrics) -> Worker:
    """Return a worker with nothing to do."""
    return Worker(metrics)
