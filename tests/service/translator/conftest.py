"""A translator whose network is a fake."""

from collections.abc import Iterator

import pytest

from model.bundle import Bundle
from model.known_words import KnownWords
from model.masks import MASKS
from service.admission import InFlight
from service.catalogue import Catalogue, Entry
from service.translator import Translator
from tests.service.engines import new_engine
from tests.service.fakes import GatedSearch, fake_bundle

TASKS = ["translate:de:en", "translate:fr:en", "translate:en:zh", "summarize:en"]


@pytest.fixture
def bundle(search: GatedSearch, request: pytest.FixtureRequest) -> Bundle:
    """Return a bundle; a parameter is the words that its network has met."""
    made = fake_bundle(search, tasks=TASKS, max_source_pieces=20, masks=MASKS[:2])
    return made._replace(words=getattr(request, "param", KnownWords()))


@pytest.fixture
def translator(request: pytest.FixtureRequest, bundle: Bundle, search: GatedSearch) -> Iterator[Translator]:
    """Run a translator whose network answers each sentence with its characters backwards.

    A parameter is what is special about its engine.
    """
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    engine = new_engine(**{"max_queued_pieces": 100_000, "policy": InFlight(), **getattr(request, "param", {})})
    engine.start()
    yield Translator(catalogue, engine)
    search.gate.set()
    engine.close()
