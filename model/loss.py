"""The loss of a training, which goes over the logits as few times as it can: they are most of what a step makes.

In bfloat16 those of 16,000 positions and 32,000 pieces are 1 GB, log-probabilities in float32 would be 2 more, and
autograd goes over them a dozen times. Here a kernel in Triton reads logits once for the loss, and another reads them
once and writes their gradient. Elsewhere PyTorch does the same with rows that fit into a cache, block by block.

N positions, V pieces.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from model.fused import CHUNK, has_triton
from model.tokenizer import PAD

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError:
    triton = None

BLOCK_PIECES = 2**18
"""Logits that each thread of a CPU works on at a time: 1 MB in float32, about the cache that a core has to itself."""


class Losses(NamedTuple):
    """Sums over the target pieces of a batch, in nats."""

    objective: Tensor
    """What is minimized."""
    plain: Tensor
    """Cross-entropy alone."""


def cross_entropy(logits: Tensor, targets: Tensor, smoothing: float) -> Losses:
    """Return the losses with label smoothing (Szegedy et al. 2016, section 7) as the objective, in float32.

    logits (…, V), targets (…); padding does not count.
    """
    logits = logits.flatten(0, -2).contiguous()
    function = FusedCrossEntropy if has_triton(logits.device) else CrossEntropy
    plain, uniform = function.apply(logits, targets.flatten().contiguous())  # type: ignore[no-untyped-call]
    return Losses((1 - smoothing) * plain + smoothing * uniform, plain.detach())


class CrossEntropy(Function):
    """Cross-entropy with the targets and with all pieces alike, each summed over the positions.

    Of logits (N, V) in any type, which is that of their gradient, and targets (N).
    """

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Return the two sums."""
        ctx.save_for_backward(logits, targets)
        plain, uniform = torch.zeros(2, device=logits.device)
        for rows, their_targets in _blocks(logits, targets.unsqueeze(1)):
            log_probabilities = torch.log_softmax(rows, dim=1, dtype=torch.float32)
            is_piece = their_targets != PAD
            plain -= (log_probabilities.gather(1, their_targets) * is_piece).sum()
            uniform -= (log_probabilities.mean(dim=1, keepdim=True) * is_piece).sum()
        return plain, uniform

    @staticmethod
    def backward(ctx: Any, of_plain: Tensor, of_uniform: Tensor) -> tuple[Tensor, None]:
        """Return the logits' gradient, of the two sums' own."""
        logits, targets = ctx.saved_tensors
        targets = targets.unsqueeze(1)
        plain, uniform = ((targets != PAD) * factor for factor in (of_plain, of_uniform))  # (N, 1)
        gradients = torch.empty_like(logits)
        for rows, their_targets, p, u, block in _blocks(logits, targets, plain, uniform, gradients):
            gradient = torch.softmax(rows, dim=1, dtype=torch.float32).mul_(p + u).sub_(u / rows.size(1))
            block.copy_(gradient.scatter_add_(1, their_targets, -p))
        return gradients, None


def _blocks(logits: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield some rows at a time of logits (N, V) and others (N, …): all at once on a GPU, which has no such cache."""
    rows = BLOCK_PIECES * torch.get_num_threads() // logits.size(1)
    size = max(1, rows if logits.device.type == "cpu" else logits.size(0))
    return zip(*(torch.split(tensor, size) for tensor in (logits, *others)), strict=True)


class FusedCrossEntropy(Function):
    """See CrossEntropy; the loss of padding is 0 even if its logits are not finite."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """See CrossEntropy."""
        normalizers, plain, uniform = torch.zeros(3, logits.size(0), device=logits.device)
        _losses[(logits.size(0),)](logits, targets, normalizers, plain, uniform, logits.size(1), CHUNK, PAD)
        ctx.save_for_backward(logits, targets, normalizers)
        return plain.sum(), uniform.sum()

    @staticmethod
    def backward(ctx: Any, of_plain: Tensor, of_uniform: Tensor) -> tuple[Tensor, None]:
        """See CrossEntropy."""
        logits, targets, normalizers = ctx.saved_tensors
        gradients = torch.empty_like(logits)
        _gradients[(logits.size(0),)](
            logits, targets, normalizers, of_plain, of_uniform, gradients, logits.size(1), CHUNK, PAD
        )
        return gradients, None


if triton:

    @triton.jit  # type: ignore[untyped-decorator]
    def _losses(  # type: ignore[no-untyped-def]
        logits, targets, normalizers, plain, uniform, size: tl.constexpr, chunk: tl.constexpr, pad: tl.constexpr
    ):
        """Write one row's losses and the logarithm of the sum of its exponentials; nothing for padding."""
        row = tl.program_id(0).to(tl.int64)
        target = tl.load(targets + row)
        if target != pad:
            largest = float("-inf")
            exponentials = 0.0
            total = 0.0
            for first in range(0, size, chunk):
                places = first + tl.arange(0, chunk)
                values = tl.load(logits + row * size + places, mask=places < size, other=float("-inf")).to(tl.float32)
                new_largest = tl.maximum(largest, tl.max(values, axis=0))
                exponentials = exponentials * tl.exp(largest - new_largest)
                exponentials += tl.sum(tl.exp(values - new_largest), axis=0)
                total += tl.sum(tl.where(places < size, values, 0.0), axis=0)
                largest = new_largest
            normalizer = largest + tl.log(exponentials)
            tl.store(normalizers + row, normalizer)
            tl.store(plain + row, normalizer - tl.load(logits + row * size + target).to(tl.float32))
            tl.store(uniform + row, normalizer - total / size)

    @triton.jit  # type: ignore[untyped-decorator]
    def _gradients(  # type: ignore[no-untyped-def]
        logits,
        targets,
        normalizers,
        of_plain,
        of_uniform,
        gradients,
        size: tl.constexpr,
        chunk: tl.constexpr,
        pad: tl.constexpr,
    ):
        """Write the gradient of one row's logits; 0 for padding, without reading any."""
        row = tl.program_id(0).to(tl.int64)
        target = tl.load(targets + row)
        is_piece = target != pad
        normalizer = tl.load(normalizers + row)
        p = tl.where(is_piece, tl.load(of_plain), 0.0)
        u = tl.where(is_piece, tl.load(of_uniform), 0.0)
        for first in range(0, size, chunk):
            places = first + tl.arange(0, chunk)
            is_read = (places < size) & is_piece
            values = tl.load(logits + row * size + places, mask=is_read, other=float("-inf")).to(tl.float32)
            gradient = tl.exp(values - normalizer) * (p + u) - u / size - tl.where(places == target, p, 0.0)
            tl.store(gradients + row * size + places, gradient, mask=places < size)
