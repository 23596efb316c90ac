import itertools
import math

import pytest
import torch
from torch import Tensor

from model.batches import Place, Rank, share_of
from model.config import NetworkConfig
from model.copying import coverage_loss
from model.data import Example, collate
from model.loss import Losses, cross_entropy
from model.network import Seq2Seq
from model.optimization import NetworkWithLosses, Optimization, Update, learning_rate
from model.parallel import has_bf16, open_fabric
from model.recipe import TrainingConfig
from model.tokenizer import END, PAD

PIECES = 20
EXAMPLES = [Example([4, *range(5, 5 + n), END], list(range(6, 6 + n))) for n in (1, 2, 3, 4, 5, 3, 4)]


def optimization(**training: object) -> Optimization:
    """Return the steps of a tiny network, whose weights are always the same."""
    torch.manual_seed(0)
    network = Seq2Seq(NetworkConfig(embedding_size=8, hidden_size=8, encoder_layers=1, dropout=0.0), PIECES)
    schedule = {"steps": 100, "warmup_steps": 1, "decay_steps": 0}
    config = TrainingConfig.model_validate({"bf16": False, **schedule, **training})
    return Optimization(network, config, open_fabric(torch.device("cpu"), bf16=config.bf16))


def update(optimization: Optimization, step: int) -> Update:
    """Take a step with all examples as one batch."""
    return optimization.update(share_of(EXAMPLES, optimization.config, Place(0, step), Rank(0, 1)), step)


def weights(optimization: Optimization) -> dict[str, Tensor]:
    return {name: weight.clone() for name, weight in optimization.network.state_dict().items()}


# Losses


def test_coverage_loss_is_minimized_too_and_not_told() -> None:
    batch = collate(EXAMPLES, 1)
    network = optimization().network
    without, half = (NetworkWithLosses(network, TrainingConfig(coverage_loss=weight))(batch) for weight in (0.0, 0.5))
    _, attended = network(batch.source, batch.lengths, batch.target_inputs)
    again = coverage_loss(attended, batch.target_outputs != PAD)
    assert again > 0
    torch.testing.assert_close(half.objective, without.objective + 0.5 * again)
    assert half.plain == without.plain


@pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this processor has no bfloat16")
def test_in_mixed_precision_the_loss_is_of_logits_as_the_network_makes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    types: list[torch.dtype] = []

    def seen(logits: Tensor, targets: Tensor, smoothing: float) -> Losses:
        types.append(logits.dtype)
        return cross_entropy(logits, targets, smoothing)

    monkeypatch.setattr("model.optimization.cross_entropy", seen)
    mixed, exact = optimization(bf16=True), optimization()
    assert update(mixed, 0).loss == pytest.approx(update(exact, 0).loss, rel=0.01)
    assert types == [torch.bfloat16, torch.float32]
    assert all(weight.dtype == torch.float32 for weight in weights(mixed).values())


# Schedule


def test_the_learning_rate_climbs_stays_and_falls_to_almost_nothing() -> None:
    config = TrainingConfig(steps=100, warmup_steps=10, decay_steps=20, learning_rate=2.0)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    climb, stay, fall = rates[:10], rates[9:80], rates[80:]
    assert all(later - earlier == pytest.approx(0.2) for earlier, later in itertools.pairwise(climb))
    assert set(stay) == {2.0}
    assert all(earlier - later == pytest.approx(2.0 / 21) for earlier, later in itertools.pairwise(fall))
    assert rates[-1] == pytest.approx(2.0 / 21)


def test_without_decay_the_rate_stays_to_the_end() -> None:
    config = TrainingConfig(steps=10, warmup_steps=1, decay_steps=0, learning_rate=2.0)
    assert [learning_rate(step, config) for step in range(10)] == [2.0] * 10


# Steps


@pytest.mark.parametrize("parts", [2, 3, 100])
def test_a_batch_in_parts_makes_the_step_of_the_whole(parts: int) -> None:
    whole, accumulated = optimization(), optimization(accumulate=parts)
    for step in range(3):
        one, other = update(whole, step), update(accumulated, step)
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert one.pieces == other.pieces == sum(len(example.target) + 1 for example in EXAMPLES)
    torch.testing.assert_close(weights(accumulated), weights(whole), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("fault", ["loss", "gradient"])
def test_a_step_that_is_not_finite_is_as_if_it_had_not_been(fault: str) -> None:
    trained, untouched = optimization(ema_decay=0.9), optimization(ema_decay=0.9)
    for one in (trained, untouched):
        update(one, 0)
    before = weights(trained)
    bias = trained.network.output_bias
    if fault == "loss":
        bias.data[7] = math.nan
    else:
        handle = bias.register_hook(lambda gradient: gradient * math.inf)
    assert not update(trained, 1).is_finite
    if fault == "loss":
        bias.data.copy_(before["output_bias"])
    else:
        handle.remove()
    torch.testing.assert_close(weights(trained), before, rtol=0, atol=0)
    for one in (trained, untouched):
        assert update(one, 2).is_finite
    torch.testing.assert_close(weights(trained), weights(untouched), rtol=0, atol=0)
    torch.testing.assert_close(trained.result.state_dict(), untouched.result.state_dict(), rtol=0, atol=0)


def test_the_result_is_the_moving_average_of_the_weights_once_the_first_are_forgotten() -> None:
    trained = optimization(ema_decay=0.25)
    expected: dict[str, Tensor] = {}
    for step in range(4):
        update(trained, step)
        kept = [0.0, 2 / 11, 3 / 12, 0.25][step]
        expected = {
            name: kept * expected[name] + (1 - kept) * weight if step else weight
            for name, weight in weights(trained).items()
        }
    torch.testing.assert_close(dict(trained.result.state_dict()), expected)
    assert not torch.equal(trained.result.output_bias, trained.network.output_bias)


def test_without_an_average_the_result_is_the_network() -> None:
    trained = optimization()
    assert trained.result is trained.network


def test_a_pruned_network_stays_pruned_while_the_rest_learns() -> None:
    trained = optimization(sparsity=0.5, ema_decay=0.9)
    zeros = {name: weight == 0 for name, weight in weights(trained).items() if weight.dim() > 1}
    before = weights(trained)
    for step in range(3):
        update(trained, step)
    for state in (trained.network.state_dict(), trained.result.state_dict()):
        for name, pruned in zeros.items():
            assert pruned.float().mean() == pytest.approx(0.5, abs=0.01)
            assert not state[name][pruned].any()
            assert (state[name] != before[name]).any()
