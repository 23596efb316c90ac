import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service import state as state_module
from service.catalogue import Catalogue, load_catalogue
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, wait_until
from tests.service.live import Live, assert_error, local_settings, running


@pytest.mark.parametrize("route", ["/health", "/health/live", "/health/ready"])
def test_a_service_that_is_well_says_so(route: str, live: Live) -> None:
    answer = live.client.get(route)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert (live.client.head(route).status_code, live.client.head(route).content) == (200, b"")


def assert_not_ready(live: Live, reason: str) -> None:
    ready, alive = live.client.get("/health/ready"), live.client.get("/health/live")
    assert (ready.status_code, ready.json()["status"]) == (503, reason)
    assert alive.status_code == 200
    for answer in [
        live.translate("Apfel"),
        live.translate("Apfel", target="de"),
        live.client.post("/summarize", json={"q": "Apfel"}),
    ]:
        assert_error(answer, 503, f"Not ready: {reason}")
        assert int(answer.headers["retry-after"]) > 0


@pytest.fixture
def loading(reversal_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Live, threading.Event]]:
    """Run a service that loads its networks once the event is set."""
    gate = threading.Event()

    def load_later(*arguments: Any) -> Catalogue:
        assert gate.wait(PATIENCE_SECONDS)
        return load_catalogue(*arguments)

    monkeypatch.setattr(state_module, "load_catalogue", load_later)
    try:
        with running(local_settings(reversal_models), wait_for_networks=False) as live:
            yield live, gate
            gate.set()
    finally:
        gate.set()


def test_while_it_loads_it_lives_but_is_not_ready(loading: tuple[Live, threading.Event]) -> None:
    live, gate = loading
    assert_not_ready(live, "loading")
    for route in ("/languages", "/models"):
        assert_error(live.client.get(route), 503, "Not ready: loading")
    assert live.client.get("/metrics").status_code == 200
    assert_error(live.client.post("/translate", json={}), 400)
    gate.set()
    wait_until(lambda: live.client.get("/health/ready").status_code == 200)
    assert live.translate("Apfel").status_code == 200


def test_without_any_bundle_it_lives_but_is_not_ready(tmp_path: Path) -> None:
    with running(local_settings(tmp_path), wait_for_networks=False) as live:
        wait_until(lambda: live.client.get("/models").status_code == 200)
        assert_not_ready(live, "no bundle can be served")
        assert live.client.get("/languages").json() == live.client.get("/models").json() == []


def test_an_engine_that_stopped_asks_for_a_restart(fresh: Live) -> None:
    fresh.state.engine.close()
    alive = fresh.client.get("/health/live")
    assert (alive.status_code, alive.json()) == (503, {"status": "the engine has stopped"})
    assert fresh.client.get("/health/ready").status_code == 503
    assert_error(fresh.translate("Abc"), 503)


@pytest.mark.parametrize("fresh", [{"stall_seconds": 0.05}], indirect=True)
def test_a_step_that_hangs_asks_for_a_restart_until_it_ends(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    with ThreadPoolExecutor() as pool:
        accepted = pool.submit(fresh.translate, "Abc")
        wait_until(lambda: fresh.client.get("/health/live").status_code == 503)
        assert fresh.client.get("/health/live").json() == {"status": "the engine has stopped"}
        assert fresh.client.get("/health/ready").status_code == 503
        assert_error(fresh.translate("Def"), 503, "Not ready: the engine has stopped")
        search.gate.set()
        assert accepted.result().json() == {"translatedText": "cbA"}
    wait_until(lambda: fresh.client.get("/health/live").status_code == 200)
    assert fresh.client.get("/health/ready").json() == {"status": "ok"}
    assert fresh.translate("Def").json() == {"translatedText": "feD"}


@pytest.mark.parametrize("fresh", [{"max_queued_pieces": 1}], indirect=True)
def test_a_full_queue_is_told_with_when_to_come_again(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(fresh.translate, "Abc")
        search.wait_for_steps(1)
        second = pool.submit(fresh.translate, "Def")  # larger than the queue, but nothing waits
        wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 1)
        refused = fresh.translate("Ghi")
        assert_error(refused, 503)
        assert refused.headers["retry-after"] == "1"
        search.gate.set()
        assert first.result().json() == {"translatedText": "cbA"}
        assert second.result().json() == {"translatedText": "feD"}
