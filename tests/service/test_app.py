import asyncio
import threading
from pathlib import Path

import pytest

from service import state as state_module
from service.app import create_app
from service.catalogue import Catalogue, Entry
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle, wait_until
from tests.service.live import local_settings


def test_the_application_starts_before_its_networks_are_loaded_and_ends_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    bundle = fake_bundle(GatedSearch())

    def load_slowly(*_: object) -> Catalogue:
        assert gate.wait(PATIENCE_SECONDS)
        return Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))

    monkeypatch.setattr(state_module, "load_catalogue", load_slowly)
    app = create_app(local_settings(Path("models")))
    state: ServiceState = app.state.service

    async def live() -> None:
        async with app.router.lifespan_context(app):
            assert state.why_not_ready == "loading"
            asyncio.get_running_loop().call_soon(gate.set)
        assert state.entries[0].folder == "fake"
        assert not state.engine.is_alive()

    asyncio.run(live())


def test_each_application_has_a_state_of_its_own() -> None:
    one, other = (create_app(local_settings(Path("models"))).state.service for _ in range(2))
    assert one is not other
    assert one.metrics.registry is not other.metrics.registry


def test_the_application_gives_back_memory_again_and_again_and_tells_when_it_can_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given_back: list[bool] = []

    def give_back() -> None:
        given_back.append(True)
        if len(given_back) >= 5:
            raise OSError("no more threads")

    monkeypatch.setattr(state_module, "RETURN_SECONDS", 0.0)
    monkeypatch.setattr(state_module, "return_freed_memory", give_back)
    monkeypatch.setattr(state_module, "load_catalogue", lambda *_: Catalogue([], {}))
    app = create_app(local_settings(Path("models")))

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(wait_until, lambda: "done from time to time is done no more" in caplog.text)

    asyncio.run(live())
    assert len(given_back) >= 5
