import math
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from model.arenas import MOST_PLACES
from model.bundle import Bundle
from model.hypothesis import Hypothesis
from model.search import Sentence
from service import engine as engine_module
from service.admission import InFlight, Load, OneByOne, Policy, Static
from service.engine import CPU_LIMITS, FOREGROUND_PIECES, GPU_LIMITS, Engine, make_engine
from service.errors import NotReady, Overloaded
from service.metrics import Metrics
from service.settings import Threads
from tests.service.engines import CONFIG, Eager, answers, keep_busy, new_engine, sample
from tests.service.fakes import GatedSearch, backwards, fake_bundle, wait_until
from tests.service.live import local_settings

# Turns


AN_AGE = 1e9  # in times that a sentence takes


def admitted(policy: Eager, requests: list[list[list[int]]]) -> list[list[int]]:
    """Return in which order an engine that decodes one sentence at a time admits these, which come during a step."""
    search = GatedSearch()
    bundle = fake_bundle(search)
    engine = new_engine(policy=policy, sentences=1)
    engine.start()
    answers(engine.submit(bundle, [[0]], CONFIG))  # how long a sentence takes is known from now on
    wait_until(lambda: engine.stalled_seconds() == 0)
    search.gate.clear()
    engine.submit(bundle, [[0]], CONFIG)
    search.wait_for_steps(2)
    for request in requests:
        engine.submit(bundle, request, CONFIG)
    search.gate.set()
    engine.close()
    return search.sources[2:]


DOCUMENT, OTHER_DOCUMENT = [[1, n] for n in range(5)], [[2, n] for n in range(3)]


@pytest.mark.usefixtures("known_at_once")
def test_a_document_leaves_gaps_for_short_requests_that_come_later() -> None:
    short = [[[3]], [[4]], [[5]]]
    assert admitted(Eager(AN_AGE), [DOCUMENT, *short]) == [[1, 0], [3], [4], [5], *DOCUMENT[1:]]
    assert admitted(Eager(), [DOCUMENT, *short]) == [*DOCUMENT, [3], [4], [5]]


@pytest.mark.usefixtures("known_at_once")
def test_documents_take_turns() -> None:
    found = admitted(Eager(AN_AGE), [DOCUMENT, OTHER_DOCUMENT])
    assert found == [[1, 0], [2, 0], [1, 1], [2, 1], [1, 2], [2, 2], [1, 3], [1, 4]]


# Lanes


@pytest.mark.parametrize(
    ("foreground_pieces", "together"),
    [
        (math.inf, [[*DOCUMENT, [3]]]),
        (4, [[*DOCUMENT[:2], [3]], DOCUMENT[2:]]),
        (3.9, [[*DOCUMENT[:1], [3]], DOCUMENT[1:]]),
        (0, [[*DOCUMENT, [3]]]),
    ],
)
def test_so_many_pieces_of_each_request_are_decoded_apart_from_the_rest_of_it(
    foreground_pieces: float, together: list[list[list[int]]]
) -> None:
    search = GatedSearch()
    engine = new_engine(policy=Eager(foreground_pieces=foreground_pieces))
    bundle = fake_bundle(search)
    futures = engine.submit(bundle, DOCUMENT, CONFIG) + engine.submit(bundle, [[3]], CONFIG)
    engine.start()
    assert answers(futures) == [source[::-1] for source in [*DOCUMENT, [3]]]
    assert search.admissions == together
    engine.close()


def test_a_document_goes_on_while_short_requests_never_cease() -> None:
    search = GatedSearch()
    bundle = fake_bundle(search)
    engine = new_engine(policy=Eager(foreground_pieces=2))
    short: list[Future[list[Hypothesis]]] = []

    def another(sentence: Sentence) -> list[Hypothesis]:
        if len(sentence.source) == 1 and not document[0].done():  # whoever is answered comes again
            short.extend(engine.submit(bundle, [[3]], CONFIG))
        return backwards(sentence)

    search.answer = another
    document = engine.submit(bundle, [[1] * 10], CONFIG)
    short += engine.submit(bundle, [[3]], CONFIG)
    engine.start()
    assert answers(document) == [[1] * 10]
    engine.close()
    assert len(short) > 1


def test_the_limits_hold_for_each_lane() -> None:
    search = GatedSearch()
    bundle = fake_bundle(search)
    engine = new_engine(policy=Eager(foreground_pieces=2), sentences=2)
    futures = engine.submit(bundle, DOCUMENT, CONFIG) + engine.submit(bundle, [[3], [4]], CONFIG)
    engine.start()
    answers(futures)
    engine.close()
    assert max(map(len, search.steps)) == 2
    assert search.admissions[0] == [[1, 0], [3]]


def test_closing_finishes_both_lanes() -> None:
    search = GatedSearch()
    engine = new_engine(policy=Eager(foreground_pieces=2), workers=2, sentences=1)
    futures = engine.submit(fake_bundle(search), DOCUMENT, CONFIG)
    assert sample(engine, "queued_sentences") == 5
    engine.start()
    engine.close()
    assert [future.done() for future in futures] == [True] * 5
    assert sample(engine, "queued_sentences") == sample(engine, "sentences_in_flight") == 0


# The queue's limit


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 4}], indirect=True)
def test_a_request_that_would_overfill_the_queue_is_refused_whole(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1, 1]], CONFIG)
    with pytest.raises(Overloaded, match="1 sentences are waiting"):
        engine.submit(bundle, [[2], [2, 2]], CONFIG)
    futures += engine.submit(bundle, [[3, 3]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [1, 1], [3, 3]]
    assert search.admissions == [[[0]], [[1, 1], [3, 3]]]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 4}], indirect=True)
