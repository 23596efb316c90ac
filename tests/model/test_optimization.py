import itertools

import pytest
import torch
from torch import Tensor, nn

from model.config import TrainingConfig
from model.optimization import cross_entropy, learning_rate
from model.tokenizer import PAD


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_and_its_gradient_equal_pytorchs(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 5, 11, requires_grad=True)
    targets = torch.randint(1, 11, (3, 5))
    targets[1, 3:] = PAD

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, logits)[0]

    def reference(label_smoothing: float) -> Tensor:
        return nn.functional.cross_entropy(
            logits.flatten(0, 1),
            targets.flatten(),
            ignore_index=PAD,
            reduction="sum",
            label_smoothing=label_smoothing,
        )

    smoothed, plain, pieces = cross_entropy(logits, targets, smoothing)
    assert pieces == 13
    assert plain == pytest.approx(reference(0.0).item(), rel=1e-5)
    torch.testing.assert_close(smoothed, reference(smoothing))
    torch.testing.assert_close(gradient(smoothed), gradient(reference(smoothing)))


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
