"""Constraints: what is read of them in any pieces, and a search that is compared with full enumeration."""

import math
from collections.abc import Sequence
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from model.config import DecodingConfig
from model.constraints import MAX_READINGS, Constraints, Progress
from model.hypothesis import repeated_ngrams
from model.search import Sentence
from model.slots import Slot
from model.tokenizer import END, UNKNOWN
from tests.slow_search import (
    SOURCES,
    TAG,
    WORDS,
    assert_equal,
    decode,
    decode_alone,
    enumerate_constrained,
    make_search,
    max_length,
    met,
    random_config,
    random_constraints,
)

EXHAUSTIVE = 1000
"""A beam wider than there are hypotheses; beyond what a configuration allows, so set by ``model_copy``."""


def fits(sentence: Sentence) -> bool:
    return sum(map(len, sentence.constraints)) <= max_length(sentence.source, sentence.config)


# Reading them in pieces


def read(constraints: Sequence[Sequence[int]], pieces: Sequence[int]) -> Progress:
    """Return how far a row is that holds the pieces."""
    reader = Constraints(constraints, math.inf)
    for piece in pieces:
        reader.extend(np.array([0]), np.array([piece]))
    (progress,) = reader._rows
    return progress


@pytest.mark.parametrize("seed", range(10))
def test_as_many_are_met_as_find_room_in_the_pieces_without_overlap(seed: int) -> None:
    constraints = random_constraints(Random(seed), WORDS)
    for length in range(6):
        for pieces in product(WORDS, repeat=length):
            progress = read(constraints, pieces)
            assert len(constraints) - progress.unmet == met(pieces, constraints)
            assert (progress.lacking == 0) == (progress.unmet == 0)


@pytest.mark.parametrize(
    ("pieces", "lacking"),
    [
        ([], 3),
        ([5], 2),
        ([5, 5], 1),
        ([5, 5, 5], 1),  # the first of them counts no more
        ([5, 6], 3),
        ([5, 6, 5], 2),
        ([5, 5, 5, 6], 0),
        ([5, 5, 6, 7, 7], 0),
    ],
)
def test_one_that_is_broken_off_starts_anew(pieces: list[int], lacking: int) -> None:
    assert read([[5, 5, 6]], pieces).lacking == lacking


@pytest.mark.parametrize(
    ("pieces", "wanted"),
    [([], {5, 7}), ([5], {5, 6, 7}), ([7], {5}), ([5, 6], {7}), ([7, 5], {5, 6}), ([5, 6, 7], set())],
)
def test_wanted_are_the_next_of_what_is_under_way_and_the_first_of_what_is_not(
    pieces: list[int], wanted: set[int]
) -> None:
    assert read([[5, 6], [7]], pieces).wanted == wanted


def test_however_many_overlap_few_readings_are_kept_and_they_lead_to_the_end() -> None:
    constraints = [[first, first + 1] for first in range(100, 130)]
    progress, left = read(constraints, range(100, 131)), 0
    assert 0 < progress.unmet < len(constraints)
    reader = Constraints(constraints, math.inf)
    for piece in range(100, 131):
        reader.extend(np.array([0]), np.array([piece]))
    while wanted := reader.progress[0].wanted:
        reader.extend(np.array([0]), np.array([min(wanted, key=lambda p: reader._after(reader._rows[0], p).lacking)]))
        assert len(reader._rows[0].readings) <= MAX_READINGS
        left += 1
    assert left == progress.lacking


# Places in the beam


@pytest.mark.parametrize(
    ("totals", "room", "threshold", "kept"),
    [
        # The end comes first, then 8 and 9, which lead nowhere, then 5 and 6, which lead on.
        ([-0.1, -1, -2, -3, -4], 1, math.inf, [5]),
        ([-0.1, -1, -2, -3, -4], 2, math.inf, [8, 5]),
        ([-0.1, -1, -2, -3, -4], 3, math.inf, [8, 5, 6]),
        ([-0.1, -1, -2, -3, -4], 9, math.inf, [8, 9, 5, 6]),
        ([-0.1, -1, -2, -math.inf, -math.inf], 2, math.inf, [8, 9]),
        ([-0.1, -1, -math.inf, -3, -4], 3, math.inf, [8, 5, 6]),
        ([-0.1, -1, -2, -3, -4], 9, 0.5, [8, 5]),
        ([-0.1, -8, -9, -3, -4], 9, 2.0, [5, 6]),
        ([-0.1, -math.inf, -math.inf, -math.inf, -math.inf], 9, math.inf, [END]),
        ([math.nan] * 5, 9, math.inf, []),
    ],
)
def test_banks_take_turns_and_those_ahead_come_first(
    totals: list[float], room: int, threshold: float, kept: list[int]
) -> None:
    pieces = np.array([[END, 8, 9, 5, 6]])
    allotted = Constraints([[5], [6]], threshold).allot(np.array([totals]), pieces, room, -math.inf, is_answered=False)
    assert pieces[allotted > -math.inf].tolist() == kept


