import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.bundle import FORMAT, MANIFEST, NETWORK, TOKENIZER, USED
from model.config import Task
from model.search import BeamSearch
from service import catalogue
from service.catalogue import load_catalogue, whole
from service.settings import MAX_WORKERS, Settings
from tests.reversal import SUMMARIZE, TRANSLATE
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle
from tests.service.live import local_settings


def test_the_tasks_of_a_route_do_together_what_leads_from_its_beginning_to_its_end() -> None:
    first, second = Task.parse("translate:fr:en"), Task.parse("translate:en:de")
    assert whole([first, second]) == Task.parse("translate:fr:de")
    assert whole([first]) == first
    assert whole([]) is None


def settings(models: Path, **changes: Any) -> Settings:
    return local_settings(models, **{"dtype": "float32", **changes})


@pytest.fixture
def models(tiny_bundle: Path) -> Path:
    """Return a folder with a bundle that is to be broken, and a good one that comes after it."""
    shutil.copytree(tiny_bundle, tiny_bundle.parent / "good")
    return tiny_bundle.rename(tiny_bundle.parent / "broken").parent


def change_manifest(folder: Path, **changes: object) -> None:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({k: v for k, v in (manifest | changes).items() if v is not None}))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    **{
        f"{name} missing": (lambda folder, name=name: (folder / name).unlink(), f"{name} is missing")
        for name in (MANIFEST, *USED)
    },
    **{
        f"{name} altered": (lambda folder, name=name: alter(folder / name), f"{name} is not the file that was exported")
        for name in USED
    },
    "empty file": (lambda folder: (folder / NETWORK).write_bytes(b""), f"{NETWORK} is not the file that was exported"),
    "cut manifest": (lambda folder: (folder / MANIFEST).write_text("{"), f"{MANIFEST} is not a manifest"),
    "list for manifest": (lambda folder: (folder / MANIFEST).write_text("[]"), f"{MANIFEST} is not a manifest"),
    "bytes for manifest": (lambda folder: (folder / MANIFEST).write_bytes(b"\xff"), f"{MANIFEST} is not a manifest"),
    "newer format": (lambda folder: change_manifest(folder, format=FORMAT + 1), "made by a newer Dragoman"),
    "older format": (lambda folder: change_manifest(folder, format=1), "made by an older Dragoman"),
    "no format": (lambda folder: change_manifest(folder, format="x"), "format"),
    "no tasks": (lambda folder: change_manifest(folder, tasks=None), "tasks"),
    "other vocabulary": (lambda folder: change_manifest(folder, pieces=7), f"{TOKENIZER} has 300 pieces"),
    "untrained task": (lambda folder: change_manifest(folder, tasks=["translate:de:fr"]), "no tag for the task"),
    "no checksums": (lambda folder: change_manifest(folder, files={}), "files"),
}


@pytest.mark.parametrize(("damage", "error"), DAMAGES.values(), ids=DAMAGES)
def test_a_bundle_that_cannot_be_used_is_explained_and_the_others_are_served(
    damage: Callable[[Path], object],
    error: str,
    models: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "warm_up", lambda _: None)  # takes as long as all else
    damage(models / "broken")
    found = load_catalogue(settings(models))
    broken, good = found.entries
    assert (broken.folder, broken.bundle) == ("broken", None)
    assert broken.error
    assert broken.error.startswith("broken: ")
    assert error in broken.error
    assert str(models) not in broken.error  # clients read it
    assert str(models / "broken") in caplog.text
    assert len(broken.error.splitlines()) == 1
    assert good.error is None
    assert found.serving == {TRANSLATE: good.bundle, SUMMARIZE: good.bundle}


def test_the_starters_do_what_no_bundle_of_ones_own_does(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "warm_up", lambda _: None)
    starters = models.with_name("starters")
    for name in ("good", "other"):
        shutil.copytree(models / "good", starters / name)
    change_manifest(models / "good", tasks=[str(TRANSLATE)])
    change_manifest(models / "broken", tasks=[str(TRANSLATE)])
    monkeypatch.setattr(catalogue, "STARTERS", starters)
    found = load_catalogue(settings(models, starters=True))
    assert [entry.folder for entry in found.entries] == ["broken", "good", "other"]
    assert found.serving == {TRANSLATE: found.entries[0].bundle, SUMMARIZE: found.entries[2].bundle}
    assert [entry.folder for entry in load_catalogue(settings(models)).entries] == ["broken", "good"]


def test_a_bundle_that_finds_nothing_to_say_is_not_served(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BeamSearch, "search", lambda *_: [[]])
    found = load_catalogue(settings(models))
    assert [entry.error for entry in found.entries] == [
        f"{n}: failed its warm-up: ValueError" for n in ("broken", "good")
    ]
    assert not found.serving


