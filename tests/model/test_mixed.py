"""Sentences that stay on a GPU beside those that the host decides, which share a batch; without a GPU here."""

from collections.abc import Iterator
from random import Random

import pytest
import torch

from model.arenas import Arenas
from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from model.mixed import MixedBatch, can_stay
from model.resident import ResidentBatch
from model.search import Batch, BeamSearch, Sentence
from tests.resident import decode, out_of_memory, plain_sentences
from tests.slow_search import SOURCES, WORDS, assert_equal, decode_alone, random_sentences, with_constraints


def mixed(search: BeamSearch, arenas: Arenas) -> MixedBatch:
    other = search.batch()
    assert isinstance(other, Batch)
    return MixedBatch(ResidentBatch(arenas), other)


def any_sentences(random: Random) -> Iterator[list[Sentence]]:
    for _ in range(12):
        sentences = random_sentences(random, count=random.randint(1, 5), words=WORDS, longest=12)
        yield [*with_constraints(random, sentences, WORDS), *plain_sentences(random, count=2)]


def test_sentences_of_all_kinds_share_a_batch_and_find_what_each_finds_alone(
    search: BeamSearch, arenas: Arenas
) -> None:
    random, batch = Random(5), mixed(search, arenas)
    of_ticket: dict[int, Sentence] = {}
    found: dict[int, list[Hypothesis]] = {}
    for joining in any_sentences(random):
        of_ticket.update(zip(batch.admit(joining), joining, strict=True))
        dropped = {ticket for ticket in of_ticket.keys() - found.keys() if random.random() < 0.05}
        batch.drop(dropped)
        for ticket in dropped:
            del of_ticket[ticket]
        found.update(batch.step())
    found.update(decode(batch))
    assert found.keys() == of_ticket.keys()
    assert {can_stay(sentence) for sentence in of_ticket.values()} == {True, False}
    for ticket, sentence in of_ticket.items():
        assert_equal(found[ticket], decode_alone(search, sentence))


@pytest.mark.parametrize("is_encoding", [True, False])
def test_a_batch_says_whether_the_part_that_stays_on_the_device_encodes(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch, is_encoding: bool
) -> None:
    monkeypatch.setattr(ResidentBatch, "is_encoding", is_encoding)
    assert mixed(search, arenas).is_encoding == is_encoding


def test_when_one_kind_cannot_join_neither_does(
    search: BeamSearch, arenas: Arenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = mixed(search, arenas)
    plain = Sentence(SOURCES[0], DecodingConfig(beam_size=2))

    monkeypatch.setattr(ResidentBatch, "admit", out_of_memory)
    with pytest.raises(torch.OutOfMemoryError):
        batch.admit([plain._replace(attention=True), plain])
    assert len(batch) == 0