def test_a_request_larger_than_the_queue_is_accepted_when_nothing_waits(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [9 * [1], 9 * [2]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[3]], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], 9 * [1], 9 * [2]]
    # What is being decoded no longer counts.
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[4] * 2], CONFIG)
    futures += engine.submit(bundle, [[5] * 2], CONFIG)
    search.gate.set()
    assert answers(futures) == [[0], [4] * 2, [5] * 2]


@pytest.mark.parametrize("engine", [{"max_queued_pieces": 4}], indirect=True)
def test_sentences_that_were_given_up_leave_their_room_in_a_full_queue(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1]], CONFIG)
    (given_up,) = engine.submit(bundle, [[2, 2, 2]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[3, 3, 3]], CONFIG)
    given_up.cancel()
    futures += engine.submit(bundle, [[4, 4, 4]], CONFIG)
    with pytest.raises(Overloaded):
        engine.submit(bundle, [[5]], CONFIG)
    assert sample(engine, "queued_sentences") == 2
    search.gate.set()
    assert answers(futures) == [[0], [1], [4, 4, 4]]


# Beginning and ending


@pytest.mark.parametrize("workers", [1, 2])
def test_closing_finishes_what_was_accepted_and_refuses_what_comes_later(
    workers: int, bundle: Bundle, search: GatedSearch
) -> None:
    engine = new_engine(workers=workers, sentences=1)
    futures = engine.submit(bundle, [[1] * 20, [2], [3] * 20, [4]], CONFIG)
    engine.start()
    engine.close()
    assert [future.done() for future in futures] == [True] * 4
    assert answers(futures) == [[1] * 20, [2], [3] * 20, [4]]
    assert not engine.is_alive()
    with pytest.raises(NotReady):
        engine.submit(bundle, [[5]], CONFIG)
    assert len(search.admissions) == 4


def test_closing_finishes_a_static_batch_that_still_waits_for_its_window(bundle: Bundle) -> None:
    engine = new_engine(policy=Static(window_seconds=0.05))
    futures = engine.submit(bundle, [[1]], CONFIG)
    engine.start()
    engine.close()
    assert futures[0].done()
    assert answers(futures) == [[1]]


def test_an_engine_that_never_started_can_be_closed() -> None:
    engine = new_engine(workers=2)
    engine.close()
    engine.close()
    assert not engine.is_alive()


def test_what_waits_what_is_decoded_and_the_processor_s_time_are_measured(
    engine: Engine, bundle: Bundle, search: GatedSearch
) -> None:
    futures = keep_busy(engine, bundle, search)
    futures += engine.submit(bundle, [[1, 1], [2, 2, 2]], CONFIG)
    assert (sample(engine, "queued_sentences"), sample(engine, "sentences_in_flight")) == (2, 1)
    search.gate.set()
    answers(futures)
    wait_until(lambda: sample(engine, "sentences_in_flight") == 0)
    assert sample(engine, "queued_sentences") == 0
    assert (sample(engine, "engine_cpu_seconds_total") or 0) > 0


# As the settings say


def made_with(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> dict[str, Any]:
    """Return what the engine of these settings is made with."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(engine_module, "Engine", lambda _, **arguments: given.update(arguments))
    make_engine(local_settings(Path("models"), **settings), Metrics())
    return given


@pytest.mark.parametrize(
    ("name", "policy", "window_seconds"),
    [
        ("in-flight", InFlight, 0.0),
        ("static-10ms", Static, 0.010),
        ("static", Static, 0.0),
        ("one-by-one", OneByOne, 0.0),
    ],
)
def test_the_policy_is_that_of_the_settings(
    name: str, policy: type[Policy], window_seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_with(monkeypatch, policy=name)["policy"]
    assert (type(made), made.window_seconds) == (policy, window_seconds)


@pytest.mark.parametrize(
    ("device", "policy", "foreground_pieces"),
    [
        ("cpu", "in-flight", FOREGROUND_PIECES),
        ("cuda", "in-flight", math.inf),  # a step costs the same for all that there are
        ("cpu", "static", math.inf),
        ("cpu", "one-by-one", math.inf),
    ],
)
def test_only_in_flight_on_a_cpu_has_a_background(
    device: str, policy: str, foreground_pieces: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert made_with(monkeypatch, device=device, policy=policy)["policy"].foreground_pieces == foreground_pieces


def test_the_limits_are_those_of_the_settings_or_else_of_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    given = made_with(
        monkeypatch, max_batch_sentences=3, max_batch_rows=4, max_batch_positions=5, max_queued_pieces=6, threads=2
    )
    assert given["limits"] == Load(sentences=3, rows=4, positions=5)
    assert (given["max_queued_pieces"], given["threads"]) == (6, Threads(workers=2, for_each=1))
    assert made_with(monkeypatch)["limits"] == CPU_LIMITS
    assert made_with(monkeypatch, device="cuda")["limits"] == GPU_LIMITS


def test_a_static_batch_on_a_gpu_has_no_more_sentences_than_places(monkeypatch: pytest.MonkeyPatch) -> None:
    for given, sentences in (({}, MOST_PLACES), ({"max_batch_sentences": 7}, 7)):
        made = made_with(monkeypatch, device="cuda", policy="static", **given)
        assert made["limits"] == GPU_LIMITS._replace(sentences=sentences)
