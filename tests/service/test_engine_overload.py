"""What is refused when there is more work than can be done in time, and of whom."""

import pytest

from model.bundle import Bundle
from service.admission import Lane, Visit
from service.engine import CAUTION, Engine
from service.errors import Overloaded
from tests.service.engines import CONFIG, answers, keep_busy, new_engine
from tests.service.fakes import GatedSearch, fake_bundle


@pytest.fixture
def search() -> GatedSearch:
    return GatedSearch()


@pytest.fixture
def bundle(search: GatedSearch) -> Bundle:
    return fake_bundle(search)


def measured(engine: Engine, seconds: float) -> None:
    """Let the engine know how long a sentence takes."""
    engine._sentence_seconds = {lane: [seconds] for lane in Lane}


def test_one_who_floods_the_queue_keeps_no_other_out_and_no_other_waiting(bundle: Bundle, search: GatedSearch) -> None:
    engine = new_engine(sentences=1, max_queued_pieces=6)
    engine.start()
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1]] * 6, CONFIG, visit=Visit("flood"))
    with pytest.raises(Overloaded, match="6 sentences are waiting"):
        engine.submit(bundle, [[1]], CONFIG, visit=Visit("flood"))
    futures += engine.submit(bundle, [[2], [2]], CONFIG, visit=Visit("other"))
    search.gate.set()
    answers(futures)
    engine.close()
    assert search.sources[1:] == [[1], [2], [1], [2], [1], [1], [1], [1]]


def test_clients_have_equal_parts_of_the_queue(bundle: Bundle, search: GatedSearch) -> None:
    engine = new_engine(max_queued_pieces=6)
    engine.submit(bundle, [[1]] * 3, CONFIG, visit=Visit("a"))
    engine.submit(bundle, [[2]] * 3, CONFIG, visit=Visit("b"))
    for client in "ab":
        with pytest.raises(Overloaded):
            engine.submit(bundle, [[3]], CONFIG, visit=Visit(client))
    engine.submit(bundle, [[4]] * 9, CONFIG, visit=Visit("c"))  # of whom nothing waits
    del search


def test_what_would_be_too_late_is_refused_at_once_and_told_when_to_come_again(bundle: Bundle) -> None:
    engine = new_engine()
    measured(engine, 1.0)
    engine.submit(bundle, [[1]] * 4, CONFIG, visit=Visit("a", 60.0))
    with pytest.raises(Overloaded, match="the answer would come too late") as refused:
        engine.submit(bundle, [[1]] * 2, CONFIG, visit=Visit("a", 3.5 * CAUTION))
    assert refused.value.retry_after_seconds == 3  # 6 seconds, less 3.5
    engine.submit(bundle, [[1]] * 2, CONFIG, visit=Visit("a", 6.0 * CAUTION))


def test_who_is_being_decoded_is_waited_for_too(bundle: Bundle, search: GatedSearch) -> None:
    engine = new_engine(sentences=1)
    engine.start()
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1]], CONFIG)
    measured(engine, 1.0)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[1]], CONFIG, visit=Visit("a", 2.9 * CAUTION))  # one decoded, one waiting, and its own
    futures += engine.submit(bundle, [[1]], CONFIG, visit=Visit("a", 3.0 * CAUTION))
    search.gate.set()
    answers(futures)
    engine.close()


def test_another_client_is_promised_its_part_of_the_time(bundle: Bundle) -> None:
    engine = new_engine()
    measured(engine, 1.0)
    engine.submit(bundle, [[1]] * 100, CONFIG, visit=Visit("a", 1000.0))
    engine.submit(bundle, [[1]], CONFIG, visit=Visit("b", 2.0 * CAUTION))  # its own, and one of the other's
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[1]], CONFIG, visit=Visit("b", 3.9 * CAUTION))  # two of each


def test_nothing_is_refused_for_its_time_while_nobody_waits_or_the_time_is_not_known(bundle: Bundle) -> None:
    engine = new_engine()
    engine.submit(bundle, [[1]] * 100, CONFIG, visit=Visit("a", 0.1))
    engine.submit(bundle, [[1]], CONFIG, visit=Visit("a", 0.1))
    other = new_engine()
    measured(other, 1.0)
    other.submit(bundle, [[1]] * 100, CONFIG, visit=Visit("a", 0.1))


def test_what_has_been_let_in_is_not_refused_when_it_goes_on(bundle: Bundle) -> None:
    engine = new_engine()
    visit = Visit("a", 60.0, characters=4, read=2)
    engine.submit(bundle, [[1]], CONFIG, visit=visit)
    measured(engine, 1000.0)
    visit.read = visit.characters
    engine.submit(bundle, [[1]], CONFIG, visit=visit)
