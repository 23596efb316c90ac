"""Every search is compared with one that is slow and obvious."""

import math

import pytest
import torch

from model.config import DecodingConfig
from model.network import Seq2Seq
from model.search import Sentence, search_all
from model.slots import Slot
from model.step import BLOCK, top_pieces
from model.tokenizer import END
from tests.slow_search import (
    SOURCES,
    SPECIAL,
    WORDS,
    assert_equal,
    decode,
    enumerate_all,
    force,
    make_search,
    max_length,
    narrow_the_beam,
    take_the_best_piece,
)

EXHAUSTIVE = 1000
"""A beam wider than there are hypotheses; beyond what a configuration allows, so set by ``model_copy``."""


@pytest.mark.parametrize("n_best", [1, 3, 16])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("min_length", [0, 2])
def test_a_wide_beam_finds_what_exhaustive_search_finds(
    end_bias: float, min_length: int, alpha: float, n_best: int
) -> None:
    config = DecodingConfig(
        beam_size=16, n_best=n_best, length_penalty=alpha, min_length=min_length, max_length=4, max_length_offset=2
    ).model_copy(update={"beam_size": EXHAUSTIVE, "max_length_ratio": 0.5, "prune_threshold": 0.0})
    search = make_search(1, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, enumerate_all(search, source, config))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limits", [{}, {"min_length": 3}, {"max_length": 4}], ids=str)
def test_beam_1_takes_the_best_piece_at_each_step(end_bias: float, limits: dict[str, int], seed: int) -> None:
    config = DecodingConfig.model_validate({"beam_size": 1, "max_length_offset": 5, "length_penalty": 0.5, **limits})
    search = make_search(seed, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, take_the_best_piece(search, source, config))


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize(("beam_size", "n_best"), [(2, 1), (3, 3), (5, 2)])
def test_a_narrow_beam_finds_what_its_definition_finds(
    end_bias: float, beam_size: int, n_best: int, alpha: float
) -> None:
    config = DecodingConfig(
        beam_size=beam_size, n_best=n_best, length_penalty=alpha, min_length=1, max_length=7, max_length_offset=3
    )
    search = make_search(5, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, narrow_the_beam(search, source, config))


@pytest.mark.parametrize("beam_size", [1, 2, 5])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_sentences_together_are_decoded_as_each_alone(end_bias: float, alpha: float, beam_size: int) -> None:
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size, length_penalty=alpha)
    search = make_search(2, end_bias)
    for source, together in zip(SOURCES, search.search(SOURCES, config), strict=True):
        (alone,) = search.search([source], config)
        assert_equal(together, alone)


@pytest.mark.parametrize("n_best", [1, 2, 4])
@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.0])
def test_stopping_early_changes_no_result(
    end_bias: float, alpha: float, n_best: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = DecodingConfig(beam_size=4, n_best=n_best, length_penalty=alpha)
    searches = [make_search(seed, end_bias) for seed in range(4)]
    early = [search.search(SOURCES, config) for search in searches]
    monkeypatch.setattr(Slot, "to_beat", property(lambda _self: -math.inf))
    for search, found in zip(searches, early, strict=True):
        for hypotheses, expected in zip(found, search.search(SOURCES, config), strict=True):
            assert_equal(hypotheses, expected)


def test_stopping_early_saves_steps(end_bias: float) -> None:
    search = make_search(0, end_bias)
    assert isinstance(search.network, Seq2Seq)
    steps = 0

    def count(*_: object) -> None:
        nonlocal steps
        steps += 1

    search.network.decoder.register_forward_hook(count)
    (found,) = search.search([SOURCES[0]], DecodingConfig(beam_size=1, max_length=200, max_length_ratio=100))
    assert steps == len(found[0].pieces) + 1


@pytest.mark.parametrize("beam_size", [1, 5])
def test_no_special_piece_is_ever_chosen_however_probable(end_bias: float, beam_size: int) -> None:
    search = make_search(0, end_bias)
    assert isinstance(search.network, Seq2Seq)
    with torch.no_grad():
        search.network.output_bias[[piece for piece in SPECIAL if piece != END]] = 30.0
    for found in search.search(SOURCES, DecodingConfig(beam_size=beam_size, n_best=beam_size, min_length=2)):
        for hypothesis in found:
            assert len(hypothesis.pieces) >= 2
            assert set(hypothesis.pieces) <= set(WORDS)


def test_lengths_stay_within_the_limits_of_each_source(end_bias: float) -> None:
    config = DecodingConfig(
        beam_size=4, n_best=4, min_length=2, max_length=12, max_length_ratio=1.5, max_length_offset=2
    )
    search = make_search(0, end_bias)
    assert [max_length(source, config) for source in SOURCES] == [8, 5, 12, 6]
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        lengths = [len(hypothesis.pieces) for hypothesis in found]
        assert min(lengths) >= 2
        assert max(lengths) <= max_length(source, config)


@pytest.mark.parametrize(("bias", "lengths"), [(-50.0, [9, 6, 12, 7]), (50.0, [3, 3, 3, 3])])
def test_an_end_that_is_all_but_impossible_or_certain_comes_at_the_limit(bias: float, lengths: list[int]) -> None:
    config = DecodingConfig(beam_size=2, min_length=3, max_length=12, max_length_ratio=1.5, max_length_offset=3)
    results = make_search(0, bias).search(SOURCES, config)
    assert [len(found[0].pieces) for found in results] == lengths


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_the_n_best_are_different_and_best_first(end_bias: float, alpha: float) -> None:
    config = DecodingConfig(beam_size=8, n_best=8, length_penalty=alpha)
    for found in make_search(3, end_bias).search(SOURCES, config):
        assert len(found) == 8
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)
        assert len({tuple(h.pieces) for h in found}) == 8


