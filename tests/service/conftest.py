"""What the service's tests share: an environment without settings, and a running service of the made-up language."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reversal import Trained
from tests.service.fakes import GatedSearch
from tests.service.live import Live, local_settings, running


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Take away the variables that whoever runs the tests has set for a service of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DRAGOMAN_")]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def reversal_models(trained_reversal: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder whose one bundle is the trained made-up language."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(trained_reversal.bundle, folder / "reversal")
    return folder


@pytest.fixture(scope="session")
def live(reversal_models: Path) -> Iterator[Live]:
    """Run one service of the made-up language for all tests that leave it as it was."""
    with running(local_settings(reversal_models)) as live:
        yield live


@pytest.fixture
def gated(live: Live, monkeypatch: pytest.MonkeyPatch) -> Iterator[GatedSearch]:
    """Put a gate before the search of the shared service; it is open until a test closes it."""
    search = GatedSearch(live.bundle.search.search)
    monkeypatch.setattr(live.bundle.search, "search", search.search)
    yield search
    search.gate.set()
