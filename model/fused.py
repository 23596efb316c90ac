"""The step of a search on a GPU: each row's best pieces from one reading of the logits, by a kernel in Triton.

Logits are most of what a step moves: 164 MB for 2,560 rows of 32,000 pieces. PyTorch goes through them seven times to
make log-probabilities of them and find the best. Triton comes with PyTorch for GPUs; where it is missing, or has no
compiler, model.step does the same.

R rows, V pieces, C best pieces, N blocks of BLOCK pieces.
"""

import logging
from functools import cache

import torch
from torch import Tensor

from model.step import BLOCK, Network, Step

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError:
    triton = None

logger = logging.getLogger(__name__)

CHUNK = 4096
"""Pieces that a program reads at a time."""

if triton:

    @triton.jit  # type: ignore[untyped-decorator]
    def _normalize(logits, maxima, normalizers, size: tl.constexpr, chunk: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
        """Write one row's block maxima and the logarithm of the sum of its exponentials."""
        row = tl.program_id(0).to(tl.int64)
        blocks: tl.constexpr = (size + block - 1) // block
        largest = float("-inf")
        total = 0.0
        for first in range(0, size, chunk):
            places = first + tl.arange(0, chunk)
            values = tl.load(logits + row * size + places, mask=places < size, other=float("-inf")).to(tl.float32)
            of_blocks = tl.max(tl.reshape(values, (chunk // block, block)), axis=1)
            numbers = first // block + tl.arange(0, chunk // block)
            tl.store(maxima + row * blocks + numbers, of_blocks, mask=numbers < blocks)
            new_largest = tl.maximum(largest, tl.max(of_blocks, axis=0))
            total = total * tl.exp(largest - new_largest) + tl.sum(tl.exp(values - new_largest), axis=0)
            largest = new_largest
        tl.store(normalizers + row, largest + tl.log(total))


def normalize(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return of contiguous logits (R, V) the maxima of blocks (R, N) and log sum exp (R, 1), both in float32."""
    rows, size = logits.shape
    maxima = torch.empty(rows, -(-size // BLOCK), device=logits.device)
    normalizers = torch.empty(rows, 1, device=logits.device)
    _normalize[(rows,)](logits, maxima, normalizers, size, CHUNK, BLOCK)
    return maxima, normalizers


@cache
def has_triton(device: torch.device) -> bool:
    """Say whether kernels can be compiled for a device, which must be a GPU."""
    if triton is None or device.type != "cuda":
        return False
    try:
        normalize(torch.zeros(1, BLOCK, device=device))
    except Exception:  # whatever a missing C compiler or an unknown GPU makes Triton raise
        logger.warning("Triton does not work here, so the GPU is slower", exc_info=True)
        return False
    return True


class FusedStep(Step):
    """See Step; ``special`` are few."""

    def __init__(self, network: Network, special: Tensor) -> None:
        super().__init__(network, special)
        self.special_blocks = torch.unique(special // BLOCK)
        within = torch.arange(BLOCK, device=special.device)
        self.special_numbers = self.special_blocks.unsqueeze(1) * BLOCK + within  # (blocks, BLOCK)
        self.within = within

    def forward(
        self, rows: Tensor, state: Tensor, memory: Tensor, source: Tensor, width: int, count: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See Step."""
        state = state.index_select(0, rows[1])
        logits, state, weights = self.network.decode_step(rows[0], state, memory, source, rows[2], width)
        values, pieces = self.best(logits.contiguous(), count)
        return values, pieces, state, weights

    def best(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Do what Step.candidates does, for logits (R, V) of which those of special pieces are lost."""
        size = logits.size(1)
        maxima, normalizers = normalize(logits)
        ends = logits[:, self.END].unsqueeze(1).to(torch.float32, copy=True)
        logits.index_fill_(1, self.special, float("-inf"))
        again = self._gathered(logits, self.special_numbers.flatten()).view(logits.size(0), -1, BLOCK)
        maxima[:, self.special_blocks] = again.amax(dim=-1)
        best_blocks = maxima.topk(min(count, maxima.size(1)), dim=1)[1]
        numbers = (best_blocks.unsqueeze(-1) * BLOCK + self.within).flatten(1)  # (R, C * BLOCK)
        among = torch.where(numbers < size, logits.gather(1, numbers.clamp(max=size - 1)).float(), float("-inf"))
        values, places = among.topk(min(count, size), dim=1)
        pieces = numbers.gather(1, places)
        end_pieces = torch.full_like(pieces[:, :1], self.END)
        return torch.cat((ends, values), dim=1) - normalizers, torch.cat((end_pieces, pieces), dim=1)

    def _gathered(self, logits: Tensor, numbers: Tensor) -> Tensor:
        """Return the logits (R, …) of numbers (…), of which some are beyond all pieces."""
        size = logits.size(1)
        found = logits.index_select(1, numbers.clamp(max=size - 1)).float()
        return found.masked_fill(numbers >= size, float("-inf"))


def gpu_step(network: Network, special: Tensor) -> Step:
    """Return the fastest step that there is for a network on a GPU."""
    return FusedStep(network, special) if has_triton(special.device) else Step(network, special)
