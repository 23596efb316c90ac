from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from model.bundle import Bundle
from model.config import DecodingConfig
from model.search import Sentence
from service import lanes as lanes_module
from service.admission import Lane, Waiting
from service.lanes import WEIGHTS, Lanes, Turn
from service.metrics import Metrics
from service.worker import Job, Promise, Worker
from tests.service.fakes import GatedSearch, fake_bundle

AGES = 100_000  # steps of a sentence that does not end in a test


@dataclass
class Clock:
    """A clock that only steps move, and pauses of the machine in them."""

    seconds: dict[Lane, float] = field(default_factory=lambda: dict.fromkeys(Lane, 1.0))
    """What a step of each lane takes."""
    pause: float = 0.0
    """In the next step."""
    now: float = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    advance = Worker.advance

    def advance_and_move(worker: Worker, joining: Sequence[Job]) -> None:
        advance(worker, joining)
        clock.now += clock.seconds[lane_of[id(worker)]] + clock.pause
        clock.pause = 0.0

    lane_of: dict[int, Lane] = {}
    init = Lanes.__init__

    def init_and_note(lanes: Lanes, metrics: Metrics) -> None:
        init(lanes, metrics)
        lane_of.update({id(worker): lane for lane, worker in lanes.workers.items()})

    monkeypatch.setattr(Worker, "advance", advance_and_move)
    monkeypatch.setattr(Lanes, "__init__", init_and_note)
    monkeypatch.setattr(lanes_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(lanes_module, "ENOUGH_ANSWERS", 1)
    return clock


@pytest.fixture
def seconds_of(clock: Clock) -> dict[Lane, float]:
    """Return how long a step of each lane takes."""
    return clock.seconds


@pytest.fixture
def bundle() -> Bundle:
    return fake_bundle(GatedSearch())


def job(bundle: Bundle, lane: Lane, steps: int) -> Job:
    sentence = Sentence([1] * steps, DecodingConfig(beam_size=1))
    return Job(bundle, sentence, Promise(), Waiting(0.0, steps, 1), "", 0.0, lane)


def from_queue(queue: list[Job]) -> Callable[[Lane, Worker], list[Job]]:
    """Let in all of a lane who are in the queue."""

    def take(lane: Lane, _: Worker) -> list[Job]:
        joining = [one for one in queue if one.lane == lane]
        queue[:] = [one for one in queue if one.lane != lane]
        return joining

    return take


def turns(lanes: Lanes, queue: list[Job], count: int) -> list[Lane]:
    """Take so many steps, and return of which lanes they were."""
    taken = []
    for _ in range(count):
        turn = lanes.next(from_queue(queue))
        assert turn is not None
        lanes.advance(turn)
        taken.append(turn.lane)
    return taken


def test_without_work_it_is_nobody_s_turn() -> None:
    assert Lanes(Metrics()).next(lambda *_: []) is None


def test_who_is_let_in_joins_the_lane_s_next_step(bundle: Bundle) -> None:
    lanes, queue = Lanes(Metrics()), [job(bundle, Lane.BACKGROUND, 2), job(bundle, Lane.BACKGROUND, 3)]
    expected = list(queue)
    assert lanes.next(from_queue(queue)) == Turn(Lane.BACKGROUND, expected)
    lanes.advance(Turn(Lane.BACKGROUND, expected))
    assert [lanes.workers[lane].load.sentences for lane in (Lane.FOREGROUND, Lane.BACKGROUND)] == [0, 2]


@pytest.mark.parametrize("alone", list(Lane))
def test_a_lane_that_is_alone_has_every_step(alone: Lane, bundle: Bundle, seconds_of: dict[Lane, float]) -> None:
    del seconds_of
    assert turns(Lanes(Metrics()), [job(bundle, alone, AGES)], 20) == [alone] * 20


@pytest.mark.parametrize("background_seconds", [0.1, 0.5, 1.0])
def test_two_lanes_share_the_time_by_their_weights_whatever_their_steps_take(
    background_seconds: float, bundle: Bundle, seconds_of: dict[Lane, float]
) -> None:
    seconds_of[Lane.BACKGROUND] = background_seconds
    taken = turns(Lanes(Metrics()), [job(bundle, lane, AGES) for lane in Lane], 4000)
    spent = {lane: taken.count(lane) * seconds_of[lane] for lane in Lane}
    ratio = WEIGHTS[Lane.FOREGROUND] / WEIGHTS[Lane.BACKGROUND]
    assert spent[Lane.FOREGROUND] / spent[Lane.BACKGROUND] == pytest.approx(ratio, rel=0.01)


@pytest.mark.parametrize("first", list(Lane))
def test_a_lane_that_had_no_work_has_no_claim_from_that_time(
    first: Lane, bundle: Bundle, seconds_of: dict[Lane, float]
) -> None:
    del seconds_of
    lanes = Lanes(Metrics())
    turns(lanes, [job(bundle, first, AGES)], 1000)
    (other,) = set(Lane) - {first}
    taken = turns(lanes, [job(bundle, other, AGES)], 40)
    assert taken.count(Lane.FOREGROUND) == pytest.approx(30, abs=3)


def test_who_comes_to_the_foreground_is_next_after_at_most_one_step_of_the_background(
    bundle: Bundle, seconds_of: dict[Lane, float]
) -> None:
    del seconds_of
    lanes = Lanes(Metrics())
    turns(lanes, [job(bundle, Lane.BACKGROUND, AGES)], 1000)
    for _ in range(5):
        assert Lane.FOREGROUND in turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 2)
        turns(lanes, [], 7)


