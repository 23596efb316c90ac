"""Penalties, guards and pruning, each compared with a search that is slow and obvious."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from model.config import DecodingConfig
from model.search import BeamSearch, Sentence
from model.slots import Slot
from model.tokenizer import END, PAD, START
from tests.slow_search import (
    CPU,
    PIECES,
    SOURCES,
    SPECIAL,
    WORDS,
    assert_equal,
    decode,
    decode_alone,
    enumerate_all,
    make_search,
    narrow_the_beam,
    repeats,
    take_the_best_piece,
)

TINY, HUGE = 1e-9, 1e9


class TableNetwork:
    """Gives what a table says of each history; a piece that is not in it is impossible."""

    def __init__(self, table: dict[tuple[int, ...], dict[int, float]]) -> None:
        self._table = table

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        del lengths
        return torch.zeros(*source.shape, 1), torch.zeros(len(source), 1)

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        del source, places, width
        state = state * PIECES + pieces.unsqueeze(1)  # the history, as a number
        probabilities = torch.zeros(len(pieces), PIECES)
        for row, number in enumerate(state.flatten().tolist()):
            for piece, probability in self._table.get(self._history(int(number)), {}).items():
                probabilities[row, piece] = probability
            probabilities[row, PAD] = 1 - probabilities[row].sum()  # which no hypothesis may hold
        return probabilities.log(), state, torch.zeros(len(pieces), memory.size(1))

    @staticmethod
    def _history(number: int) -> tuple[int, ...]:
        pieces: list[int] = []
        while number != START:
            pieces.insert(0, number % PIECES)
            number //= PIECES
        return tuple(pieces)


# Coverage


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beta", [0.2, 3.0])
def test_with_a_coverage_penalty_a_wide_beam_ranks_as_exhaustive_search_does(
    end_bias: float, beta: float, alpha: float
) -> None:
    config = DecodingConfig(
        beam_size=16, n_best=16, length_penalty=alpha, coverage_penalty=beta, max_length=3, max_length_offset=2
    ).model_copy(update={"beam_size": 1000, "max_length_ratio": 0.5})
    search = make_search(1, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, enumerate_all(search, source, config))


def test_a_coverage_penalty_changes_what_is_best() -> None:
    plain, covering = (
        [make_search(seed, 0.0).search(SOURCES, DecodingConfig(coverage_penalty=beta)) for seed in range(4)]
        for beta in (0.0, 3.0)
    )
    assert plain != covering


# Repetition


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_no_hypothesis_holds_a_run_twice_that_it_must_not(beam_size: int, size: int) -> None:
    options: dict[str, Any] = {"beam_size": beam_size, "n_best": beam_size, "max_length": 20}
    found = {}
    for guard in (0, size):
        config = DecodingConfig(no_repeat_ngram=guard, **options)
        results = [make_search(seed, end_bias=-3.0).search(SOURCES, config) for seed in range(4)]
        found[guard] = [h.pieces for result in results for hypotheses in result for h in hypotheses]
    assert sum(repeats(pieces, size) for pieces in found[0]) > len(found[0]) / 2
    assert not any(repeats(pieces, size) for pieces in found[size])
    assert found[size]


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize(
    "guard",
    [{"no_repeat_ngram": 1}, {"no_repeat_ngram": 2}, {"no_repeat_ngram": 3, "repetition_penalty": 1.5}],
    ids=str,
)
def test_a_guarded_beam_finds_what_its_definition_finds(end_bias: float, guard: dict[str, Any], beam_size: int) -> None:
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size, max_length=7, max_length_offset=4, **guard)
    search = make_search(5, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, narrow_the_beam(search, source, config))


@pytest.mark.parametrize("penalty", [1.2, 2.0, 10.0])
def test_a_repetition_penalty_multiplies_the_log_probability_of_pieces_that_are_there(
    end_bias: float, penalty: float
) -> None:
    config = DecodingConfig(beam_size=1, repetition_penalty=penalty, max_length=12)
    for seed in range(3):
        search = make_search(seed, end_bias)
        for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
            assert_equal(found, take_the_best_piece(search, source, config))


def test_a_guard_that_leaves_no_piece_before_the_end_is_allowed_finds_nothing() -> None:
    config = DecodingConfig(no_repeat_ngram=1, min_length=len(WORDS) + 1)
    assert make_search(0, end_bias=0.0).search(SOURCES, config) == [[]] * len(SOURCES)


def test_a_guard_is_for_those_who_asked_for_it() -> None:
    search = make_search(0, end_bias=-3.0)
    free, guarded = DecodingConfig(), DecodingConfig(no_repeat_ngram=2, repetition_penalty=2.0)
    batch = search.batch()
    tickets = batch.admit([Sentence(SOURCES[0], config) for config in (free, guarded, free)])
    results = decode(batch)
    for ticket, config in zip(tickets, (free, guarded, free), strict=True):
        assert_equal(results[ticket], search.search([SOURCES[0]], config)[0])


# Lengths


def test_a_min_length_beyond_the_usual_limit_is_the_limit(end_bias: float) -> None:
    config = DecodingConfig(beam_size=3, n_best=3, min_length=9, max_length_ratio=0.1, max_length_offset=1)
    for found in make_search(0, end_bias).search(SOURCES, config):
        assert [len(hypothesis.pieces) for hypothesis in found] == [9, 9, 9]


def test_min_and_max_length_may_be_one(end_bias: float) -> None:
    config = DecodingConfig(beam_size=3, min_length=6, max_length=6)
    for found in make_search(0, end_bias).search(SOURCES, config):
        assert len(found[0].pieces) == 6


# Pruning


@pytest.mark.parametrize("threshold", [TINY, 0.5, 2.0, HUGE])
@pytest.mark.parametrize(("beam_size", "n_best"), [(2, 1), (5, 3)])
def test_a_pruned_beam_finds_what_its_definition_finds(
    end_bias: float, beam_size: int, n_best: int, threshold: float
) -> None:
    config = DecodingConfig(beam_size=beam_size, n_best=n_best, prune_threshold=threshold, max_length=7)
    search = make_search(5, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, narrow_the_beam(search, source, config))


@pytest.mark.parametrize("beam_size", [1, 5])
def test_a_huge_threshold_prunes_nothing_and_a_tiny_one_all_but_the_best(end_bias: float, beam_size: int) -> None:
    search = make_search(3, end_bias)
    config = DecodingConfig(beam_size=beam_size, max_length=12)
    unpruned, wide, narrow = (
        search.search(SOURCES, config.model_copy(update={"prune_threshold": threshold}))
        for threshold in (0, HUGE, TINY)
    )
    assert wide == unpruned
    for source, found in zip(SOURCES, narrow, strict=True):
        assert_equal(found, take_the_best_piece(search, source, config))


def test_nothing_is_pruned_where_several_hypotheses_are_asked_for(end_bias: float) -> None:
    search = make_search(3, end_bias)
    config = DecodingConfig(beam_size=5, n_best=5, prune_threshold=TINY, max_length=12)
    assert search.search(SOURCES, config) == search.search(SOURCES, config.model_copy(update={"prune_threshold": 0}))


def test_pruning_saves_rows() -> None:
    search, rows = make_search(3, -3.0), {}
    for threshold in (0.0, 1.0):
        batch = search.batch()
        batch.admit([Sentence(source, DecodingConfig(prune_threshold=threshold)) for source in SOURCES])
        rows[threshold] = 0
        while batch:
            rows[threshold] += batch.rows
            batch.step()
    assert rows[1.0] < rows[0.0] / 2


# Who can no longer win


@pytest.mark.parametrize(
    "options",
    [
        {"coverage_penalty": 0.5},
        {"no_repeat_ngram": 2},
        {"repetition_penalty": 2.0},
        {"length_penalty": 0.0},
        {"length_penalty": 5.0},
    ],
    ids=str,
)
@pytest.mark.parametrize("n_best", [1, 2])
def test_that_rows_leave_which_cannot_win_changes_no_result(
    end_bias: float, options: dict[str, Any], n_best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DecodingConfig.model_validate({"beam_size": 5, "n_best": n_best, "max_length": 20, **options})
    searches = [make_search(seed, end_bias) for seed in range(3)]
    found = [search.search(SOURCES, config) for search in searches]
    monkeypatch.setattr(Slot, "to_beat", property(lambda _self: -math.inf))
    for search, results in zip(searches, found, strict=True):
        for hypotheses, expected in zip(results, search.search(SOURCES, config), strict=True):
            assert_equal(hypotheses, expected)


def test_rows_that_cannot_win_leave_at_once() -> None:
    likely_end = TableNetwork({(): {END: 0.6, 5: 0.3}, (5,): {6: 1.0}})
    batch = BeamSearch(likely_end, SPECIAL, CPU).batch()
    (ticket,) = batch.admit([Sentence(SOURCES[0], DecodingConfig(min_length=0, length_penalty=0))])
    assert [(done, found[0].pieces) for done, found in batch.step()] == [(ticket, [])]


def test_rows_that_can_still_win_stay() -> None:
    # As probable as the shorter one that ends first: only the length penalty lets the longer overtake.
    table = {(): {END: 0.5, 5: 0.5}, (5,): {6: 0.99}, (5, 6): {END: 0.99}}
    search = BeamSearch(TableNetwork(table), SPECIAL, CPU)
    (found,) = search.search([SOURCES[0]], DecodingConfig(min_length=0, length_penalty=1))
    assert found[0].pieces == [5, 6]


def test_one_that_ends_without_a_chance_takes_no_row_from_those_that_have_one() -> None:
    # Where 6 goes on at the second step, 5's own end, of probability 0.016, does not find room; and it must not do so
    # because 6 has left.
    table = {
        (): {5: 0.8, END: 0.1, 6: 0.09},
        (5,): {5: 0.9, END: 0.02},
        (6,): {5: 0.9},
        (5, 5): {5: 0.5, 6: 0.45},
        (5, 5, 5): {END: 0.3},
        (5, 5, 6): {END: 0.9},
    }
    search = BeamSearch(TableNetwork(table), SPECIAL, CPU)
    (found,) = search.search([SOURCES[0]], DecodingConfig(beam_size=3, length_penalty=0, min_length=0))
    assert found[0].pieces == [5, 5, 6]
    assert found[0].log_probability == pytest.approx(math.log(0.8 * 0.9 * 0.45 * 0.9))


# A margin


@pytest.mark.parametrize("margin", [0.0, 0.2, 1.0])
def test_with_a_margin_a_wide_beam_finds_all_that_are_not_further_behind_the_best(
    end_bias: float, margin: float
) -> None:
    config = DecodingConfig(beam_size=16, n_best=16, max_length=3, max_length_offset=2).model_copy(
        update={"beam_size": 1000, "n_best": 1000, "max_length_ratio": 0.5, "prune_threshold": 0.0}
    )
    search = make_search(1, end_bias)
    for source in SOURCES:
        every = enumerate_all(search, source, config)
        expected = [one for one in every if one.score >= every[0].score - margin]
        found = decode_alone(search, Sentence(source, config, margin=margin))
        assert_equal(found[: len(expected)], expected)


def test_a_margin_saves_rows_and_prunes_as_for_one() -> None:
    search, rows = make_search(3, -3.0), {}
    for margin, threshold in ((math.inf, 1.0), (0.5, 0.0), (0.5, 1.0)):
        batch = search.batch()
        config = DecodingConfig(n_best=5, prune_threshold=threshold)
        batch.admit([Sentence(source, config, margin=margin) for source in SOURCES])
        rows[margin, threshold] = 0
        while batch:
            rows[margin, threshold] += batch.rows
            batch.step()
    assert rows[0.5, 1.0] < rows[0.5, 0.0] < rows[math.inf, 1.0]