def test_n_best_gives_what_there_is(end_bias: float) -> None:
    config = DecodingConfig(beam_size=16, n_best=16, min_length=0, max_length=1)
    (found,) = make_search(0, end_bias).search([SOURCES[0]], config)
    assert sorted(hypothesis.pieces for hypothesis in found) == [[], [5], [6], [7]]


def test_a_network_that_gives_nan_finds_nothing_and_comes_to_an_end() -> None:
    search = make_search(0, end_bias=math.nan)
    assert search.search(SOURCES, DecodingConfig()) == [[]] * len(SOURCES)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_search_all_gives_every_index_once_as_if_alone(end_bias: float, batch_size: int) -> None:
    search, config = make_search(4, end_bias), DecodingConfig(beam_size=2)
    sources = SOURCES * 2
    results = list(search_all(search, sources, config, batch_size))
    assert sorted(index for index, _ in results) == list(range(len(sources)))
    for index, found in results:
        assert_equal(found, search.search([sources[index]], config)[0])


def test_search_all_of_nothing_is_nothing() -> None:
    assert list(search_all(make_search(0, end_bias=0.0), [], DecodingConfig())) == []


# What comes with a hypothesis


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_log_probabilities_of_the_pieces_are_those_of_teacher_forcing(end_bias: float, beam_size: int) -> None:
    search = make_search(6, end_bias)
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        for hypothesis in found:
            pieces = [*hypothesis.pieces, END]
            steps = force(search, source, [hypothesis.pieces])[0][0]
            expected = [steps[t, piece].item() for t, piece in enumerate(pieces)]
            assert hypothesis.log_probabilities == pytest.approx(expected, abs=1e-4)
            assert sum(hypothesis.log_probabilities) == pytest.approx(hypothesis.log_probability)


@pytest.mark.parametrize("beam_size", [1, 4])
def test_the_attention_is_that_of_teacher_forcing(end_bias: float, beam_size: int) -> None:
    search = make_search(6, end_bias)
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size)
    batch = search.batch()
    tickets = batch.admit([Sentence(source, config, attention=True) for source in SOURCES])
    results = decode(batch)
    for source, ticket in zip(SOURCES, tickets, strict=True):
        for hypothesis in results[ticket]:
            found = torch.tensor(hypothesis.attention)
            assert found.shape == (len(hypothesis.pieces) + 1, len(source))
            torch.testing.assert_close(found.sum(dim=1), torch.ones(len(found)))
            torch.testing.assert_close(found, force(search, source, [hypothesis.pieces])[1][0], rtol=1e-4, atol=1e-5)


# The best pieces

SIZES = [1, 63, 64, 65, 2 * 5 * BLOCK + BLOCK - 1, 2 * 5 * BLOCK + BLOCK, 2 * 5 * BLOCK + BLOCK + 1, 130 * 5]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("count", [1, 5])
def test_the_best_pieces_are_those_that_pytorch_finds(size: int, count: int) -> None:
    torch.manual_seed(size)
    values = torch.randn(7, size)
    values[:, ::3] = -math.inf
    values[0] = -math.inf
    values[1, : size // 2] = -math.inf
    values[2, -1] = 9.0  # in what is left over after the last block
    values[3] = torch.linspace(0, 1, size)  # all of the best in one block
    best, pieces = top_pieces(values, count)
    expected = values.topk(min(count, size), dim=1)
    assert torch.equal(best, expected.values)
    assert torch.equal(values.gather(1, pieces), best)
    assert all(len(set(row)) == len(row) for row in pieces.tolist())
