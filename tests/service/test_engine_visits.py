"""Requests that submit their sentences one after the other."""

from collections.abc import Sequence

import pytest

from model.bundle import Bundle
from service.admission import Visit
from service.engine import Engine
from service.errors import NotReady, Overloaded
from tests.service.engines import CONFIG, Eager, answers, keep_busy, new_engine
from tests.service.fakes import GatedSearch, fake_bundle

DOCUMENT = [[1, n] for n in range(6)]
OTHER = [[2, n] for n in range(3)]


def lanes(parts: Sequence[list[list[int]]], foreground_pieces: float) -> list[list[list[int]]]:
    """Return what was admitted to each lane, of a document that came in parts before another that came at once."""
    search = GatedSearch()
    bundle = fake_bundle(search)
    engine = new_engine(policy=Eager(foreground_pieces=foreground_pieces), sentences=100)
    futures = []
    visit = Visit()
    for part in parts:
        futures += engine.submit(bundle, part, CONFIG, visit=visit)
    futures += engine.submit(bundle, OTHER, CONFIG)
    engine.start()
    answers(futures)
    engine.close()
    return sorted(search.admissions)


@pytest.mark.parametrize("foreground_pieces", [0, 2, 4, 6, 12, 100])
@pytest.mark.parametrize("cuts", [(1,), (2,), (3,), (2, 4), (1, 2, 5)], ids=str)
def test_sentences_that_come_later_are_in_the_lane_that_they_would_have_been_in_at_once(
    cuts: Sequence[int], foreground_pieces: float
) -> None:
    parts = [DOCUMENT[start:stop] for start, stop in zip((0, *cuts), (*cuts, 6), strict=True)]
    found = lanes(parts, foreground_pieces)
    assert found == lanes([DOCUMENT], foreground_pieces)
    assert len(found) == (2 if 0 < foreground_pieces < 12 else 1)


@pytest.mark.usefixtures("known_at_once")
def test_a_document_that_comes_in_parts_takes_turns_as_one_that_comes_at_once() -> None:
    bundle = fake_bundle(search := GatedSearch())
    engine = new_engine(policy=Eager(pace=1e9), sentences=1)
    engine.start()
    answers(engine.submit(bundle, [[0]], CONFIG))  # how long a sentence takes is known from now on
    futures = keep_busy(engine, bundle, search)
    visit = Visit()
    futures += engine.submit(bundle, DOCUMENT[:3], CONFIG, visit=visit)
    futures += engine.submit(bundle, OTHER, CONFIG)
    futures += engine.submit(bundle, DOCUMENT[3:], CONFIG, visit=visit)
    search.gate.set()
    answers(futures)
    engine.close()
    assert search.sources[2:] == [[1, 0], [2, 0], [1, 1], [2, 1], [1, 2], [2, 2], *DOCUMENT[3:]]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 6}], indirect=True)
def test_who_was_let_in_is_not_refused_later(engine: Engine, bundle: Bundle, search: GatedSearch) -> None:
    visit = Visit()
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1]], CONFIG, visit=visit)
    futures += engine.submit(bundle, [[2] * 5], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[3]], CONFIG)
    futures += engine.submit(bundle, [[1] * 4], CONFIG, visit=visit)
    search.gate.set()
    assert answers(futures) == [[0], [1], [2] * 5, [1] * 4]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 6}], indirect=True)
def test_what_is_to_come_is_refused_or_let_in_at_the_door_and_keeps_its_room(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[2] * 2], CONFIG, visit=Visit(characters=6, read=2))
    visit = Visit(characters=4, read=2)
    futures += engine.submit(bundle, [[3] * 2], CONFIG, visit=visit)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[4] * 2], CONFIG)
    visit.read = visit.characters
    futures += engine.submit(bundle, [[3]], CONFIG, visit=visit)  # less than was expected
    futures += engine.submit(bundle, [[4] * 2], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [1], [3] * 2, [3], [4] * 2]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 6}], indirect=True)
def test_who_leaves_gives_up_the_room_of_what_was_to_come(engine: Engine, bundle: Bundle) -> None:
    visit = Visit(characters=100, read=1)
    futures = engine.submit(bundle, [[1]], CONFIG, visit=visit)
    assert answers(futures) == [[1]]
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[2]], CONFIG)
    engine.leave(visit)
    engine.leave(visit)
    assert answers(engine.submit(bundle, [[2]], CONFIG)) == [[2]]


def test_a_closed_engine_takes_nothing_of_who_was_let_in_either(engine: Engine, bundle: Bundle) -> None:
    visit = Visit(characters=4, read=2)
    answers(engine.submit(bundle, [[1]], CONFIG, visit=visit))
    engine.close()
    with pytest.raises(NotReady):
        engine.submit(bundle, [[2]], CONFIG, visit=visit)