def test_a_bundle_that_fails_when_it_first_runs_is_explained(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm_up = catalogue.warm_up

    def fail_once(bundle: object) -> None:
        monkeypatch.setattr(catalogue, "warm_up", warm_up)
        raise ZeroDivisionError(bundle)

    monkeypatch.setattr(catalogue, "warm_up", fail_once)
    broken, good = load_catalogue(settings(models)).entries
    assert broken.error == "broken: failed its warm-up: ZeroDivisionError"
    assert good.bundle


def test_of_two_bundles_for_a_task_the_first_by_name_serves_it(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = load_catalogue(settings(models))
    assert found.entries[1].bundle
    assert found.serving.keys() == {TRANSLATE, SUMMARIZE}
    assert {id(bundle) for bundle in found.serving.values()} == {id(found.entries[0].bundle)}
    assert "good: translate:de:en is already served by broken" in caplog.text


def test_a_task_is_served_by_whichever_bundle_has_it(models: Path) -> None:
    change_manifest(models / "broken", tasks=["summarize:en"])
    change_manifest(models / "good", tasks=["translate:de:en"])
    found = load_catalogue(settings(models))
    assert found.serving == {SUMMARIZE: found.entries[0].bundle, TRANSLATE: found.entries[1].bundle}


def test_hidden_folders_and_files_are_no_bundles(models: Path) -> None:
    (models / "broken").rename(models / ".broken")
    (models / ".git").mkdir()
    (models / "README.md").write_text("Bundles.")
    assert [entry.folder for entry in load_catalogue(settings(models)).entries] == ["good"]


def test_a_folder_that_is_not_there_is_explained(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (entry,), serving = load_catalogue(settings(tmp_path / "nowhere"))
    assert entry == ("nowhere", None, "nowhere: there is no such folder")
    assert str(tmp_path / "nowhere") in caplog.text
    assert serving == {}


def test_an_empty_folder_has_no_bundles_and_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load_catalogue(settings(tmp_path)) == ([], {})
    assert warnings(caplog) == [f"no bundle is served from {tmp_path}: it holds no folder of a bundle"]


def test_where_every_bundle_is_broken_the_log_says_what_is_wrong_with_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    load_catalogue(settings(tmp_path))
    reasons = "one: bundle.json is missing; other: bundle.json is missing"
    assert warnings(caplog) == [f"no bundle is served from {tmp_path}: {reasons}"]


def test_a_folder_with_a_bundle_that_is_served_is_not_warned_of(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(models / "good")
    load_catalogue(settings(models))
    assert warnings(caplog) == []


def test_a_bundle_is_warm_when_it_is_served(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed = []
    monkeypatch.setattr(catalogue, "warm_up", warmed.append)
    found = load_catalogue(settings(models))
    assert warmed == [found.entries[0].bundle]
    assert found.bundles[1].search is found.bundles[0].search  # which is the same network, and is loaded once


def test_bundles_of_different_kinds_are_loaded_side_by_side_and_stay_in_the_order_of_their_names(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models / "good", models / "more")
    for folder, name in (("broken", "one"), ("good", "other"), ("more", "one")):
        change_manifest(models / folder, name=name)
    monkeypatch.setattr(catalogue, "kind", lambda manifest: manifest.name)
    both = threading.Barrier(2)
    monkeypatch.setattr(catalogue, "warm_up", lambda _: both.wait(PATIENCE_SECONDS))
    found = load_catalogue(settings(models, threads=2))
    assert [entry.folder for entry in found.entries] == ["broken", "good", "more"]
    assert not any(entry.error for entry in found.entries)
    assert found.bundles[2].search is found.bundles[0].search  # as what is of one kind is not loaded side by side


def test_with_one_core_bundles_are_loaded_one_after_another(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "kind", lambda manifest: manifest.version)
    change_manifest(models / "broken", version="another")
    seen = []
    monkeypatch.setattr(catalogue, "warm_up", lambda _: seen.append(threading.current_thread()))
    load_catalogue(settings(models))
    assert len(seen) == 2
    assert seen[0] is seen[1]


def test_warming_up_decodes_with_a_task_of_the_bundle() -> None:
    search = GatedSearch()
    bundle = fake_bundle(search, tasks=[str(SUMMARIZE), str(TRANSLATE)])
    catalogue.warm_up(bundle)
    assert search.admissions == [[bundle.tokenizer.encode_source("1, 2, 3.", SUMMARIZE)]]
    assert search.configs == [bundle.manifest.decoding]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_bundle_is_served_in_the_type_of_the_settings(dtype: str, models: Path) -> None:
    found = load_catalogue(settings(models, dtype=dtype))
    assert [entry.bundle and entry.bundle.dtype for entry in found.entries] == [dtype, dtype]


def test_types_are_tried_with_the_threads_that_will_serve(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(catalogue, "warm_up", lambda _: seen.append(torch.get_num_threads()))
    try:
        load_catalogue(settings(models, threads=3 * MAX_WORKERS))
    finally:
        torch.set_num_threads(1)
    assert seen == [3]
