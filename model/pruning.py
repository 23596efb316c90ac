"""Magnitude pruning (Han et al. 2015; See, Luong & Manning 2016): the smallest weights are 0 and stay 0."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def prune(network: nn.Module, sparsity: float) -> list[tuple[Tensor, Tensor]]:
    """Set the smallest weights of each matrix to 0, a share of ``sparsity`` in it; return matrices and what is kept.

    What is 0 already goes first: a network that was pruned before stays as it is. Of equal weights as many go as make
    up the share, the same ones each time, so that a matrix that begins as zeros learns in the rest.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    for weight in network.parameters():
        count = int(sparsity * weight.numel())
        if weight.dim() > 1 and count:
            mask = _all_but_smallest(weight, count)
            weight.mul_(mask)
            kept.append((weight, mask))
    return kept


def _all_but_smallest(weight: Tensor, count: int) -> Tensor:
    """Return a mask of the weight's shape: False where its ``count`` smallest magnitudes stand."""
    # Equal ones in an order that all processes and a resumed training share, and that is not the rows' own: those of
    # the first positions of a sentence would all go.
    order = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(0)).to(weight.device)
    rising = order[weight.abs().flatten()[order].argsort(stable=True)]
    mask = torch.ones(weight.numel(), dtype=torch.bool, device=weight.device)
    mask[rising[:count]] = False
    return mask.view_as(weight)


@torch.no_grad()
def prune_again(kept: list[tuple[Tensor, Tensor]]) -> None:
    """Set the weights to 0 that an update has moved and ``prune`` did not keep."""
    for weight, mask in kept:
        weight.mul_(mask)
