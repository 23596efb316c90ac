"""Dropout of single numbers, of the same numbers at all positions, and of whole pieces.

B sentences, T positions, F features, V pieces.
"""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout of inputs (B, T, F): anew at each position, or once for all of them (Gal & Ghahramani 2016)."""

    def __init__(self, probability: float, is_variational: bool) -> None:
        super().__init__()
        self.probability = probability
        self.is_variational = is_variational

    def forward(self, inputs: Tensor) -> Tensor:
        """Drop from inputs (B, T, F) in training."""
        if self.is_variational and self.training:
            return inputs * nn.functional.dropout(torch.ones_like(inputs[:, :1]), self.probability)
        return nn.functional.dropout(inputs, self.probability, self.training)


class WordDropout(nn.Module):
    """Dropout of whole pieces, each wherever it stands in its sentence (Gal & Ghahramani 2016, section 4.2)."""

    def __init__(self, probability: float, vocabulary_size: int) -> None:
        super().__init__()
        self.probability = probability
        self.vocabulary_size = vocabulary_size

    def forward(self, embedded: Tensor, pieces: Tensor) -> Tensor:
        """Drop from embedded (B, T, F) of pieces (B, T) in training."""
        if self.probability == 0 or not self.training:
            return embedded
        ones = torch.ones(pieces.size(0), self.vocabulary_size, dtype=embedded.dtype, device=embedded.device)  # (B, V)
        kept = nn.functional.dropout(ones, self.probability).gather(1, pieces)
        return embedded * kept.unsqueeze(-1)
