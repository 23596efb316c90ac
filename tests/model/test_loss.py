"""The kernels need a GPU; all else is held to the plain definition, by autograd, without one."""

import math

import pytest
import torch
from torch import Tensor, nn

from model import loss
from model.fused import has_triton
from model.loss import Losses, cross_entropy
from model.tokenizer import PAD

SHAPES = [(1, 1, 3), (3, 5, 11), (2, 4, 4096), (3, 7, 8193)]
HALF = [torch.float16, torch.bfloat16]


def random_batch(shape: tuple[int, int, int], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Return logits (B, T, V) and targets (B, T) of which some are padding, where there is more than one."""
    torch.manual_seed(0)
    targets = torch.randint(1, shape[2], shape[:2])
    targets[1:, shape[1] // 2 :] = PAD
    targets[0, 0] = shape[2] - 1
    return (3 * torch.randn(shape)).to(dtype), targets


def by_definition(logits: Tensor, targets: Tensor, smoothing: float) -> Losses:
    """Return what ``cross_entropy`` promises, in float64."""
    log_probabilities = torch.log_softmax(logits.double(), dim=-1)[targets != PAD]
    plain = -log_probabilities.gather(-1, targets[targets != PAD].unsqueeze(-1)).sum()
    uniform = -log_probabilities.mean(dim=-1).sum()
    return Losses((1 - smoothing) * plain + smoothing * uniform, plain.detach())


def assert_as_defined(logits: Tensor, targets: Tensor, smoothing: float) -> None:
    """Compare losses and gradients, which are rounded to the type of the logits."""
    logits, same = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    losses, expected = cross_entropy(logits, targets, smoothing), by_definition(same, targets, smoothing)
    assert losses.objective.dtype == losses.plain.dtype == torch.float32
    torch.testing.assert_close(losses.objective.double(), expected.objective, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(losses.plain.double(), expected.plain, rtol=1e-5, atol=1e-5)
    assert not losses.plain.requires_grad
    for objective in (losses.objective, expected.objective):
        (0.37 * objective).backward()
    assert logits.grad is not None
    assert same.grad is not None
    rounding = torch.finfo(logits.dtype).eps
    torch.testing.assert_close(logits.grad, same.grad, rtol=max(1e-4, 2 * rounding), atol=1e-7)
    assert not logits.grad[targets == PAD].any()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_losses_and_gradients_are_those_of_the_definition(
    shape: tuple[int, int, int], dtype: torch.dtype, smoothing: float
) -> None:
    assert_as_defined(*random_batch(shape, dtype), smoothing)


@pytest.mark.parametrize("pieces", [1, 30, 8 * 11, 10**9])
def test_it_does_not_matter_how_many_rows_are_worked_on_at_a_time(pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss, "BLOCK_PIECES", pieces)
    assert_as_defined(*random_batch((3, 5, 11), torch.float32), 0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_is_that_of_pytorch(smoothing: float) -> None:
    logits, targets = random_batch((3, 5, 11), torch.float32)
    losses = cross_entropy(logits, targets, smoothing)
    for value, label_smoothing in zip(losses, (smoothing, 0.0), strict=True):
        expected = nn.functional.cross_entropy(
            logits.flatten(0, 1),
            targets.flatten(),
            ignore_index=PAD,
            reduction="sum",
            label_smoothing=label_smoothing,
        )
        torch.testing.assert_close(value, expected)


def test_rows_may_stand_alone_and_apart_in_memory() -> None:
    logits, targets = random_batch((3, 5, 11), torch.float32)
    assert_as_defined(logits.flatten(0, 1), targets.flatten(), 0.1)
    assert_as_defined(logits.transpose(0, 1), targets.transpose(0, 1), 0.1)


def test_nothing_but_padding_has_no_loss_and_no_gradient() -> None:
    logits, targets = random_batch((3, 5, 11), torch.float32)
    assert_as_defined(logits, torch.full_like(targets, PAD), 0.1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_target_without_a_finite_logit_has_no_finite_loss(value: float) -> None:
    logits, targets = random_batch((3, 5, 11), torch.float32)
    logits[0, 0, targets[0, 0]] = value
    assert not any(sum_.isfinite() for sum_ in cross_entropy(logits, targets, 0.1))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available() or loss.triton is None, reason="there is no GPU, or no Triton")
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, *HALF], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_kernels_find_what_the_definition_finds(
    shape: tuple[int, int, int], dtype: torch.dtype, smoothing: float
) -> None:
    logits, targets = (tensor.cuda() for tensor in random_batch(shape, dtype))
    assert has_triton(logits.device)
    assert_as_defined(logits, targets, smoothing)
    assert_as_defined(logits, torch.full_like(targets, PAD), smoothing)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available() or loss.triton is None, reason="there is no GPU, or no Triton")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_kernels_give_no_finite_loss_to_what_is_not_finite(value: float) -> None:
    logits, targets = (tensor.cuda() for tensor in random_batch((3, 5, 8193), torch.float32))
    logits[0, 0, targets[0, 0]] = value
    assert not any(sum_.isfinite() for sum_ in cross_entropy(logits, targets, 0.1))
