import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from model.bundle import NETWORK
from service.keys import KeyScope, add_key
from tests.service.fakes import wait_until
from tests.service.live import TEXT, Live, assert_error, local_settings, running
from tests.service.versions import new_version

REQUESTS_AFTER = 3


@pytest.fixture
def models(reversal_models: Path, tmp_path: Path) -> Path:
    """Return a folder of one bundle that a test may replace."""
    return shutil.copytree(reversal_models, tmp_path / "models")


@pytest.fixture
def live(models: Path) -> Iterator[Live]:
    keys = models.with_name("keys.sqlite")
    key = add_key(keys, "operator", {KeyScope.TRANSLATE, KeyScope.ADMIN}, None)
    with running(local_settings(models, dtype="float32", reload_seconds=0, keys=keys)) as live:
        live.client.headers["Authorization"] = f"Bearer {key}"
        yield live


def test_a_new_version_is_served_and_no_request_fails_meanwhile(live: Live, models: Path) -> None:
    expected = live.translate(TEXT).json()
    answers, stop = [], threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(live.translate(TEXT))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for version in ("2", "3"):
            seen = len(answers)
            wait_until(lambda seen=seen: len(answers) > seen)
            new_version(models / "reversal", version)
            answer = live.client.post("/models/reload")
            assert answer.json() == {"loaded": ["reversal"], "kept": [], "removed": [], "failed": {}}
            assert live.client.get("/models").json()[0]["version"] == version
            seen = len(answers)
            wait_until(lambda seen=seen: len(answers) >= seen + REQUESTS_AFTER)
    finally:
        stop.set()
        asking.join()
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json() == expected for answer in answers)


def test_a_broken_version_is_explained_everywhere_and_the_old_one_is_served(live: Live, models: Path) -> None:
    expected = live.translate(TEXT).json()
    new_version(models / "reversal", "2")
    (models / "reversal" / NETWORK).write_bytes(b"x")
    reason = "reversal: network.ts is not the file that was exported: its checksum differs"
    answer = live.client.post("/models/reload")
    assert answer.json() == {"loaded": [], "kept": [], "removed": [], "failed": {"reversal": reason}}
    (listed,) = live.client.get("/models").json()
    assert (listed["status"], listed["version"], listed["error"]) == ("ready", "1.0", reason)
    assert live.client.get("/health/ready").json() == {"status": "ok", "failed": [reason]}
    assert live.metric("dragoman_bundles", state="outdated") == 1
    assert live.translate(TEXT).json() == expected


def test_a_new_version_is_noticed(models: Path) -> None:
    with running(local_settings(models, dtype="float32", reload_seconds=0.01)) as live:
        new_version(models / "reversal", "2")
        wait_until(lambda: live.client.get("/models").json()[0]["version"] == "2")


def test_a_folder_that_cannot_be_read_is_said_to_be_so(live: Live, models: Path) -> None:
    models.rename(models.with_name("elsewhere"))
    message = f"Nothing was loaded: {models}: there is no such folder"
    assert_error(live.client.post("/models/reload"), 500, message)
    assert live.translate(TEXT).is_success


def test_who_is_no_admin_loads_nothing(live: Live, models: Path) -> None:
    key = add_key(models.with_name("keys.sqlite"), "reader", {KeyScope.TRANSLATE}, None)
    answer = live.client.post("/models/reload", headers={"Authorization": f"Bearer {key}"})
    assert_error(answer, 403, "Invalid API key: it is not for admin")
    assert_error(
        httpx.post(f"{live.client.base_url}/models/reload"), 400, "Please contact the server operator to get an API key"
    )
    assert live.metric("dragoman_reloads_total", outcome="done") == 1  # the one at the start


def test_without_keys_nobody_has_bundles_loaded(models: Path) -> None:
    with running(local_settings(models, dtype="float32", reload_seconds=0)) as live:
        assert_error(
            live.client.post("/models/reload"), 403, "This needs an API key for admin, and the server has no keys"
        )
