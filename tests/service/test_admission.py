from bisect import insort
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import pytest

from service.admission import InFlight, Joins, Load, OneByOne, Policy, Static, Waiting, fitting

NOTHING = Load(0, 0, 0)
AMPLE = Load(sentences=1000, rows=10_000, positions=1_000_000)


def waiting(count: int, *, came_at: float = 0.0, pieces: int = 10, beam_size: int = 5) -> list[Waiting]:
    return [Waiting(came_at, pieces, beam_size)] * count


# What fits


@pytest.mark.parametrize(
    ("limits", "load", "fit"),
    [
        (AMPLE, NOTHING, 6),
        (AMPLE._replace(sentences=4), NOTHING, 4),
        (AMPLE._replace(sentences=4), Load(3, 3, 30), 1),
        (AMPLE._replace(sentences=4), Load(4, 4, 40), 0),
        (AMPLE._replace(rows=12), NOTHING, 2),
        (AMPLE._replace(rows=12), Load(1, 2, 10), 2),
        (AMPLE._replace(rows=12), Load(1, 3, 10), 1),
        (AMPLE._replace(rows=12), Load(1, 8, 10), 0),
        (AMPLE._replace(positions=30), NOTHING, 3),
        (AMPLE._replace(positions=30), Load(1, 5, 10), 2),
        (AMPLE._replace(positions=30), Load(2, 10, 20), 1),
        (AMPLE._replace(positions=30), Load(1, 5, 20), 0),  # all are padded to the longest, who is there already
        (AMPLE._replace(positions=40), Load(1, 5, 20), 1),
    ],
)
def test_as_many_fit_as_each_limit_leaves_room_for(limits: Load, load: Load, fit: int) -> None:
    assert fitting(waiting(6), load, limits) == fit


def test_a_long_sentence_makes_all_others_count_as_long() -> None:
    limits = AMPLE._replace(positions=100)
    assert fitting([*waiting(4, pieces=10), *waiting(1, pieces=30)], NOTHING, limits) == 4
    assert fitting([*waiting(1, pieces=30), *waiting(9, pieces=10)], NOTHING, limits) == 3


@pytest.mark.parametrize("limits", [Load(1, 1, 1), Load(1, 100, 100), Load(100, 1, 100), Load(100, 100, 1)])
def test_one_always_fits_when_nothing_is_decoded_and_only_one(limits: Load) -> None:
    assert fitting(waiting(3, pieces=500, beam_size=160), NOTHING, limits) == 1
    assert fitting(waiting(3, pieces=500, beam_size=160), Load(1, 1, 1), limits) == 0


@pytest.mark.parametrize("large", [Waiting(0.0, 10, 16), Waiting(0.0, 900, 1)])
def test_nobody_overtakes_one_who_does_not_fit(large: Waiting) -> None:
    small = Waiting(0.0, 10, 1)
    limits = Load(sentences=100, rows=16, positions=1000)
    assert fitting([small, small], Load(1, 1, 10), limits) == 2
    assert fitting([large, small, small], Load(1, 1, 10), limits) == 0
    assert fitting([small, large, small], Load(1, 1, 10), limits) == 1


def test_what_fits_never_exceeds_a_limit_and_one_more_would() -> None:
    random = Random(0)
    for _ in range(2000):
        limits = Load(random.randint(1, 12), random.randint(1, 40), random.randint(1, 300))
        queue = [Waiting(0.0, random.randint(1, 60), random.randint(1, 16)) for _ in range(random.randint(0, 14))]
        inside = [Waiting(0.0, random.randint(1, 60), random.randint(1, 16)) for _ in range(random.randint(0, 4))]
        fit = fitting(queue, load_of(inside), limits)
        for count in range(1, len(queue) + 1):
            load = load_of([*inside, *queue[:count]])
            fits = all(have <= limit for have, limit in zip(load, limits, strict=True)) or load.sentences == 1
            assert fits == (count <= fit)


def load_of(sentences: Sequence[Waiting]) -> Load:
    longest = max((one.source_pieces for one in sentences), default=0)
    return Load(len(sentences), sum(one.beam_size for one in sentences), len(sentences) * longest)


# Between any two steps


@pytest.mark.parametrize("count", [0, 1, 5])
def test_in_flight_lets_all_in_at_once_when_nothing_is_decoded(count: int) -> None:
    assert InFlight().admits(waiting(count, came_at=7.0), NOTHING, AMPLE, joins=Joins(1.0, 0.0), now=7.0) == count


