"""The kernel needs a GPU; what is made of what it finds is held without one, by its definition in its place."""

import pytest
import torch
from torch import Tensor

from model import fused
from model.fused import FusedStep
from model.step import BLOCK, Network, Step

SPECIAL = [0, 1, 2, 3, 4, BLOCK + 6]
SIZES = [50, BLOCK, 20 * BLOCK, 20 * BLOCK + 1, 40 * BLOCK - 1]


class NoNetwork:
    """Is never asked."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        raise NotImplementedError


def by_definition(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return what ``normalize`` promises."""
    maxima = [block.float().amax(dim=1) for block in logits.split(BLOCK, dim=1)]
    return torch.stack(maxima, dim=1), logits.float().logsumexp(dim=1, keepdim=True)


def random_logits(size: int, dtype: torch.dtype) -> Tensor:
    """Return logits of which no two of a row are equal; special pieces are the best, and the last piece comes next."""
    rows = torch.stack([torch.randperm(size) for _ in range(7)]) / size * 8
    rows[:, -1] += 8
    rows[:, [piece for piece in SPECIAL if piece < size]] += 17
    return rows.to(dtype)


def assert_the_same(network: Network, size: int, dtype: torch.dtype, device: str) -> None:
    special = torch.tensor([piece for piece in SPECIAL if piece < size], device=device)
    logits = random_logits(size, dtype).to(device)
    values, pieces = FusedStep(network, special).best(logits.clone(), 5)
    log_probabilities = torch.log_softmax(logits.float(), dim=-1)
    expected, expected_pieces = Step(network, special).candidates(log_probabilities, 5)
    torch.testing.assert_close(values, expected)
    if dtype == torch.float32:  # in half precision some are equal after all
        assert torch.equal(pieces, expected_pieces)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_the_best_pieces_are_those_of_the_plain_step(
    size: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused, "normalize", by_definition)
    torch.manual_seed(0)
    assert_the_same(NoNetwork(), size, dtype, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available() or fused.triton is None, reason="there is no GPU, or no Triton")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", SIZES)
def test_the_kernel_finds_what_its_definition_finds(size: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    logits = random_logits(size, dtype).cuda()
    for found, expected in zip(fused.normalize(logits), by_definition(logits), strict=True):
        torch.testing.assert_close(found, expected)
    assert_the_same(NoNetwork(), size, dtype, "cuda")
