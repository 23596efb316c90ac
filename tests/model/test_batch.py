"""What sentences that are decoded together share, what each costs, and what happens when one leaves or fails."""

from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from model.config import DecodingConfig
from model.memory import MemoryPool
from model.network import Seq2Seq
from model.search import Batch, BeamSearch, Sentence
from model.tokenizer import END
from tests.slow_search import (
    CPU,
    SOURCES,
    SPECIAL,
    TAG,
    WORDS,
    assert_equal,
    decode,
    decode_alone,
    make_search,
    random_sentences,
)

# Sharing steps


@pytest.fixture
def search(end_bias: float) -> BeamSearch:
    return make_search(2, end_bias)


def watch_steps(search: BeamSearch, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the number of rows at each step of the network."""
    rows: list[int] = []
    decode_step = search.network.decode_step

    def watched(pieces: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
        rows.append(len(pieces))
        return decode_step(pieces, *others)

    monkeypatch.setattr(search.network, "decode_step", watched)
    return rows


def test_sentences_with_different_options_share_the_steps_of_the_longest(
    search: BeamSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentences = random_sentences(Random(0), count=12, words=WORDS, longest=20)
    rows = watch_steps(search, monkeypatch)
    steps_alone, rows_alone = [], 0
    for sentence in sentences:
        rows.clear()
        decode_alone(search, sentence)
        steps_alone.append(len(rows))
        rows_alone += sum(rows)
    rows.clear()
    batch = search.batch()
    batch.admit(sentences)
    decode(batch)
    assert len(rows) == max(steps_alone)
    assert sum(rows) == rows_alone


def test_the_rows_are_those_that_the_next_step_extends(search: BeamSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = watch_steps(search, monkeypatch)
    batch = search.batch()
    assert (len(batch), batch.rows) == (0, 0)
    batch.admit([Sentence(source, DecodingConfig(beam_size=3)) for source in SOURCES])
    assert (len(batch), batch.rows) == (4, 4)  # a sentence begins as one row
    expected = []
    while batch:
        expected.append(batch.rows)
        batch.step()
    assert rows == expected
    assert batch.rows == 0


def test_a_sentence_has_as_many_places_in_attention_as_the_widest_beam_and_four_at_least(
    search: BeamSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[Tensor, int]] = []
    decode_step = search.network.decode_step

    def watched(*inputs: Any) -> tuple[Tensor, Tensor, Tensor]:
        found.append(inputs[4:])
        return decode_step(*inputs)

    monkeypatch.setattr(search.network, "decode_step", watched)
    batch = search.batch()
    batch.admit([Sentence(SOURCES[2], DecodingConfig(beam_size=size, min_length=4)) for size in (2, 6, 1)])
    decode(batch)
    for places, width in found:
        rows = torch.bincount(places // width)
        assert width == max(4, rows.max())
        assert len(places.unique()) == len(places)
    assert max(width for _, width in found) == 6


def test_a_sentence_is_answered_at_the_step_at_which_it_is_done(search: BeamSearch) -> None:
    batch = search.batch()
    limits = [7, 2, 4]
    tickets = batch.admit([Sentence(SOURCES[2], DecodingConfig(min_length=n, max_length=n)) for n in limits])
    answers = {}
    for step in range(1, max(limits) + 2):
        answers.update({ticket: step for ticket, _ in batch.step()})
    assert [answers[ticket] for ticket in tickets] == [n + 1 for n in limits]
    assert not batch


def test_a_ticket_is_given_once(search: BeamSearch) -> None:
    batch = search.batch()
    given: list[int] = []
    for _ in range(5):
        given += batch.admit([Sentence(source, DecodingConfig(max_length=3)) for source in SOURCES])
        batch.drop({given[-1]})
        batch.step()
    assert len(set(given)) == len(given)


# Dropping


@pytest.mark.parametrize("dropped_at", [0, 1, 3])
def test_a_dropped_sentence_frees_its_rows_at_the_next_step_and_changes_no_other(
    search: BeamSearch, dropped_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DecodingConfig(beam_size=4, n_best=4, min_length=5)
    expected = search.search(SOURCES, config)
    rows = watch_steps(search, monkeypatch)
    batch = search.batch()
    tickets = batch.admit([Sentence(source, config) for source in SOURCES])
    for _ in range(dropped_at):
        batch.step()
    before = batch.rows
    batch.drop({tickets[0], tickets[2]})
    assert batch.rows == before / 2  # they have not ended, so all have as many
    results = decode(batch)
    assert rows[dropped_at] == before / 2
    assert set(results) == {tickets[1], tickets[3]}
    assert_equal(results[tickets[1]], expected[1])
    assert_equal(results[tickets[3]], expected[3])


def test_a_batch_of_which_all_were_dropped_begins_anew(search: BeamSearch) -> None:
    config = DecodingConfig(beam_size=3)
    batch = search.batch()
    gone = set(batch.admit([Sentence(source, config) for source in SOURCES]))
    batch.step()
    gone |= set(batch.admit([Sentence(SOURCES[2], config)]))
    batch.drop(gone)
    assert (len(batch), batch.rows) == (0, 0)
    (ticket,) = batch.admit([Sentence(SOURCES[0], config)])
    assert_equal(decode(batch)[ticket], search.search(SOURCES[:1], config)[0])


def test_to_drop_who_is_not_there_changes_nothing(search: BeamSearch) -> None:
    batch = search.batch()
    (ticket,) = batch.admit([Sentence(SOURCES[0], DecodingConfig())])
    batch.drop({ticket + 1, -1})
    batch.drop(set())
    assert len(batch) == 1
    assert set(decode(batch)) == {ticket}


# What it costs


def test_attention_comes_to_those_who_asked_and_to_nobody_else(search: BeamSearch) -> None:
    batch = search.batch()
    asked = [True, False, True, False]
    covering = DecodingConfig(n_best=2, coverage_penalty=1.0)  # needs the weights for itself
    tickets = batch.admit([Sentence(s, covering, attention=a) for s, a in zip(SOURCES, asked, strict=True)])
    results = decode(batch)
    for ticket, wants in zip(tickets, asked, strict=True):
        assert all((hypothesis.attention is not None) == wants for hypothesis in results[ticket])


def test_weights_are_kept_only_while_somebody_wants_them(search: BeamSearch) -> None:
    batch = search.batch()
    patient = DecodingConfig(min_length=6)
    kept = []
    batch.admit([Sentence(SOURCES[0], patient)])
    batch.step()
    kept.append(batch._trellis._layers[-1].weights is not None)
    curious = batch.admit([Sentence(SOURCES[1], patient, attention=True)])
    batch.step()
    kept.append(batch._trellis._layers[-1].weights is not None)
    batch.drop(set(curious))
    batch.step()
    kept.append(batch._trellis._layers[-1].weights is not None)
    assert kept == [False, True, False]


def test_what_a_batch_keeps_does_not_grow_with_what_it_has_decoded() -> None:
    search, random = make_search(0, end_bias=0.0), Random(0)
    batch = search.batch()
    config = DecodingConfig(min_length=4, max_length=6)
    layers, places = [], []
    for _ in range(200):
        if len(batch) < 4:
            batch.admit([Sentence(random.choice(SOURCES), config)])
        batch.step()
        layers.append(len(batch._trellis._layers))
        places.append(batch._pool.views()[0].size(0))
    assert max(layers) <= 7
    assert max(places) <= 4
    decode(batch)
    assert not batch._trellis._layers


def test_what_was_grown_for_a_crowd_is_given_back_when_it_has_gone(search: BeamSearch) -> None:
    batch = search.batch()
    batch.admit([Sentence(source, DecodingConfig()) for source in SOURCES * 4])
    decode(batch)
    batch.admit([Sentence(SOURCES[0], DecodingConfig())])
    assert batch._pool._memory is not None
    assert batch._pool._memory.size(0) == 1
    assert batch._state is not None
    assert batch._state.size(0) == 1


# Failures


def run_out_of_memory(*_: object, **__: object) -> None:
    raise torch.OutOfMemoryError


class Poisoned:
    """A network that makes NaN of a sentence with a certain piece, as one that overflows may."""

    PIECE = 7

    def __init__(self, network: Seq2Seq) -> None:
        self._network = network
        self.decode_step = network.decode_step

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        memory, state = self._network.encode(source, lengths)
        is_poisoned = (source == self.PIECE).any(dim=1)
        memory[is_poisoned] = torch.nan
        state[is_poisoned] = torch.nan
        return memory, state


def test_a_sentence_that_comes_to_nan_finds_nothing_and_harms_no_other(end_bias: float) -> None:
    healthy = make_search(2, end_bias)
    assert isinstance(healthy.network, Seq2Seq)
    batch = BeamSearch(Poisoned(healthy.network), SPECIAL, CPU).batch()
    config = DecodingConfig(beam_size=3, n_best=3)
    poisoned, good = [TAG, *[Poisoned.PIECE] * 20, END], [TAG, 5, 6, END]
    results, tickets = {}, []
    for _ in range(3):  # and its memory, which is written over, harms nobody later
        tickets += batch.admit([Sentence(source, config) for source in (poisoned, good, poisoned, good)])
        results.update(batch.step())
        tickets += batch.admit([Sentence(source, config) for source in (good, poisoned)])
        results.update(batch.step())
    results.update(decode(batch))
    (expected,) = healthy.search([good], config)
    for ticket, is_good in zip(tickets, [False, True, False, True, True, False] * 3, strict=True):
        assert_equal(results[ticket], expected if is_good else [])


@pytest.mark.parametrize(
    ("in_flight", "fails"), [(0, "encode"), (0, "_reserve"), (2, "encode"), (2, "_reserve"), (2, "cat")]
)
def test_an_admission_that_fails_leaves_the_batch_as_it_was(
    search: BeamSearch, in_flight: int, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DecodingConfig(beam_size=3, n_best=3, min_length=2)
    sentences = [Sentence(source, config) for source in SOURCES]
    expected = search.search(SOURCES, config)
    batch = search.batch()
    tickets = batch.admit(sentences[:in_flight]) if in_flight else []
    if in_flight:
        batch.step()
    encode = search.network.encode

    def encode_and_run_out(*inputs: Tensor) -> tuple[Tensor, Tensor]:
        if fails == "encode":
            run_out_of_memory()
        encoded = encode(*inputs)
        patch.setattr({"_reserve": MemoryPool, "cat": torch}[fails], fails, run_out_of_memory)
        return encoded

    with monkeypatch.context() as patch:
        patch.setattr(search.network, "encode", encode_and_run_out)
        with pytest.raises(torch.OutOfMemoryError):
            batch.admit(sentences[in_flight:])
    assert len(batch) == in_flight
    tickets += batch.admit(sentences[in_flight:])
    results = decode(batch)
    for ticket, hypotheses in zip(tickets, expected, strict=True):
        assert_equal(results[ticket], hypotheses)


def test_a_step_that_fails_may_be_tried_again(search: BeamSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    config = DecodingConfig(beam_size=3, n_best=3, min_length=2)
    batch: Batch = search.batch()
    tickets = batch.admit([Sentence(source, config) for source in SOURCES])
    batch.step()
    with monkeypatch.context() as patch:
        patch.setattr(search.network, "decode_step", run_out_of_memory)
        with pytest.raises(torch.OutOfMemoryError):
            batch.step()
    results = decode(batch)
    for ticket, expected in zip(tickets, search.search(SOURCES, config), strict=True):
        assert_equal(results[ticket], expected)
