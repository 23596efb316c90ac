import pytest
import torch
from torch import Tensor, nn

from model.copying import Copying, coverage_loss
from model.tokenizer import END, PAD

TAG = 4
PIECES = 12
SOURCE = torch.tensor([[TAG, 7, 8, 7, END, PAD], [TAG, END, PAD, PAD, PAD, PAD]])
IS_REAL = SOURCE != PAD


@pytest.fixture
def copying() -> Copying:
    torch.manual_seed(0)
    return Copying(5)


def random_step() -> tuple[Tensor, Tensor, Tensor]:
    """Return logits (2, 3, V), features (2, 3, 5) and weights (2, 3, 6)."""
    weights = torch.randn(2, 3, 6).masked_fill(~IS_REAL.unsqueeze(1), float("-inf")).softmax(dim=-1)
    return torch.randn(2, 3, PIECES), torch.randn(2, 3, 5), weights


@torch.no_grad()
def test_the_mixture_equals_the_formula_written_out(copying: Copying) -> None:
    logits, features, weights = random_step()
    found = copying(logits, features, weights, SOURCE).exp()
    for b in range(2):
        for t in range(3):
            generated = torch.sigmoid(copying.gate(features[b, t]))
            expected = generated * logits[b, t].softmax(dim=-1)
            for s, piece in enumerate(SOURCE[b].tolist()):
                if piece in (TAG, END):  # goes to the generator
                    expected += (1 - generated) * weights[b, t, s] * logits[b, t].softmax(dim=-1)
                elif piece != PAD:
                    expected[piece] += ((1 - generated) * weights[b, t, s]).item()
            torch.testing.assert_close(found[b, t], expected)


@torch.no_grad()
def test_probabilities_sum_to_1_and_log_softmax_leaves_them_as_they_are(copying: Copying) -> None:
    found = copying(*random_step(), SOURCE)
    torch.testing.assert_close(found.exp().sum(dim=-1), torch.ones(2, 3))
    torch.testing.assert_close(torch.log_softmax(found, dim=-1), found)


@torch.no_grad()
def test_a_piece_that_the_generator_would_never_write_can_be_copied_and_tag_and_end_cannot(copying: Copying) -> None:
    logits, features, weights = random_step()
    logits[:] = 0
    logits[..., [TAG, END, 7, 8, PAD]] = -1e3
    nn.init.constant_(copying.gate.weight, 0.0)
    nn.init.constant_(copying.gate.bias, -20.0)  # copies whenever it can
    found = copying(logits, features, weights, SOURCE).exp()
    torch.testing.assert_close(found[0, :, 7], weights[0, :, 1] + weights[0, :, 3])
    torch.testing.assert_close(found[0, :, 8], weights[0, :, 2])
    assert (found[..., [TAG, END, PAD]] < 1e-20).all()
    torch.testing.assert_close(found[1], logits[1].softmax(dim=-1), atol=1e-6, rtol=0)  # there is nothing to copy


def test_the_gradient_is_finite_where_a_probability_is_0(copying: Copying) -> None:
    logits, features, weights = (tensor.requires_grad_() for tensor in random_step())
    log_probabilities = copying(logits - 1e4 * torch.eye(PIECES)[6], features, weights, SOURCE)
    log_probabilities.sum().backward()
    assert log_probabilities.isfinite().all()
    for tensor in (logits, features, weights):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


def test_coverage_loss_equals_a_loop_over_the_positions() -> None:
    torch.manual_seed(0)
    weights = torch.randn(2, 5, 6).softmax(dim=-1)
    lengths = [5, 3]
    expected = 0.0
    for b, length in enumerate(lengths):
        covered = torch.zeros(6)
        for t in range(length):
            expected += torch.minimum(weights[b, t], covered).sum().item()
            covered += weights[b, t]
    is_piece = torch.arange(5) < torch.tensor(lengths).unsqueeze(1)
    assert coverage_loss(weights, is_piece).item() == pytest.approx(expected, abs=1e-5)


def test_attention_that_never_comes_back_loses_nothing() -> None:
    assert coverage_loss(torch.eye(4).unsqueeze(0), torch.ones(1, 4, dtype=torch.bool)).item() == 0