def test_a_lane_s_sentences_follow_each_other_as_the_mean_of_late_says(
    bundle: Bundle, seconds_of: dict[Lane, float]
) -> None:
    del seconds_of
    lanes = Lanes(Metrics())
    turns(lanes, [job(bundle, Lane.FOREGROUND, 4) for _ in range(2)], 3)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == 0.0
    turns(lanes, [], 1)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == pytest.approx(2.0)
    for _ in range(300):
        turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 1)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == pytest.approx(1.0, abs=1e-3)
    assert lanes.sentence_seconds(Lane.BACKGROUND) == 0.0


def test_who_is_given_up_is_not_counted_as_answered(bundle: Bundle, seconds_of: dict[Lane, float]) -> None:
    del seconds_of
    lanes = Lanes(Metrics())
    given_up = [job(bundle, Lane.FOREGROUND, 10) for _ in range(5)]
    turns(lanes, [*given_up, job(bundle, Lane.FOREGROUND, 4)], 2)
    for one in given_up:
        one.future.cancel()
    turns(lanes, [], 2)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == pytest.approx(4.0)


def test_the_time_of_those_who_were_all_given_up_is_charged_to_nobody(
    bundle: Bundle, seconds_of: dict[Lane, float]
) -> None:
    del seconds_of
    lanes, given_up = Lanes(Metrics()), job(bundle, Lane.FOREGROUND, AGES)
    turns(lanes, [given_up], 50)
    given_up.future.cancel()
    turns(lanes, [], 1)
    turns(lanes, [job(bundle, Lane.FOREGROUND, 2)], 2)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == pytest.approx(2.0)


def test_the_other_lane_s_steps_count_too_while_both_have_work(bundle: Bundle, seconds_of: dict[Lane, float]) -> None:
    del seconds_of
    lanes = Lanes(Metrics())
    turns(lanes, [job(bundle, Lane.BACKGROUND, 100)], 100)
    assert lanes.sentence_seconds(Lane.BACKGROUND) == pytest.approx(100.0)
    other = Lanes(Metrics())
    turns(other, [job(bundle, Lane.FOREGROUND, AGES), job(bundle, Lane.BACKGROUND, 100)], 410)
    assert other.sentence_seconds(Lane.BACKGROUND) == pytest.approx(400.0, rel=0.02)


def test_the_first_sentences_of_a_process_which_take_long_say_nothing_of_later_ones(
    bundle: Bundle, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_module, "ENOUGH_ANSWERS", 20)
    clock.seconds[Lane.FOREGROUND] = 0.01
    clock.pause = 0.5
    lanes = Lanes(Metrics())
    for _ in range(19):
        turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 1)
        assert lanes.sentence_seconds(Lane.FOREGROUND) == 0.0
    turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 1)
    assert lanes.sentence_seconds(Lane.FOREGROUND) == pytest.approx((20 * 0.01 + 0.5) / 20)


def test_a_pause_of_the_machine_changes_the_mean_by_a_bounded_part(bundle: Bundle, clock: Clock) -> None:
    clock.seconds[Lane.FOREGROUND] = 0.1
    lanes = Lanes(Metrics())
    for _ in range(30):
        turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 1)
    clock.pause = 10_000.0
    turns(lanes, [job(bundle, Lane.FOREGROUND, 1)], 1)
    assert 0.1 < lanes.sentence_seconds(Lane.FOREGROUND) < 0.15


@pytest.mark.parametrize(("lane", "turns_before"), [(Lane.FOREGROUND, 4), (Lane.BACKGROUND, 5)])
def test_a_pause_of_the_machine_in_a_step_of_one_lane_gives_the_other_no_claim(
    bundle: Bundle, clock: Clock, lane: Lane, turns_before: int
) -> None:
    lanes = Lanes(Metrics())
    turns(lanes, [job(bundle, one, AGES) for one in Lane], turns_before)
    clock.pause = 1000.0
    assert turns(lanes, [], 1) == [lane]
    assert turns(lanes, [], 400).count(Lane.FOREGROUND) == pytest.approx(300, abs=2)
