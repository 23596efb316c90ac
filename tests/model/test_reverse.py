from itertools import product
from random import Random

import pytest
import torch

from model import reverse as module
from model import torchscript
from model.config import DecodingConfig
from model.ensemble import Ensemble
from model.hypothesis import Hypothesis
from model.reverse import MARGIN, Found, Reverse, rerank
from model.search import BeamSearch
from model.tokenizer import END
from tests.slow_search import CPU, SOURCES, SPECIAL, TAG, WORDS, force, make_network, make_search

BACK = 3
"""A piece that no hypothesis holds, as a tag of the reverse task."""


def found_by(search: BeamSearch, reverse: Reverse, beam_size: int = 5) -> list[Found]:
    """Return what a search finds for all sources."""
    config = DecodingConfig(beam_size=beam_size, n_best=beam_size, max_length=6)
    return [
        Found(source, found, reverse) for source, found in zip(SOURCES, search.search(SOURCES, config), strict=True)
    ]


def value(search: BeamSearch, one: Found, hypothesis: Hypothesis) -> float:
    """Say by teacher forcing, a piece at a time, what a hypothesis is worth by both directions."""
    target = one.source[1:-1]
    (steps,) = force(search, [one.reverse.tag, *hypothesis.pieces, END], [target])[0]
    total = sum(steps[t][piece].item() for t, piece in enumerate([*target, END]))
    penalty = ((5 + len(target) + 1) / 6) ** one.reverse.length_penalty
    return hypothesis.score + one.reverse.weight * total / penalty


@pytest.mark.parametrize("weight", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_hypotheses_are_ranked_by_both_directions(seed: int, alpha: float, weight: float) -> None:
    search = make_search(seed, 0.0)
    found = found_by(search, Reverse(BACK, weight, alpha, n_best=5))
    for one, ranked in zip(found, search.choose(found), strict=True):
        near = [hypothesis for hypothesis in one.hypotheses if hypothesis.score >= one.hypotheses[0].score - MARGIN]
        assert ranked[: len(near)] == sorted(near, key=lambda hypothesis: -value(search, one, hypothesis))
        assert ranked[len(near) :] == one.hypotheses[len(near) :]


def test_another_than_the_search_s_best_is_chosen_and_by_another_tag_another() -> None:
    search = make_search(1, 0.0)
    chosen = {
        tag: [hypotheses[0].pieces for hypotheses in search.choose(found_by(search, Reverse(tag, 5.0, 1.0, n_best=5)))]
        for tag in (BACK, TAG)
    }
    firsts = [one.hypotheses[0].pieces for one in found_by(search, Reverse(BACK, 5.0, 1.0, n_best=5))]
    assert firsts != chosen[BACK] != chosen[TAG]


@pytest.mark.parametrize("n_best", [1, 2, 3])
def test_who_is_far_behind_by_its_own_score_comes_after_those_who_are_not(n_best: int) -> None:
    search = make_search(2, 0.0)
    by_reverse = sorted(
        (Hypothesis(list(pieces), -9.0, -1.0) for pieces in product(WORDS, repeat=2)),
        key=lambda one: value(search, Found(SOURCES[0], [], Reverse(BACK, 1.0, 1.0, 1)), one),
    )
    best, near, *_, far = by_reverse
    given = [best, near._replace(score=-1.0 - MARGIN), far._replace(score=-1.1 - MARGIN)]
    reverse = Reverse(BACK, 1e6, 1.0, n_best)
    assert search.choose([Found(SOURCES[0], given, reverse)]) == [[given[1], given[0], given[2]][:n_best]]
    lone = [best, given[2]]
    assert search.choose([Found(SOURCES[0], lone, reverse)]) == [lone[:n_best]]


def test_who_has_one_hypothesis_keeps_it_and_who_has_none_has_none() -> None:
    search, reverse = make_search(0, 0.0), Reverse(BACK, 1.0, 1.0, n_best=1)
    only = Hypothesis([], -1.0, -1.0)
    assert search.choose([Found([TAG, END], [only], reverse), Found([TAG, 5, END], [], reverse)]) == [[only], []]
    assert search.choose([]) == []


def test_the_choice_is_the_same_in_any_company_and_in_int8() -> None:
    network = make_network(3, 0.0)
    archive = torchscript.script(network)
    for search in (
        BeamSearch(network, SPECIAL, CPU),
        BeamSearch(torchscript.load(archive, CPU, "int8"), SPECIAL, CPU),  # type: ignore[arg-type]
    ):
        found = found_by(search, Reverse(BACK, 1.0, 1.0, n_best=5)) * 9
        Random(0).shuffle(found)
        assert search.choose(found) == [search.choose([one])[0] for one in found]


def test_looked_at_together_they_are_ranked_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_POSITIONS", 40)
    search = make_search(3, 0.0)
    found = found_by(search, Reverse(BACK, 1.0, 1.0, n_best=5)) * 9
    assert rerank(search.network.forward, CPU, found, together=True) == search.choose(found)  # type: ignore[attr-defined]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_they_are_ranked_as_on_a_cpu() -> None:
    archive, device = torchscript.script(make_network(3, 0.0)), torch.device("cuda")
    found = found_by(make_search(3, 0.0), Reverse(BACK, 1.0, 1.0, n_best=5))
    search = BeamSearch(torchscript.load(archive, device), SPECIAL, device, graphs=True)  # type: ignore[arg-type]
    assert search.choose(found) == make_search(3, 0.0).choose(found)


def test_an_ensemble_s_choice_is_by_the_mean_of_its_networks() -> None:
    networks = [make_network(seed, 0.0) for seed in range(3)]
    source, target = torch.tensor([[BACK, 5, 7, END]]), torch.tensor([[3, *WORDS]])
    together, weights = Ensemble(networks)(source, torch.tensor([4]), target)
    each = [network(source, torch.tensor([4]), target) for network in networks]
    mean = torch.stack([torch.softmax(logits, dim=-1) for logits, _ in each]).mean(dim=0)
    torch.testing.assert_close(together.exp(), mean)
    torch.testing.assert_close(weights, torch.stack([weight for _, weight in each]).mean(dim=0))
    search = BeamSearch(torchscript.load(torchscript.script(Ensemble(networks)), CPU), SPECIAL, CPU)  # type: ignore[arg-type]
    found = found_by(search, Reverse(BACK, 5.0, 1.0, n_best=5))
    assert search.choose(found) != [one.hypotheses for one in found]


def test_what_was_exported_without_teacher_forcing_ranks_by_its_scores() -> None:
    search = make_search(0, 0.0)
    found = found_by(search, Reverse(BACK, 5.0, 1.0, n_best=2))

    class Older:
        encode, decode_step = search.network.encode, search.network.decode_step

    older = BeamSearch(Older(), SPECIAL, CPU)
    assert older.choose(found) == [one.hypotheses[:2] for one in found]
