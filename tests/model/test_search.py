"""Every search is compared with one that is slow and obvious: full enumeration, or a loop that takes the best piece."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
import torch
from torch import Tensor

from model import search as search_module
from model.config import DecodingConfig, NetworkConfig
from model.network import Seq2Seq
from model.search import BeamSearch, Hypothesis, length_penalty, search_all
from model.tokenizer import END, PAD, START, UNKNOWN

CPU = torch.device("cpu")
TAG = 4
SPECIAL = [PAD, UNKNOWN, START, END, TAG]
WORDS = [5, 6, 7]
PIECES = 8
SOURCES = [[TAG, 5, 7, END], [TAG, END], [TAG, 6, 6, 5, 7, 5, 5, 6, 7, 6, END], [TAG, 7, END]]
EXHAUSTIVE = 1000
"""A beam wider than there are hypotheses; beyond what a configuration allows, so set by ``model_copy``."""


@pytest.fixture(params=[-3.0, 0.0, 3.0], ids=["rare end", "even", "likely end"])
def end_bias(request: pytest.FixtureRequest) -> float:
    """Return how much likelier than by chance an end is."""
    return float(request.param)


def make_network(seed: int, end_bias: float) -> Seq2Seq:
    """Return a network whose choices are distinct, and depend on source and history."""
    torch.manual_seed(seed)
    network = Seq2Seq(NetworkConfig(embedding_size=8, hidden_size=8, dropout=0.0), PIECES).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.7)
        network.output_bias[END] += end_bias
    return network


def make_search(seed: int, end_bias: float) -> BeamSearch:
    return BeamSearch(make_network(seed, end_bias), SPECIAL, CPU)


@torch.inference_mode()
def log_probabilities(search: BeamSearch, source: Sequence[int], targets: Sequence[Sequence[int]]) -> Tensor:
    """Return what follows each beginning of N targets of one length, (N, T + 1, V), by teacher forcing."""
    assert isinstance(search.network, Seq2Seq)
    count = len(targets)
    inputs = torch.tensor([[START, *target] for target in targets])
    logits = search.network(torch.tensor([source] * count), torch.tensor([len(source)] * count), inputs)
    return torch.log_softmax(logits, dim=-1)


def max_length(source: Sequence[int], config: DecodingConfig) -> int:
    return min(config.max_length, int(config.max_length_ratio * len(source)) + config.max_length_offset)


def enumerate_all(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> list[Hypothesis]:
    """Return the n best of all hypotheses that there are."""
    found = []
    for length in range(config.min_length, max_length(source, config) + 1):
        targets = [list(target) for target in product(WORDS, repeat=length)]
        penalty = ((5 + length + 1) / 6) ** config.length_penalty
        for target, steps in zip(targets, log_probabilities(search, source, targets), strict=True):
            total = sum(steps[t, piece].item() for t, piece in enumerate([*target, END]))
            found.append(Hypothesis(target, total, total / penalty))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)[: config.n_best]


def take_the_best_piece(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> tuple[list[int], float]:
    """Return greedy search's hypothesis and its log-probability."""
    target: list[int] = []
    total = 0.0
    while True:
        step = log_probabilities(search, source, [target])[0, -1]
        allowed = WORDS if len(target) < config.min_length else [*WORDS, END]
        allowed = [END] if len(target) == max_length(source, config) else allowed
        best = max(allowed, key=lambda piece: step[piece].item())
        total += step[best].item()
        if best == END:
            return target, total
        target.append(best)


def narrow_the_beam(search: BeamSearch, source: Sequence[int], config: DecodingConfig) -> list[Hypothesis]:
    """Return what a beam finds that keeps the best extensions of all its rows, and loses a row to each that ends."""
    live: list[tuple[list[int], float]] = [([], 0.0)]
    finished: list[Hypothesis] = []
    for length in range(max_length(source, config) + 1):
        allowed = [END] if length == max_length(source, config) else WORDS
        allowed = [*allowed, END] if length >= config.min_length and END not in allowed else allowed
        extended = [
            ([*target, piece], total + log_probabilities(search, source, [target])[0, -1, piece].item())
            for target, total in live
            for piece in allowed
        ]
        extended = sorted(extended, key=lambda row: -row[1])[: config.beam_size - len(finished)]
        penalty = ((5 + length + 1) / 6) ** config.length_penalty
        finished += [Hypothesis(t[:-1], total, total / penalty) for t, total in extended if t[-1] == END]
        live = [(target, total) for target, total in extended if target[-1] != END]
    return sorted(finished, key=lambda hypothesis: -hypothesis.score)[: config.n_best]


def assert_equal(found: Sequence[Hypothesis], expected: Sequence[Hypothesis]) -> None:
    assert [hypothesis.pieces for hypothesis in found] == [hypothesis.pieces for hypothesis in expected]
    assert [h.log_probability for h in found] == pytest.approx([h.log_probability for h in expected], abs=1e-4)
    assert [h.score for h in found] == pytest.approx([h.score for h in expected], abs=1e-4)


@pytest.mark.parametrize("n_best", [1, 3, 16])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("min_length", [0, 2])
def test_a_wide_beam_finds_what_exhaustive_search_finds(
    end_bias: float, min_length: int, alpha: float, n_best: int
) -> None:
    config = DecodingConfig(
        beam_size=16, n_best=n_best, length_penalty=alpha, min_length=min_length, max_length=4, max_length_offset=2
    ).model_copy(update={"beam_size": EXHAUSTIVE, "max_length_ratio": 0.5})
    search = make_search(1, end_bias)
    for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True):
        assert_equal(found, enumerate_all(search, source, config))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("limits", [{}, {"min_length": 3}, {"max_length": 4}], ids=str)
def test_beam_1_takes_the_best_piece_at_each_step(end_bias: float, limits: dict[str, int], seed: int) -> None:
    config = DecodingConfig.model_validate({"beam_size": 1, "max_length_offset": 5, "length_penalty": 0.5, **limits})
    search = make_search(seed, end_bias)
    for source, (found,) in zip(SOURCES, search.search(SOURCES, config), strict=True):
        pieces, total = take_the_best_piece(search, source, config)
        score = total / ((5 + len(pieces) + 1) / 6) ** 0.5
        assert_equal([found], [Hypothesis(pieces, total, score)])


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
    monkeypatch.setattr(search_module._Sentence, "is_done", lambda _self, best_live, _config: best_live == -math.inf)
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


@pytest.mark.parametrize(("length", "alpha", "expected"), [(1, 1.0, 1.0), (7, 1.0, 2.0), (7, 2.0, 4.0), (9, 0.0, 1.0)])
def test_the_length_penalty_is_that_of_the_paper(length: int, alpha: float, expected: float) -> None:
    assert length_penalty(length, alpha) == pytest.approx(expected)
