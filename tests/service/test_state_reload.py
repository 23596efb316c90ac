import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from weakref import ref

import pytest

from model.bundle import BundleError
from service import state as state_module
from service.catalogue import NOTHING, Catalogue, Changes, Entry
from service.detection import Detector
from service.errors import NotReady, ReloadFailed
from service.metrics import Metrics
from service.settings import SettingsError
from service.state import ServiceState
from tests.service.fakes import PATIENCE_SECONDS, BackwardsBatch, GatedSearch, backwards, fake_bundle, wait_until
from tests.service.live import local_settings


def catalogue_of(search: GatedSearch, *tasks: str, error: str | None = None) -> Catalogue:
    bundle = fake_bundle(search, tasks=tasks or ("translate:de:en",))
    return Catalogue([Entry("fake", bundle, error)], dict.fromkeys(bundle.manifest.tasks, bundle))


class Folder:
    """Stands in for the folder of bundles: what it holds, how often it was loaded, and after what."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.catalogue = catalogue_of(GatedSearch())
        self.error: Exception | None = None
        self.before: list[Catalogue] = []
        self.polls: Iterator[dict[str, int]] = iter(())
        self.polled = 0
        monkeypatch.setattr(state_module, "load_catalogue", self.load)
        monkeypatch.setattr(state_module, "stamps", self.stamps)

    def load(self, _: object, before: Catalogue) -> Catalogue:
        self.before.append(before)
        if self.error:
            raise self.error
        return self.catalogue

    def stamps(self, _: Path) -> dict[str, int]:
        self.polled += 1
        return next(self.polls, {})


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Folder:
    return Folder(monkeypatch)


@pytest.fixture
def state() -> Iterator[ServiceState]:
    state = ServiceState(local_settings(Path("models"), reload_seconds=0.001), Metrics())
    yield state
    state.engine.close()


def test_what_is_in_flight_is_answered_by_the_old_network_and_what_comes_by_the_new(
    state: ServiceState, folder: Folder
) -> None:
    old, new = GatedSearch(), GatedSearch()

    async def scenario() -> None:
        folder.catalogue = catalogue_of(old)
        await state.load()
        (task,) = state.catalogue.serving
        old.gate.clear()
        in_flight = asyncio.create_task(state.translator.run(task, ["Abc."]))
        await asyncio.to_thread(old.wait_for_steps, 1)
        folder.catalogue = catalogue_of(new)
        assert await state.reload() == Changes(["fake"], [], [], {})
        old.gate.set()
        answers = [*await in_flight, *await state.translator.run(task, ["Xyz."])]
        assert [answer.texts for answer in answers] == [[".cbA"], [".zyX"]]
        assert (len(old.admissions), len(new.admissions)) == (1, 1)

    asyncio.run(scenario())


def test_what_leaves_is_freed_when_its_last_answer_is_given(state: ServiceState, folder: Folder) -> None:
    async def scenario() -> None:
        # Not of the batches it makes by itself, as such a search knows itself and would wait for the collector.
        folder.catalogue = catalogue_of(GatedSearch(lambda: BackwardsBatch(backwards)))
        await state.load()
        (task,) = state.catalogue.serving
        search = state.catalogue.serving[task].search
        assert isinstance(search, GatedSearch)
        gate, left = search.gate, ref(search)
        gate.clear()
        in_flight = asyncio.create_task(state.translator.run(task, ["Abc."]))
        await asyncio.to_thread(search.wait_for_steps, 1)
        del search
        folder.catalogue, folder.before = catalogue_of(GatedSearch()), []
        await state.reload()
        folder.before = []
        assert left()
        gate.set()
        await in_flight
        del in_flight
        await asyncio.to_thread(wait_until, lambda: left() is None)

    asyncio.run(scenario())


def test_languages_are_told_apart_from_when_they_are_served(
    state: ServiceState, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    folder.catalogue = catalogue_of(GatedSearch(), "translate:de:en", "translate:fr:en")

    def tell(*_: object) -> None:
        assert state.why_not_ready is None
        told.append(state.detect("Ich bin sehr müde.")[0].language)

    monkeypatch.setattr(Detector, "load", tell)
    monkeypatch.setattr(state_module, "return_freed_memory", tell)
    asyncio.run(state.load())
    assert told == ["de", "de"]


def test_free_memory_is_returned_again_and_again(state: ServiceState, monkeypatch: pytest.MonkeyPatch) -> None:
    enough = threading.Semaphore(0)
    monkeypatch.setattr(state_module, "RETURN_SECONDS", 0.0)
    monkeypatch.setattr(state_module, "return_freed_memory", enough.release)

    async def scenario() -> None:
        returning = asyncio.create_task(state.return_memory())
        for _ in range(3):
            assert await asyncio.to_thread(enough.acquire, timeout=PATIENCE_SECONDS)
        returning.cancel()

    asyncio.run(scenario())


def test_two_at_once_are_done_one_after_the_other(
    state: ServiceState, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = catalogue_of(GatedSearch()), catalogue_of(GatedSearch())
    coming, going, alone = iter((first, second)), threading.Event(), threading.Lock()

    def load(_: object, before: Catalogue) -> Catalogue:
        folder.before.append(before)
        assert alone.acquire(blocking=False)
        assert going.wait(PATIENCE_SECONDS)
        alone.release()
        return next(coming)

    async def scenario() -> None:
        await state.load()
        monkeypatch.setattr(state_module, "load_catalogue", load)
        both = asyncio.gather(state.reload(), state.reload())
        await asyncio.to_thread(wait_until, lambda: len(folder.before) == 2)
        going.set()
        await both

    asyncio.run(scenario())
    assert folder.before == [NOTHING, folder.catalogue, first]
    assert state.catalogue == second


@pytest.mark.parametrize("error", [BundleError("gone"), SettingsError("gone"), PermissionError("gone")])
def test_when_nothing_can_be_loaded_everything_stays_as_it_was(
    state: ServiceState, folder: Folder, error: Exception
) -> None:
    async def scenario() -> None:
        await state.load()
        folder.error = error
        with pytest.raises(ReloadFailed, match="Nothing was loaded: gone"):
            await state.reload()

    asyncio.run(scenario())
    assert state.catalogue == folder.catalogue
    assert state.why_not_ready is None
    assert state.metrics.registry.get_sample_value("dragoman_reloads_total", {"outcome": "failed"}) == 1


def test_a_service_that_could_not_load_is_ready_once_it_can(state: ServiceState, folder: Folder) -> None:
    folder.error = PermissionError("models")
    asyncio.run(state.load())
    assert state.why_not_ready == "loading failed; the log says why"
    folder.error = None
    asyncio.run(state.reload())
    assert state.why_not_ready is None


def test_while_shutting_down_nothing_is_loaded(state: ServiceState, folder: Folder) -> None:
    asyncio.run(state.load())
    state.draining = True
    with pytest.raises(NotReady, match="shutting down"):
        asyncio.run(state.reload())
    assert len(folder.before) == 1


def test_a_bundle_that_is_served_in_its_version_before_is_counted_as_outdated(
    state: ServiceState, folder: Folder
) -> None:
    asyncio.run(state.load())
    folder.catalogue = catalogue_of(GatedSearch(), error="fake: is broken")
    asyncio.run(state.reload())
    counts = {
        name: state.metrics.registry.get_sample_value("dragoman_bundles", {"state": name})
        for name in ("ready", "outdated", "failed")
    }
    assert counts == {"ready": 0, "outdated": 1, "failed": 0}


def test_languages_are_learnt_again_only_where_they_changed(state: ServiceState, folder: Folder) -> None:
    asyncio.run(state.load())
    detector = state.detector
    folder.catalogue = catalogue_of(GatedSearch(), "translate:de:en")
    asyncio.run(state.reload())
    assert state.detector is detector
    folder.catalogue = catalogue_of(GatedSearch(), "translate:fr:en")
    asyncio.run(state.reload())
    assert state.languages == ["en", "fr"]
    assert state.detector.detect("Bonjour à tous")[0].language == "fr"


def watch_until(state: ServiceState, folder: Folder, polls: int) -> None:
    """Load, then watch until the folder was looked at so many times."""

    async def scenario() -> None:
        await state.load()
        watching = asyncio.create_task(state.watch())
        await asyncio.to_thread(wait_until, lambda: folder.polled > polls)
        watching.cancel()

    asyncio.run(scenario())


def test_a_folder_that_changed_is_loaded_when_no_more_is_written_to_it(state: ServiceState, folder: Folder) -> None:
    loaded, writing, written = {"a": 1}, {"a": 2}, {"a": 3}
    looked_at_by_reload = [written]
    folder.polls = iter([loaded, loaded, loaded, writing, written, written, *looked_at_by_reload, *[written] * 9])
    watch_until(state, folder, 12)
    assert len(folder.before) == 2


def test_a_folder_that_is_being_written_to_is_left_alone(state: ServiceState, folder: Folder) -> None:
    folder.polls = iter([{"a": n} for n in range(20)])
    watch_until(state, folder, 12)
    assert len(folder.before) == 1


def test_watching_goes_on_when_nothing_can_be_loaded_and_the_log_says_so_once(
    state: ServiceState, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    folder.polls = iter([{}, *[{"a": 1}] * 500_000])

    async def scenario() -> None:
        await state.load()
        folder.error = BundleError("gone")
        watching = asyncio.create_task(state.watch())
        await asyncio.to_thread(wait_until, lambda: len(folder.before) >= 4)
        assert state.why_not_ready is None
        folder.error = None
        await asyncio.to_thread(wait_until, lambda: state.metrics.reloads.labels("done")._value.get() == 2)
        loaded = len(folder.before)
        looked = folder.polled
        await asyncio.to_thread(wait_until, lambda: folder.polled > looked + 3)
        assert len(folder.before) == loaded
        watching.cancel()

    asyncio.run(scenario())
    assert caplog.text.count("served as they were") == 1


def test_what_fails_for_a_reason_that_nobody_foresaw_is_not_tried_again_until_the_folder_changes(
    state: ServiceState, folder: Folder
) -> None:
    folder.polls = iter([{}, *[{"a": 1}] * 9, *[{"a": 2}] * 500_000])

    async def scenario() -> None:
        await state.load()
        folder.error = ZeroDivisionError()
        watching = asyncio.create_task(state.watch())
        await asyncio.to_thread(wait_until, lambda: folder.polled > 20)
        watching.cancel()

    asyncio.run(scenario())
    assert len(folder.before) == 1 + 2


def test_with_no_seconds_nothing_is_watched(folder: Folder) -> None:
    state = ServiceState(local_settings(Path("models"), reload_seconds=0), Metrics())
    asyncio.run(asyncio.wait_for(state.watch(), PATIENCE_SECONDS))
    assert folder.polled == 0
