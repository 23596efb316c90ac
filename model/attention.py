"""Attention: queries over the memory → context and weights.

B sentences, Q queries a sentence (target positions in training, rows in a search), S source positions, H query size,
M memory size.
"""

import torch
from torch import Tensor, nn


class GeneralAttention(nn.Module):
    """Global attention with a learned bilinear score (Luong et al. 2015, section 3.1: ``general``)."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.score = nn.Linear(query_size, memory_size, bias=False)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with queries (B, Q, H) to memory (B, S, M) where mask (B, S) is true.

        Returns the context (B, Q, M) and the weights (B, Q, S); weights are 0 where the mask is false.
        """
        scores = torch.bmm(self.score(queries), memory.transpose(1, 2)).float()  # (B, Q, S)
        scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return torch.bmm(weights.to(memory.dtype), memory), weights
