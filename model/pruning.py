"""Magnitude pruning (Han et al. 2015; See, Luong & Manning 2016): the smallest weights are 0 and stay 0."""

import torch
from torch import Tensor, nn


@torch.no_grad()
def prune(network: nn.Module, sparsity: float) -> list[tuple[Tensor, Tensor]]:
    """Set the smallest weights of each matrix to 0, a share of ``sparsity`` in it; return matrices and what is kept.

    What is 0 already counts: a network that was pruned before stays as it is. Weights as small as the largest that
    goes go with it, so where many are equal it may be more.
    """
    kept: list[tuple[Tensor, Tensor]] = []
    for weight in network.parameters():
        count = int(sparsity * weight.numel())
        if weight.dim() > 1 and count:
            magnitudes = weight.abs()
            mask = magnitudes > magnitudes.flatten().kthvalue(count).values
            weight.mul_(mask)
            kept.append((weight, mask))
    return kept


@torch.no_grad()
def prune_again(kept: list[tuple[Tensor, Tensor]]) -> None:
    """Set the weights to 0 that an update has moved and ``prune`` did not keep."""
    for weight, mask in kept:
        weight.mul_(mask)
