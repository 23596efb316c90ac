"""The order in which the sentences of many clients are taken."""

from random import Random

import pytest

from model.config import DecodingConfig
from model.search import Sentence
from service.admission import Lane, Waiting
from service.waiting import WaitingRoom
from service.worker import Job, Promise
from tests.service.fakes import GatedSearch, fake_bundle

BUNDLE = fake_bundle(GatedSearch())


def job(client: str, turn: float, pieces: int = 1) -> Job:
    sentence = Sentence([0] * pieces, DecodingConfig(beam_size=1))
    return Job(BUNDLE, sentence, Promise(), Waiting(0.0, pieces, 1), client, turn, Lane.FOREGROUND)


def room_of(*jobs: Job) -> WaitingRoom:
    room = WaitingRoom()
    for one in jobs:
        room.add(one)
    return room


def order(room: WaitingRoom, count: int) -> list[tuple[str, float]]:
    return [(one.client, one.turn) for one in room.take(count)]


def test_of_one_client_the_turn_counts() -> None:
    room = room_of(job("a", 3), job("a", 1), job("a", 2))
    assert order(room, 9) == [("a", 1), ("a", 2), ("a", 3)]


def test_clients_take_turns_however_many_sentences_one_of_them_has() -> None:
    room = room_of(*(job("flood", turn) for turn in range(5)), job("b", 10), job("b", 11))
    assert order(room, 7) == [
        ("flood", 0),
        ("b", 10),
        ("flood", 1),
        ("b", 11),
        ("flood", 2),
        ("flood", 3),
        ("flood", 4),
    ]


def test_it_is_pieces_that_are_shared_and_not_sentences() -> None:
    room = room_of(*(job("long", turn, pieces=3) for turn in range(2)), *(job("short", 10 + n) for n in range(6)))
    clients = [client for client, _ in order(room, 8)]
    assert clients == ["long", "short", "short", "short", "long", "short", "short", "short"]


def test_who_was_idle_begins_where_the_others_are() -> None:
    room = room_of(*(job("a", turn) for turn in range(9)))
    room.take(6)
    for turn in range(3):
        room.add(job("b", 20 + turn))
    assert [client for client, _ in order(room, 6)] == ["b", "a", "b", "a", "b", "a"]


def test_who_comes_with_one_sentence_at_a_time_gets_no_more_than_who_comes_with_many() -> None:
    room = room_of(*(job("many", turn) for turn in range(20)))
    taken = []
    for turn in range(10):
        room.add(job("one by one", turn))
        taken += [client for client, _ in order(room, 2)]
    assert taken.count("one by one") == 10
    assert taken.count("many") == 10


@pytest.mark.parametrize("seed", range(5))
def test_every_sentence_is_taken_once_and_what_is_said_to_be_next_is_next(seed: int) -> None:
    random = Random(seed)
    jobs = [job(random.choice("abc"), random.random(), random.randint(1, 5)) for _ in range(60)]
    room, taken, left = WaitingRoom(), [], list(jobs)
    while left or len(room):
        for _ in range(random.randint(0, 5)):
            if left:
                room.add(left.pop())
        count = random.randint(0, 4)
        expected = room.first(count)
        found = room.take(count)
        assert [id(one) for one in found] == [id(one) for one in expected]
        taken += found
        waiting = {id(one) for one in jobs} - {id(one) for one in [*taken, *left]}
        assert len(room) == len(waiting)
        pieces = sum(one.waiting.source_pieces for one in jobs if id(one) in waiting)
        assert sum(room.pieces.values()) == pieces
    assert {id(one) for one in taken} == {id(one) for one in jobs}
    assert not room.pieces


def test_those_for_whom_nobody_waits_are_forgotten() -> None:
    gone = [job("a", 0, pieces=3), job("b", 1)]
    room = room_of(*gone, job("a", 2))
    for one in gone:
        one.future.cancel()
    room.forget_cancelled()
    assert (len(room), dict(room.pieces), room.sentences_of("a"), room.sentences_of("b")) == (1, {"a": 1}, 1, 0)
    assert order(room, 9) == [("a", 2)]