@pytest.mark.parametrize(
    ("came_at", "count"),
    [
        ([9.0], 0),
        ([4.1], 0),
        ([4.0], 1),  # one has waited 6 s, which is what 3 sentences lose by stopping for 2 s
        ([7.5, 7.5], 0),
        ([7.0, 7.0], 2),
        ([5.0, 9.0, 10.0], 3),  # those who came last join with those who waited
    ],
)
def test_in_flight_lets_those_in_who_waited_together_as_long_as_the_others_lose_by_stopping(
    came_at: list[float], count: int
) -> None:
    queue = [Waiting(came, 10, 5) for came in came_at]
    assert InFlight().admits(queue, Load(3, 15, 30), AMPLE, joins=Joins(2.0, 0.0), now=10.0) == count


def test_in_flight_counts_those_who_do_not_fit_among_those_who_lose_by_stopping() -> None:
    limits = AMPLE._replace(sentences=2)
    queue = [Waiting(6.0, 10, 5), *waiting(3, came_at=0.0)]
    assert InFlight().admits(queue, Load(1, 5, 10), limits, joins=Joins(1.1, 0.0), now=10.0) == 0
    assert InFlight().admits(queue, Load(1, 5, 10), limits, joins=Joins(1.0, 0.0), now=10.0) == 1


def test_in_flight_lets_as_many_in_as_fit_when_nothing_is_decoded_however_many_do_not() -> None:
    limits = AMPLE._replace(sentences=2)
    assert InFlight().admits(waiting(50, came_at=7.0), NOTHING, limits, joins=Joins(1.0, 0.0), now=7.0) == 2


def test_nobody_is_let_in_while_others_are_encoded_beside_the_steps_and_then_no_more_than_join_together() -> None:
    policy, load = InFlight(most_at_once=4), Load(100, 500, 1000)
    assert policy.admits(waiting(9), load, AMPLE, joins=Joins(0.0, 0.0, is_encoding=True), now=99.0) == 0
    assert policy.admits(waiting(9), NOTHING, AMPLE, joins=Joins(0.0, 0.0, is_encoding=True), now=99.0) == 0
    assert policy.admits(waiting(9), load, AMPLE, joins=Joins(0.0, 0.0), now=99.0) == 4


class Queued(NamedTuple):
    """A sentence of a simulated request, and when it may be admitted before those of later requests."""

    waiting: Waiting
    turn: float
    place: int
    of: int
    """How many sentences its request has."""


class Admitted(NamedTuple):
    queued: Queued
    at: float


STEP_SECONDS, JOIN_SECONDS, MEAN_SECONDS = 0.010, 0.005, 0.040


def requests(count: int, *, pace: float, documents: float, seed: int) -> list[list[Queued]]:
    """Return random requests by arrival, of one sentence or, so many of them, of 50 that all come at once."""
    random, now, made = Random(seed), 0.0, []
    for _ in range(count):
        size = 50 if random.random() < documents else 1
        now += random.expovariate(1 / (0.040 * (1 + 49 * documents)))
        made.append(
            [
                Queued(
                    Waiting(now, random.randint(3, 40), random.choice([1, 5, 5, 16])),
                    now + place * pace * MEAN_SECONDS,
                    place,
                    size,
                )
                for place in range(size)
            ]
        )
    return made


def simulate(policy: Policy, arriving: list[list[Queued]], limits: Load) -> list[Admitted]:
    """Decode all requests on a clock that only steps and joins move; a sentence takes a step for each piece."""
    arriving, now, joined_at = list(arriving), 0.0, 0.0
    queue: list[Queued] = []
    inside: list[tuple[Waiting, int]] = []
    admitted: list[Admitted] = []
    while arriving or queue or inside:
        if not queue and not inside:
            now = max(now, arriving[0][0].waiting.came_at)
        while arriving and arriving[0][0].waiting.came_at <= now:
            for one in arriving.pop(0):
                insort(queue, one, key=lambda queued: queued.turn)
        door = [one.waiting for one in queue[: limits.sentences + 1]]
        load = load_of([one for one, _ in inside])
        count = policy.admits(door, load, limits, Joins(JOIN_SECONDS, joined_at), now)
        joining, queue = queue[:count], queue[count:]
        admitted += [Admitted(one, now) for one in joining]
        inside = [(one, left - 1) for one, left in inside if left > 1]
        inside += [(one.waiting, one.waiting.source_pieces) for one in joining]
        if joining:
            now = joined_at = now + JOIN_SECONDS
        now += STEP_SECONDS
    return admitted


LIMITS = Load(sentences=8, rows=64, positions=400)


@pytest.mark.parametrize("seed", range(3))
def test_in_flight_nobody_is_overtaken_by_who_came_after_the_turn(seed: int) -> None:
    made = requests(1500, pace=InFlight.pace, documents=0.05, seed=seed)
    admitted = simulate(InFlight(), made, LIMITS)
    assert len(admitted) == sum(map(len, made)) > 4000
    came_until_now = 0.0  # the latest arrival among those admitted so far
    for one, at in admitted:
        assert at >= one.waiting.came_at
        assert came_until_now <= one.turn
        came_until_now = max(came_until_now, one.waiting.came_at)
    # The last sentence of a document has its turn so much after the document: nobody who came later still overtakes.
    longest = max(one.turn - one.waiting.came_at for one, _ in admitted)
    assert longest == pytest.approx(49 * InFlight.pace * MEAN_SECONDS)


