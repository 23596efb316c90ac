"""Guidance of terms by attention: what it does to numbers, and a search that is compared with obvious outputs."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
import torch
from torch import Tensor

from model.config import DecodingConfig
from model.constraints import Constraints
from model.guidance import ATTENDED, KNOWN, LEAST_ATTENTION, RIVAL_LOSS, Guide, Terms, Words
from model.search import BeamSearch, Sentence
from model.tokenizer import END
from tests.slow_search import (
    CPU,
    PIECES,
    SOURCES,
    SPECIAL,
    TAG,
    WORDS,
    assert_equal,
    decode,
    decode_alone,
    make_search,
    met,
    random_constraints,
)


def flags(*pieces: int) -> Tensor:
    return torch.tensor([piece in pieces for piece in range(PIECES)])


NONE = Words(flags(), flags())


def guided(
    held: Sequence[int], attended: Sequence[float], terms: Terms, log_probabilities: Sequence[float]
) -> list[float]:
    """Return what guidance makes of the log-probabilities of a row, between two others that it must not touch."""
    constraints = Constraints(terms.phrases, math.inf)
    for piece in held:
        constraints.extend(np.array([0]), np.array([piece]))
    rows = torch.tensor([log_probabilities] * 3)
    guide = Guide()
    guide.add(1, held, constraints.progress[0], np.array(attended), terms)
    guide.apply(rows)
    assert rows[0].tolist() == rows[2].tolist() == pytest.approx(log_probabilities)
    return [round(value, 4) for value in rows[1].tolist()]


EVEN = [-2.0] * PIECES


def test_to_begin_a_term_counts_by_the_attention_to_what_it_translates_and_little_by_its_probability() -> None:
    terms = Terms([[5, 6], [7]], [[1, 2], [3]], NONE)
    begun = guided([], [0.0, 0.3, 0.1, 0.2], terms, EVEN)
    assert begun[5] == pytest.approx(-2 * KNOWN + ATTENDED * math.log(0.4), abs=1e-4)
    assert begun[7] == pytest.approx(-2 * KNOWN + ATTENDED * math.log(0.2), abs=1e-4)
    assert begun[:5] + begun[6:7] == EVEN[:6]


def test_to_go_on_with_a_term_costs_little_and_what_is_met_is_as_any_piece() -> None:
    terms = Terms([[5, 6]], [[1]], NONE)
    assert guided([5], [0.1, 0.9], terms, EVEN)[6] == round(-2 * KNOWN, 4)
    assert guided([5, 6], [0.1, 0.9], terms, EVEN) == EVEN


def test_of_two_terms_that_begin_alike_the_one_that_is_attended_to_counts() -> None:
    terms = Terms([[5, 6], [5, 7]], [[1], [2]], NONE)
    assert guided([], [0.5, 0.1, 0.4], terms, EVEN)[5] == pytest.approx(-2 * KNOWN + ATTENDED * math.log(0.4), abs=1e-4)


def test_no_attention_is_little_and_all_of_it_costs_nothing() -> None:
    terms = Terms([[5]], [[1, 2]], NONE)
    least = -2 * KNOWN + ATTENDED * math.log(LEAST_ATTENTION)
    assert guided([], [1.0, 0.0, 0.0], terms, EVEN)[5] == pytest.approx(least, abs=1e-4)
    assert guided([], [0.0, 0.7, 0.3000001], terms, [0.0] * PIECES)[5] == 0


def test_who_attends_to_a_term_loses_by_beginning_another_word_and_by_nothing_else() -> None:
    terms = Terms([[5]], [[1]], Words(flags(), flags(5, 6)))
    assert guided([], [0.4, 0.6], terms, EVEN)[6:] == [-2 - RIVAL_LOSS, -2]
    assert guided([], [0.6, 0.4], terms, EVEN)[6:] == [-2, -2]
    assert guided([5], [0.4, 0.6], terms, EVEN)[5:] == [-2 - RIVAL_LOSS, -2 - RIVAL_LOSS, -2]  # twice it need not stand


def test_no_word_goes_on_where_a_term_ends_but_another_term() -> None:
    words = Words(flags(6, 7), flags())
    assert guided([5], [1.0, 0.0], Terms([[5]], [[1]], words), EVEN)[5:] == [-2, -math.inf, -math.inf]
    both = guided([5], [0.0, 1.0], Terms([[5], [5, 7]], [[1], [1]], words), EVEN)
    assert both[6:] == [-math.inf, round(-2 * KNOWN, 4)]


def test_a_network_without_attention_is_not_guided_but_its_terms_end() -> None:
    terms = Terms([[5], [6, 7]], [[1], [2]], Words(flags(7), flags(5)))
    assert guided([], [0.0, 0.0, 0.0], terms, EVEN) == EVEN
    assert guided([5], [0.0, 0.0, 0.0], terms, EVEN)[7] == -math.inf


class InOrder:
    """A network that attends to one piece of the source after the other, and finds what it read there most probable."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        del lengths
        return torch.zeros(*source.shape, 1), torch.zeros(len(source), 1)

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        del pieces
        sentence = torch.div(places, width, rounding_mode="floor")
        at = (state.flatten() + 1).long().clamp(max=memory.size(1) - 1)
        weights = torch.nn.functional.one_hot(at, memory.size(1)).float()
        logits = torch.zeros(len(places), PIECES)
        logits[torch.arange(len(places)), source[sentence, at]] = 8.0
        return logits, state + 1, weights