def test_who_has_not_met_all_does_not_end_beside_an_answer() -> None:
    only_end = np.array([[-0.1, -math.inf]])
    allotted = Constraints([[5]], math.inf).allot(only_end, np.array([[END, 5]]), 4, -math.inf, is_answered=True)
    assert not (allotted > -math.inf).any()


def test_who_cannot_win_takes_no_place() -> None:
    totals, pieces = np.array([[-9.0, -1.0, -2.0, -7.0, -8.0]]), np.array([[END, 8, 9, 5, 6]])
    allotted = Constraints([[5], [6]], math.inf).allot(totals, pieces, 2, -6.0, is_answered=True)
    assert pieces[allotted > -math.inf].tolist() == [8, 9]


# Searching


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_best", [1, 3])
@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_wide_beam_finds_the_best_of_all_that_hold_them(end_bias: float, beta: float, n_best: int, seed: int) -> None:
    random = Random(seed)
    config = DecodingConfig(
        beam_size=16, n_best=n_best, length_penalty=seed % 2, coverage_penalty=beta, max_length=4, max_length_offset=2
    ).model_copy(update={"beam_size": EXHAUSTIVE, "max_length_ratio": 0.5, "prune_threshold": 0.0})
    search = make_search(seed, end_bias)
    for source in SOURCES:
        sentence = Sentence(source, config, constraints=random_constraints(random, WORDS))
        assert_equal(decode_alone(search, sentence), enumerate_constrained(search, sentence))


@pytest.mark.parametrize("seed", range(6))
def test_every_hypothesis_of_any_beam_holds_them(end_bias: float, seed: int) -> None:
    random, search = Random(seed), make_search(seed, end_bias)
    batch = search.batch()
    sentences = [
        Sentence(random.choice(SOURCES), random_config(random), constraints=random_constraints(random, WORDS))
        for _ in range(40)
    ]
    tickets = batch.admit(sentences)
    results = decode(batch)
    for ticket, sentence in zip(tickets, sentences, strict=True):
        found = results[ticket]
        assert len({tuple(hypothesis.pieces) for hypothesis in found}) == len(found) > 0
        for hypothesis in found:
            assert sentence.config.min_length <= len(hypothesis.pieces)
            assert len(hypothesis.pieces) <= max_length(sentence.source, sentence.config)
            if fits(sentence):
                assert met(hypothesis.pieces, sentence.constraints) == len(sentence.constraints)
    assert sum(map(fits, sentences)) > 20


@pytest.mark.parametrize("beam_size", [1, 2, 16])
def test_those_that_do_not_fit_keep_none_from_an_answer(end_bias: float, beam_size: int) -> None:
    constraints = [[5, 5], [6, 7], [7, 7, 7, 7, 7]]
    sentence = Sentence(SOURCES[0], DecodingConfig(beam_size=beam_size, max_length=4), constraints=constraints)
    (found,) = decode_alone(make_search(0, end_bias), sentence)
    assert len(found.pieces) == 4
    assert beam_size < 16 or met(found.pieces, constraints) == 2


@pytest.mark.parametrize("piece", [UNKNOWN, END, TAG])
def test_one_that_no_hypothesis_may_hold_keeps_none_from_an_answer(end_bias: float, piece: int) -> None:
    sentence = Sentence(SOURCES[0], DecodingConfig(max_length=6), constraints=[[5, piece], [7, 7]])
    (found,) = decode_alone(make_search(0, end_bias), sentence)
    assert len(found.pieces) == 6
    assert met(found.pieces, [[7, 7]]) == 1


def test_a_guard_that_leaves_no_piece_keeps_none_from_an_answer(end_bias: float) -> None:
    config = DecodingConfig(no_repeat_ngram=1)
    (found,) = decode_alone(make_search(0, end_bias), Sentence(SOURCES[0], config, constraints=[[UNKNOWN]]))
    assert sorted(found.pieces) == WORDS


