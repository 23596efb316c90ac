import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.bundle import Bundle
from model.config import DecodingConfig
from service import state as state_module
from service.catalogue import Catalogue, Entry
from service.errors import NotReady
from service.metrics import Metrics
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle, wait_until
from tests.service.live import local_settings

FAILED = Entry("broken", None, "broken: bundle.json is missing")


def ready(*tasks: str) -> Entry:
    return Entry("good", fake_bundle(GatedSearch(), tasks=tasks), None)


@pytest.fixture
def state() -> Iterator[ServiceState]:
    state = ServiceState(local_settings(Path("models")), Metrics())
    yield state
    state.engine.close()


def load(state: ServiceState, entries: list[Entry], monkeypatch: pytest.MonkeyPatch) -> None:
    """Load a catalogue of these entries."""
    bundles: list[Bundle] = [entry.bundle for entry in entries if entry.bundle]
    serving = {task: bundle for bundle in bundles for task in bundle.manifest.tasks}
    monkeypatch.setattr(state_module, "load_catalogue", lambda *_: Catalogue(entries, serving))
    asyncio.run(state.load())


def test_before_its_networks_are_loaded_nothing_can_be_had(state: ServiceState) -> None:
    assert state.why_not_ready == "loading"
    assert state.entries == []
    assert not state.engine_failed
    for name in ("catalogue", "translator", "languages"):
        with pytest.raises(NotReady, match="loading"):
            getattr(state, name)


def test_once_they_are_loaded_it_serves(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    load(state, [ready("translate:de:en")], monkeypatch)
    assert state.why_not_ready is None
    (answer,) = asyncio.run(state.translator.run(next(iter(state.catalogue.serving)), ["Abc."]))
    assert answer.texts == [".cbA"]


def test_the_garbage_collector_leaves_alone_what_was_loaded(
    state: ServiceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.unfreeze()
    load(state, [ready("translate:de:en")], monkeypatch)
    assert gc.get_freeze_count()


def test_languages_are_those_of_translations_on_either_side_and_chinese_in_both_scripts(
    state: ServiceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(state, [ready("translate:zh:en", "translate:de:en", "summarize:fr")], monkeypatch)
    assert state.languages == ["de", "en", "zh", "zh-Hant"]


def test_bundles_are_counted_by_what_became_of_them(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    load(state, [ready("summarize:en"), FAILED, FAILED], monkeypatch)
    counts = [state.metrics.registry.get_sample_value("dragoman_bundles", {"state": s}) for s in ("ready", "failed")]
    assert counts == [1, 2]


def test_a_bundle_that_failed_does_not_stop_the_others(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    load(state, [FAILED, ready("summarize:en")], monkeypatch)
    assert state.why_not_ready is None
    assert state.entries[0] == FAILED


@pytest.mark.parametrize("entries", [[], [FAILED]])
def test_without_a_bundle_nothing_is_translated(
    entries: list[Entry], state: ServiceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(state, entries, monkeypatch)
    assert state.why_not_ready == "no bundle can be served"
    assert state.entries == entries
    with pytest.raises(NotReady, match="no bundle"):
        _ = state.translator


def test_a_failure_to_load_is_told_and_not_raised(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise PermissionError("models")

    monkeypatch.setattr(state_module, "load_catalogue", fail)
    asyncio.run(state.load())
    assert state.why_not_ready == "loading failed; the log says why"
    with pytest.raises(NotReady, match="loading failed"):
        _ = state.catalogue


def test_while_draining_what_there_is_can_be_listed_but_not_used(
    state: ServiceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(state, [ready("translate:de:en")], monkeypatch)
    state.draining = True
    assert state.why_not_ready == "shutting down"
    assert state.languages == ["de", "en"]
    with pytest.raises(NotReady, match="shutting down"):
        _ = state.translator


def test_an_engine_that_stopped_is_noticed(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    load(state, [ready("translate:de:en")], monkeypatch)
    state.engine.close()
    assert state.engine_failed
    assert state.why_not_ready == "the engine has stopped"


def test_a_step_that_takes_too_long_is_an_engine_that_stopped_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    state = ServiceState(local_settings(Path("models"), stall_seconds=0.02), Metrics())
    search = GatedSearch()
    entry = Entry("good", fake_bundle(search), None)
    load(state, [entry], monkeypatch)
    search.gate.clear()
    assert entry.bundle
    (future,) = state.engine.submit(entry.bundle, [[1]], DecodingConfig())
    wait_until(lambda: state.engine_failed)
    assert state.why_not_ready == "the engine has stopped"
    search.gate.set()
    future.result(PATIENCE_SECONDS)
    wait_until(lambda: not state.engine_failed)
    assert state.why_not_ready is None
    state.engine.close()


def test_a_step_within_its_time_and_an_engine_without_work_are_well(
    state: ServiceState, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(state, [ready("translate:de:en")], monkeypatch)
    for stalled_seconds, failed in [(0.0, False), (60.0, False), (60.1, True)]:
        monkeypatch.setattr(state.engine, "stalled_seconds", lambda seconds=stalled_seconds: seconds)
        assert state.engine_failed == failed