@pytest.mark.parametrize("beam_size", [2, 5])
@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_term_that_the_network_does_not_know_stands_where_it_attends_to_what_that_translates(
    place: int, beam_size: int
) -> None:
    source = [TAG, 5, 6, 5, 6, END]
    search = BeamSearch(InOrder(), SPECIAL, CPU)
    terms = Terms([[7]], [[place]], Words(flags(), flags(5, 6, 7)))
    (found,) = decode_alone(search, Sentence(source, DecodingConfig(beam_size=beam_size), terms=terms))
    expected = source[1:-1]
    expected[place - 1] = 7
    assert found.pieces == expected


def random_terms(random: Random, source: Sequence[int]) -> Terms:
    phrases = random_constraints(random, WORDS)
    places = [random.sample(range(len(source)), k=random.randint(1, len(source))) for _ in phrases]
    return Terms(list(phrases), list(places), Words(flags(), flags(*random.sample(WORDS, k=2))))


@pytest.mark.parametrize("seed", range(4))
def test_every_hypothesis_holds_the_terms_and_the_constraints(end_bias: float, seed: int) -> None:
    random, search = Random(seed), make_search(seed, end_bias)
    for source in SOURCES:
        terms, constraints = random_terms(random, source), [[6, 5]]
        config = DecodingConfig(beam_size=16, n_best=3, max_length=30, max_length_offset=25)
        for found in decode_alone(search, Sentence(source, config, constraints=constraints, terms=terms)):
            assert met(found.pieces, [*constraints, *terms.phrases]) == 1 + len(terms.phrases)
            assert all(value <= 0 for value in found.log_probabilities)


def test_a_term_of_which_no_beam_is_wide_enough_keeps_none_from_an_answer(end_bias: float) -> None:
    terms = Terms([[5, 5, 5, 5], [6, 6]], [[1], [1]], Words(flags(5, 6, 7), flags()))
    config = DecodingConfig(beam_size=1, max_length=5)
    assert decode_alone(make_search(0, end_bias), Sentence(SOURCES[0], config, terms=terms))


def test_company_with_terms_changes_nothing_and_none_changes_them(end_bias: float) -> None:
    random, search = Random(1), make_search(2, end_bias)
    config = DecodingConfig(beam_size=4, n_best=2)
    without = [Sentence(source, config) for source in SOURCES]
    with_terms = [Sentence(source, config, terms=random_terms(random, source)) for source in SOURCES]
    batch = search.batch()
    tickets = batch.admit([*without, *with_terms])
    results = decode(batch)
    for ticket, sentence in zip(tickets, [*without, *with_terms], strict=True):
        assert_equal(results[ticket], decode_alone(search, sentence))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_rows_on_a_gpu_are_guided_as_on_a_cpu() -> None:
    terms = Terms([[5, 6], [7]], [[1], [2]], Words(flags(6), flags(5, 7)))
    held: list[list[int]] = [[], [7]]
    found = []
    for device in ("cpu", "cuda"):
        guide, rows = Guide(), torch.tensor([EVEN] * 2, device=device)
        for row, pieces in enumerate(held):
            constraints = Constraints(terms.phrases, math.inf)
            for piece in pieces:
                constraints.extend(np.array([0]), np.array([piece]))
            guide.add(row, pieces, constraints.progress[0], np.array([0.1, 0.6, 0.3]), terms)
        guide.apply(rows)
        found.append(rows.cpu())
    torch.testing.assert_close(*found)