@pytest.mark.parametrize("constraints", [[], [[]], [[], []]], ids=str)
def test_none_are_as_no_constraints(end_bias: float, constraints: list[list[int]]) -> None:
    search, config = make_search(1, end_bias), DecodingConfig()
    for source in SOURCES:
        (expected,) = search.search([source], config)
        assert decode_alone(search, Sentence(source, config, constraints=constraints)) == expected


# Beside the other options


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("size", [1, 2])
def test_a_guard_gives_way_to_the_pieces_of_constraints_alone(end_bias: float, size: int, beam_size: int) -> None:
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size, no_repeat_ngram=size, max_length=15)
    for constraints in ([[5, 5, 5], [6, 7], [6, 7]], [[6, 7]], [[5, 5, 5]]):
        given = {piece for constraint in constraints for piece in constraint}
        for source in SOURCES:
            found = decode_alone(make_search(2, end_bias), Sentence(source, config, constraints=constraints))
            assert found
            for pieces in (hypothesis.pieces for hypothesis in found):
                assert met(pieces, constraints) == len(constraints)
                again = [t for t in range(len(pieces)) if pieces[t] in repeated_ngrams(pieces[:t], size)]
                assert {pieces[t] for t in again} <= given


@pytest.mark.parametrize("threshold", [1e-9, 1.0, 1e9])
@pytest.mark.parametrize("beam_size", [1, 5])
def test_pruning_leaves_those_that_are_furthest_ahead(end_bias: float, beam_size: int, threshold: float) -> None:
    config = DecodingConfig(beam_size=beam_size, prune_threshold=threshold, max_length=12)
    search = make_search(3, end_bias)
    for source in SOURCES:
        (found,) = decode_alone(search, Sentence(source, config, constraints=[[7, 7, 7], [5]]))
        assert met(found.pieces, [[7, 7, 7], [5]]) == 2


def test_a_huge_threshold_prunes_nothing(end_bias: float) -> None:
    search = make_search(3, end_bias)
    for source in SOURCES:
        huge, none = (
            decode_alone(search, Sentence(source, DecodingConfig(prune_threshold=threshold), constraints=[[7, 5]]))
            for threshold in (1e9, 0.0)
        )
        assert huge == none


@pytest.mark.parametrize("options", [{}, {"coverage_penalty": 0.5}, {"length_penalty": 5.0}, {"n_best": 2}], ids=str)
def test_that_rows_leave_which_cannot_win_changes_no_result_of_a_wide_beam(
    end_bias: float, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DecodingConfig.model_validate({"max_length": 5, "prune_threshold": 0.0, **options})
    config = config.model_copy(update={"beam_size": EXHAUSTIVE})
    search, constraints = make_search(1, end_bias), [[5, 6], [7]]
    found = [decode_alone(search, Sentence(source, config, constraints=constraints)) for source in SOURCES]
    monkeypatch.setattr(Slot, "to_beat", property(lambda _self: -math.inf))
    for source, expected in zip(SOURCES, found, strict=True):
        assert_equal(decode_alone(search, Sentence(source, config, constraints=constraints)), expected)


def test_a_sentence_without_gets_the_same_bits_beside_those_with(end_bias: float) -> None:
    random, search = Random(0), make_search(2, end_bias)
    expected = search.search(SOURCES, DecodingConfig(n_best=3))
    batch = search.batch()
    without = batch.admit([Sentence(source, DecodingConfig(n_best=3)) for source in SOURCES])
    batch.admit([Sentence(s, DecodingConfig(), constraints=random_constraints(random, WORDS)) for s in SOURCES])
    results = decode(batch)
    for ticket, hypotheses in zip(without, expected, strict=True):
        assert_equal(results[ticket], hypotheses)


@pytest.mark.parametrize("company_beam", [1, 16])
def test_company_with_another_beam_changes_nothing_of_a_sentence_with(end_bias: float, company_beam: int) -> None:
    random = Random(0)
    for seed in range(4):
        search = make_search(seed, end_bias)
        sentences = [
            Sentence(s, DecodingConfig(beam_size=2, n_best=2), constraints=random_constraints(random, WORDS))
            for s in SOURCES
        ]
        batch = search.batch()
        tickets = batch.admit(sentences)
        batch.step()
        batch.admit([Sentence(SOURCES[2], DecodingConfig(beam_size=company_beam, min_length=20))])
        results = decode(batch)
        for ticket, sentence in zip(tickets, sentences, strict=True):
            assert_equal(results[ticket], decode_alone(search, sentence))
