"""A service whose networks are fakes, between German, English and French."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from model.masks import MASKS
from tests.service.fakes import GatedSearch
from tests.service.live import Live, local_settings, running, serve_fakes


@pytest.fixture
def served(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that answers each sentence backwards, between German, English and French."""
    tasks = ("translate:de:en", "translate:en:de", "translate:fr:en", "translate:en:fr", "summarize:en")
    serve_fakes(monkeypatch, search, *tasks)
    with running(local_settings(tmp_path)) as live:
        yield live
        search.gate.set()


@pytest.fixture
def served_with_masks(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run such a service whose networks carry over what they read as masks."""
    serve_fakes(monkeypatch, search, "translate:de:en", "translate:en:fr", masks=MASKS[:8])
    with running(local_settings(tmp_path)) as live:
        yield live
        search.gate.set()
