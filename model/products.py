"""The two products of attention over a batch, with the same bits for a row whatever else is in it.

B sentences, Q queries a sentence, S source positions, H query size, C size of a value.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn


class Products(nn.Module):
    """Attention's two products over a batch, which are in float32 in int8 mode too, but then without any rounding.

    The order in which a BLAS adds depends on how many rows and positions there are (MKL on Intel's processors), and so
    would a row's last bits. Factors are rounded here so that what is added are multiples of one power of two, and less
    than 2^24 of it in all: float32 holds each such sum, and the order does not matter. These grids are at least as fine
    as those of the products in int8.
    """

    QUERY_STEPS: Final[float] = 2.0**7
    KEY_BITS: Final[int] = 16  # of the sum over a key; 23 with those of a query
    WEIGHT_STEPS: Final[float] = 2.0**12
    VALUE_BITS: Final[int] = 11  # 23 with those of weights, whose sum is 1

    def __init__(self) -> None:
        super().__init__()
        self.is_exact = False
        self.value_steps = 1.0

    def quantize(self, bound: float) -> None:
        """Add without rounding from now on, values of at most ``bound``."""
        self.is_exact = True
        _, exponent = math.frexp(bound)
        self.value_steps = 2.0 ** (self.VALUE_BITS - exponent)

    def keys(self, keys: Tensor) -> Tensor:
        """Return keys (B, S, H) as ``scores`` takes them."""
        if self.is_exact:
            _, exponent = torch.frexp(keys.abs().sum(dim=-1, keepdim=True))
            step = torch.ldexp(torch.ones_like(keys[..., :1]), exponent - self.KEY_BITS)
            return torch.round(keys / step) * step
        return keys

    def values(self, values: Tensor) -> Tensor:
        """Return values (B, S, C) as ``read`` takes them."""
        if self.is_exact:
            return (values * self.value_steps).round_().div_(self.value_steps)
        return values

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the products (B, Q, S) of queries (B, Q, H), which are at most 1, and keys (B, S, H)."""
        if self.is_exact:
            queries = (queries * self.QUERY_STEPS).round_().div_(self.QUERY_STEPS)
        return torch.bmm(queries, keys.transpose(1, 2))

    def read(self, values: Tensor, weights: Tensor) -> Tensor:
        """Return the mean (B, Q, C) of values (B, S, C) by weights (B, Q, S)."""
        if self.is_exact:
            weights = (weights * self.WEIGHT_STEPS).round_().div_(self.WEIGHT_STEPS)
        return torch.bmm(weights.to(values.dtype), values)
