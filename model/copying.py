"""Writing pieces of the source as they are (pointer-generator, See et al. 2017), and what keeps attention moving.

N sentences or rows, S source positions, T target positions, E features, V pieces.
"""

from typing import Final

import torch
from torch import Tensor, nn

from model.int8 import Linear, steady_sigmoid
from model.tokenizer import END, PAD


class Copying(nn.Module):
    """Mixes what the decoder generates with what attention points at (See et al. 2017, section 2.2).

    The source's first piece is its tag and its last the end: neither is text, so neither is copied, and what attention
    gives them counts for the generator. A source without text is never copied from.
    """

    END: Final[int] = END  # TorchScript sees constants of the class alone
    PAD: Final[int] = PAD
    TINY: Final[float] = 1e-30
    """What comes below it is not far from what float32 rounds to 0, whose logarithm would be infinite."""

    def __init__(self, features_size: int) -> None:
        super().__init__()
        self.gate = Linear(features_size, 1)

    def quantize(self) -> None:
        """Multiply in int8 from now on; features are at most 1."""
        self.gate.quantize(1.0)

    def forward(self, logits: Tensor, features: Tensor, weights: Tensor, source: Tensor) -> Tensor:
        """Mix logits (N, T, V) of features (N, T, E) with weights (N, T, S) over source (N, S).

        Returns log-probabilities (N, T, V) in float32, which are logits too: log_softmax leaves them as they are.
        """
        is_text = (source != self.END) & (source != self.PAD)
        is_text[:, 0] = False
        is_text = is_text.unsqueeze(1)  # (N, 1, S)
        generated = steady_sigmoid(self.gate(features))  # (N, T, 1)
        copied = (1 - generated) * weights.float()
        # At most two of these are not 0, so that their sum does not depend on the padding, not even in its last bit.
        generated = generated + copied.masked_fill(is_text, 0.0).sum(dim=-1, keepdim=True)
        positions = source.unsqueeze(1).expand_as(copied)
        probabilities = generated * torch.softmax(logits.float(), dim=-1)
        probabilities = probabilities.scatter_add(-1, positions, copied.masked_fill(~is_text, 0.0))
        return torch.log(probabilities.clamp(min=self.TINY))


def coverage_loss(weights: Tensor, is_piece: Tensor) -> Tensor:
    """Return what attention gave to where it had been before, summed over the pieces (See et al. 2017, equation 12).

    weights (N, T, S), is_piece (N, T): which target positions are no padding. It follows from the weights of all
    positions, so nothing has to wait for the position before.
    """
    before = weights.cumsum(dim=1) - weights
    return (torch.minimum(weights, before).sum(dim=-1) * is_piece).sum()
