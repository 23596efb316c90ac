"""Arenas are made once for each of a few sizes and used again, on a CPU, without graphs."""

from typing import Any

import pytest
import torch

from model import arenas as module
from model.arena import Arena, Sizes
from model.arenas import Arenas
from model.config import DecodingConfig
from model.resident import ResidentBatch
from model.search import BeamSearch, Sentence
from tests.resident import assert_as_alone, decode, out_of_memory
from tests.slow_search import SOURCES


def test_an_arena_is_used_again_by_the_next_batch_of_its_size(arenas: Arenas, made: list[Sizes]) -> None:
    for _ in range(3):
        batch = ResidentBatch(arenas)
        batch.admit([Sentence(source, DecodingConfig(max_length=5)) for source in SOURCES])
        decode(batch)
    assert len(made) == 1


def test_whatever_was_prepared_serves_without_another_arena(arenas: Arenas, made: list[Sizes]) -> None:
    config = DecodingConfig(beam_size=4)
    arenas.prepare(config)
    prepared = len(made)
    batch = ResidentBatch(arenas)
    for count in (1, 20, 300):
        batch.admit([Sentence(SOURCES[0], config)] * count)
        batch.step()
    assert len(made) == prepared


def test_no_more_arenas_are_kept_than_that(arenas: Arenas, made: list[Sizes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 2)
    for beam_size in (1, 2, 1, 5, 1, 2):  # the 2 is forgotten for the 5, as the 1 was used since
        batch = ResidentBatch(arenas)
        batch.admit([Sentence(SOURCES[0], DecodingConfig(beam_size=beam_size))])
        decode(batch)
    assert [sizes.width for sizes in made] == [1, 2, 5, 2]


def test_arenas_that_nobody_uses_make_room_for_one_that_is_needed(
    arenas: Arenas, made: list[Sizes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for beam_size in (1, 2):
        batch = ResidentBatch(arenas)
        batch.admit([Sentence(SOURCES[0], DecodingConfig(beam_size=beam_size))])
        decode(batch)
    fill = Arena.__init__

    def full(self: Arena, *arguments: Any) -> None:
        if arenas._free:
            raise torch.OutOfMemoryError
        fill(self, *arguments)

    monkeypatch.setattr(Arena, "__init__", full)
    batch = ResidentBatch(arenas)
    batch.admit([Sentence(SOURCES[0], DecodingConfig(beam_size=8))])
    assert [sizes.width for sizes in made] == [1, 2, 8]


def test_what_there_is_memory_for_is_prepared_and_the_rest_is_made_when_it_is_needed(
    search: BeamSearch, arenas: Arenas, made: list[Sizes], monkeypatch: pytest.MonkeyPatch
) -> None:
    make = Arenas._make

    def until_full(self: Arenas, *arguments: Any) -> Arena:
        return out_of_memory() if len(made) == 2 else make(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Arenas, "_make", until_full)
        arenas.prepare(DecodingConfig())
    assert arenas._free
    assert [arena.sizes for arena in arenas._free] == made
    sentence = Sentence(SOURCES[0], DecodingConfig(beam_size=8))
    batch = ResidentBatch(arenas)
    (ticket,) = batch.admit([sentence])
    assert_as_alone(search, sentence, decode(batch)[ticket])
