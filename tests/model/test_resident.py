"""On any device the tensors of an arena are the same: all but the capture of a graph is held here on a CPU."""

from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from model import resident
from model.arena import Sizes
from model.arenas import Arenas
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from model.resident import STEPS_BETWEEN_MOVES, ResidentBatch
from model.search import BeamSearch, Sentence
from model.tokenizer import END
from tests.resident import assert_as_alone, decode, out_of_memory, plain_sentences
from tests.slow_search import (
    SOURCES,
    SPECIAL,
    assert_equal,
    decode_alone,
    make_network,
)


class LateEvent:
    """Stands in for an event that has happened only when it was asked for some times, or waited for."""

    def __init__(self, times: int) -> None:
        self._times = times

    def query(self) -> bool:
        self._times -= 1
        return self._times < 0

    def synchronize(self) -> None:
        self._times = 0


@pytest.fixture(params=[False, True], ids=["at once", "late"])
def late(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Have what a device does be known at once, or some steps later."""
    random = Random(11)
    if request.param:
        monkeypatch.setattr(ResidentBatch, "_event", lambda _: LateEvent(random.randint(0, 4)))
        monkeypatch.setattr(ResidentBatch, "_wait_on_device", lambda *_: None)
    return bool(request.param)


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("seed", range(4))
def test_sentences_that_join_and_leave_an_arena_find_what_each_finds_alone_on_the_host(
    search: BeamSearch, arenas: Arenas, seed: int
) -> None:
    random = Random(seed)
    sentences = plain_sentences(random, count=60)
    waiting, batch = list(sentences), ResidentBatch(arenas)
    of_ticket: dict[int, Sentence] = {}
    found: dict[int, list[Hypothesis]] = {}
    while waiting or batch:
        joining = [waiting.pop() for _ in range(random.choice([0, 0, 1, 3, 12])) if waiting]
        if joining:
            of_ticket.update(zip(batch.admit(joining), joining, strict=True))
        found.update(batch.step())
    assert found.keys() == of_ticket.keys()
    for ticket, sentence in of_ticket.items():
        assert_as_alone(search, sentence, found[ticket])


@pytest.mark.usefixtures("late")
def test_who_is_dropped_is_not_answered_and_changes_no_other(search: BeamSearch, arenas: Arenas) -> None:
    random = Random(7)
    batch, of_ticket, dropped = ResidentBatch(arenas), {}, set()
    found: dict[int, list[Hypothesis]] = {}
    for _ in range(40):
        joining = plain_sentences(random, count=random.randint(1, 3))
        of_ticket.update(zip(batch.admit(joining), joining, strict=True))
        gone = {ticket for ticket in of_ticket.keys() - found.keys() if random.random() < 0.1}
        dropped |= gone
        batch.drop(gone)
        found.update(batch.step())
    found.update(decode(batch))
    assert found.keys() == of_ticket.keys() - dropped
    assert len(dropped) > 5
    for ticket, hypotheses in found.items():
        assert_as_alone(search, of_ticket[ticket], hypotheses)


@pytest.mark.usefixtures("late")
def test_a_batch_of_which_all_were_dropped_is_empty_and_begins_anew(search: BeamSearch, arenas: Arenas) -> None:
    batch = ResidentBatch(arenas)
    sentences = plain_sentences(Random(1), count=4)
    tickets = batch.admit(sentences)
    batch.step()
    batch.drop(set(tickets))
    assert (len(batch), batch.rows) == (0, 0)
    (ticket,) = batch.admit(sentences[:1])
    assert ticket not in tickets
    assert_as_alone(search, sentences[0], decode(batch)[ticket])


@pytest.mark.usefixtures("late")
def test_who_finds_no_place_is_encoded_waits_for_one_and_finds_what_it_finds_alone(
    search: BeamSearch, arenas: Arenas, made: list[Sizes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "MOST_PLACES", 8)
    sentences = plain_sentences(Random(5), count=30)
    batch = ResidentBatch(arenas)
    tickets = [ticket for first in range(0, 30, 6) for ticket in batch.admit(sentences[first : first + 6])]
    assert len(batch) == 30
    found = decode(batch)
    assert {sizes.places for sizes in made} == {8}
    for ticket, sentence in zip(tickets, sentences, strict=True):
        assert_as_alone(search, sentence, found[ticket])


@pytest.mark.usefixtures("late")
def test_who_is_dropped_before_there_is_a_place_gets_none(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "MOST_PLACES", 8)
    sentences = plain_sentences(Random(6), count=20)
    batch = ResidentBatch(arenas)
    tickets = batch.admit(sentences)
    batch.step()
    batch.drop(set(tickets[8:19]))
    assert len(batch) == 9
    found = decode(batch)
    assert sorted(found) == [*tickets[:8], tickets[19]]
    assert_as_alone(search, sentences[19], found[tickets[19]])


def test_of_hundreds_who_come_while_others_are_there_some_get_their_places_at_each_step(
    arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "MOST_PLACED", 10)
    batch, there = ResidentBatch(arenas), []
    for count in (25, 25, 0, 0):
        if count:
            batch.admit([Sentence(SOURCES[0], DecodingConfig(min_length=9, max_length=9))] * count)
        batch.step()
        there.append(len(batch._sentences))
    assert there == [25, 35, 45, 50]


def test_an_arena_has_room_for_what_those_need_who_wait_for_a_place(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "MOST_PLACES", 8)
    monkeypatch.setattr(resident, "STEPS_BETWEEN_MOVES", 1)
    narrow = Sentence(SOURCES[0], DecodingConfig(beam_size=1, max_length=6))
    wide = Sentence(SOURCES[1], DecodingConfig(beam_size=5, min_length=40, max_length=60))
    batch = ResidentBatch(arenas)
    batch.admit([narrow] * 8)
    batch.step()
    (ticket, *_) = batch.admit([wide, narrow])
    (later,) = batch.admit([wide])
    found = decode(batch)
    for one in (ticket, later):
        assert_as_alone(search, wide, found[one])


def test_an_answer_is_not_waited_for_while_there_are_steps_to_take(
    arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ResidentBatch, "_wait_on_device", lambda *_: None)
    short, long = (Sentence(SOURCES[0], DecodingConfig(min_length=n, max_length=n)) for n in (1, 60))
    batch = ResidentBatch(arenas)
    first, _ = batch.admit([short, long])
    answered_at = {}
    for step in range(50):
        with monkeypatch.context() as patch:
            patch.setattr(ResidentBatch, "_event", lambda _: LateEvent(20))
            answered_at |= {ticket: step for ticket, _ in batch.step()}
    assert answered_at.keys() == {first}
    assert answered_at[first] > 20


def test_a_batch_says_whether_somebody_is_being_encoded(arenas: Arenas, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = ResidentBatch(arenas)
    assert not batch.is_encoding
    monkeypatch.setattr(ResidentBatch, "_wait_on_device", lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(ResidentBatch, "_event", lambda _: LateEvent(2))
        batch.admit([Sentence(SOURCES[0], DecodingConfig(max_length=5))])
    assert [batch.is_encoding for _ in range(3)] == [True, True, False]
    decode(batch)
    assert not batch.is_encoding


@pytest.mark.usefixtures("late")
def test_the_arena_of_a_crowd_is_left_when_few_remain(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    decode_step = search.network.decode_step

    def watched(pieces: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
        rows.append(len(pieces))
        return decode_step(pieces, *others)

    batch = ResidentBatch(arenas)
    steps = STEPS_BETWEEN_MOVES + 20
    short, long = (DecodingConfig(beam_size=2, min_length=n, max_length=n) for n in (3, steps))
    tickets = batch.admit([Sentence(SOURCES[0], config) for config in [short] * 40 + [long]])
    monkeypatch.setattr(search.network, "decode_step", watched)
    found = decode(batch)
    assert rows[0] == 64 * 2
    assert rows[-1] == 8 * 2
    assert len(found[tickets[-1]][0].pieces) == steps
    assert_as_alone(search, Sentence(SOURCES[0], long), found[tickets[-1]])


def test_a_failed_join_leaves_the_batch_as_it_was(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = plain_sentences(Random(3), count=3)
    batch = ResidentBatch(arenas)
    tickets = batch.admit(sentences)
    batch.step()

    for owner, name in ((search.network, "encode"), (Arenas, "take")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, out_of_memory)
            with pytest.raises(torch.OutOfMemoryError):
                batch.admit(sentences * 5)
    found = decode(batch)
    assert found.keys() == set(tickets)
    for ticket, sentence in zip(tickets, sentences, strict=True):
        assert_as_alone(search, sentence, found[ticket])


def test_few_stay_in_the_arena_of_a_crowd_if_there_is_no_memory_to_move(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = DecodingConfig(beam_size=2, min_length=2 * STEPS_BETWEEN_MOVES, max_length=2 * STEPS_BETWEEN_MOVES)
    batch = ResidentBatch(arenas)
    tickets = batch.admit([Sentence(SOURCES[0], config) for config in [DecodingConfig(max_length=3)] * 40 + [long]])
    monkeypatch.setattr(Arenas, "take", out_of_memory)
    assert_as_alone(search, Sentence(SOURCES[0], long), decode(batch)[tickets[-1]])


def test_a_network_that_gives_nan_finds_nothing_and_spoils_nobody_else(search: BeamSearch, arenas: Arenas) -> None:
    good = Sentence(SOURCES[0], DecodingConfig(beam_size=3))
    batch = ResidentBatch(arenas)
    (spoilt, fine) = batch.admit([good, good])
    assert batch.step() == []
    assert batch._arena
    with torch.inference_mode():
        batch._arena.given.memory[0] = float("nan")
    found = decode(batch)
    assert found[spoilt] == []
    assert_as_alone(search, good, found[fine])
    (after,) = batch.admit([good])  # in the place of the other
    assert_as_alone(search, good, decode(batch)[after])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_sentences_on_a_gpu_find_what_each_finds_alone_on_the_host(search: BeamSearch) -> None:
    network = make_network(2, end_bias=-1.0).cuda()
    batch = BeamSearch(network, [*SPECIAL, END], torch.device("cuda"), graphs=True).batch()
    random, of_ticket = Random(9), {}
    found: dict[int, list[Hypothesis]] = {}
    for _ in range(30):
        joining = plain_sentences(random, count=random.randint(1, 9))
        of_ticket.update(zip(batch.admit(joining), joining, strict=True))
        found.update(batch.step())
    while batch:
        found.update(batch.step())
    assert found.keys() == of_ticket.keys()
    for ticket, sentence in of_ticket.items():
        assert_equal(found[ticket], decode_alone(search, sentence))