def test_in_flight_short_requests_overtake_the_later_sentences_of_a_document() -> None:
    def longest_wait(pace: float) -> float:
        document = [Queued(Waiting(0.0, 20, 5), place * pace * MEAN_SECONDS, place, 50) for place in range(50)]
        short = [[Queued(Waiting(n * 0.1, 20, 5), n * 0.1, 0, 1)] for n in range(1, 20)]
        admitted = simulate(InFlight(), [document, *short], LIMITS)
        return max(at - one.waiting.came_at for one, at in admitted if one.of == 1)

    decoding_takes = 20 * STEP_SECONDS
    assert longest_wait(InFlight.pace) < 2 * decoding_takes
    assert longest_wait(0.0) > 5 * decoding_takes


def test_in_flight_a_wide_or_long_sentence_gets_in_however_many_small_ones_come() -> None:
    small = [[Queued(Waiting(n * 0.02, 20, 1), n * 0.02, 0, 1)] for n in range(3000)]
    large = Queued(Waiting(10.005, 300, 16), 10.005, 0, 1)
    arriving = sorted([*small, [large]], key=lambda request: request[0].waiting.came_at)
    admitted = [one for one, _ in simulate(InFlight(), arriving, Load(sentences=8, rows=16, positions=300))]
    assert [one.turn for one in admitted] == sorted(one.turn for one in admitted)
    assert large in admitted


# To compare with


def test_static_lets_nobody_join_who_is_late() -> None:
    assert Static().admits(waiting(5), Load(1, 5, 10), AMPLE, joins=Joins(0.0, 0.0), now=1e9) == 0
    assert Static().admits([], NOTHING, AMPLE, joins=Joins(0.0, 0.0), now=1e9) == 0


def test_static_without_a_window_takes_whoever_is_there() -> None:
    assert Static().admits(waiting(5, came_at=3.0), NOTHING, AMPLE, joins=Joins(9.0, 0.0), now=3.0) == 5
    assert Static().admits(waiting(5), NOTHING, AMPLE._replace(sentences=4), joins=Joins(9.0, 0.0), now=0.0) == 4


@pytest.mark.parametrize(("now", "count"), [(5.0, 0), (5.009, 0), (5.011, 3)])
def test_static_with_a_window_waits_from_the_first_arrival_on(now: float, count: int) -> None:
    queue = [Waiting(5.0, 10, 5), Waiting(5.008, 10, 5), Waiting(5.008, 10, 5)]
    assert Static(window_seconds=0.010).admits(queue, NOTHING, AMPLE, joins=Joins(0.0, 0.0), now=now) == count


@pytest.mark.parametrize("limits", [AMPLE._replace(sentences=3), AMPLE._replace(rows=16), AMPLE._replace(positions=35)])
@pytest.mark.parametrize("there", [4, 9])
def test_static_with_a_window_starts_a_full_batch_at_once(limits: Load, there: int) -> None:
    assert Static(window_seconds=10.0).admits(waiting(there), NOTHING, limits, joins=Joins(0.0, 0.0), now=0.0) == 3


def test_static_is_full_with_exactly_its_limit_of_sentences() -> None:
    limits = AMPLE._replace(sentences=3)
    assert Static(window_seconds=10.0).admits(waiting(3), NOTHING, limits, joins=Joins(0.0, 0.0), now=0.0) == 3


def test_one_by_one_decodes_a_single_sentence_however_many_wait() -> None:
    policy = OneByOne()
    assert policy.admits(waiting(5), NOTHING, AMPLE, joins=Joins(0.0, 0.0), now=0.0) == 1
    assert policy.admits(waiting(5), Load(1, 5, 10), AMPLE, joins=Joins(0.0, 0.0), now=1e9) == 0
    assert policy.admits([], NOTHING, AMPLE, joins=Joins(0.0, 0.0), now=0.0) == 0


@pytest.mark.parametrize(("last_at", "count"), [(0.0, 2), (8.0, 2), (8.1, 0), (10.0, 0)])
def test_in_flight_those_who_wait_do_so_at_the_door_only_since_it_was_open_last(last_at: float, count: int) -> None:
    assert InFlight().admits(waiting(2), Load(4, 20, 40), AMPLE, joins=Joins(1.0, last_at), now=10.0) == count


@pytest.mark.parametrize("policy", [Static(), Static(window_seconds=0.010), OneByOne()])
def test_without_turns_who_comes_first_is_served_first(policy: Policy) -> None:
    made = requests(500, pace=policy.pace, documents=0.05, seed=4)
    admitted = [one for one, _ in simulate(policy, made, LIMITS)]
    assert admitted == [one for request in made for one in request]
