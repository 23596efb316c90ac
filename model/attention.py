"""Attention: queries over the memory → context and weights.

B sentences, Q queries a sentence (target positions in training, rows in a search), S source positions, H query size,
M memory size.
"""

import torch
from torch import Tensor, nn

from model.int8 import Int8Product, release


class GeneralAttention(nn.Module):
    """Global attention with a learned bilinear score (Luong et al. 2015, section 3.1: ``general``).

    The score's matrix is applied to the memory, once a sentence, rather than to every query.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.sizes = [query_size, memory_size]
        self.score = nn.Linear(query_size, memory_size, bias=False)
        self.int8 = Int8Product()

    def quantize(self, bound: float) -> None:
        """Make keys in int8 from now on, of encoder outputs whose magnitude is at most ``bound``."""
        self.int8.pack(self.score.weight.t().contiguous(), None, bound)
        release(self.score.weight)

    def memorize(self, encoded: Tensor) -> Tensor:
        """Return the memory that ``forward`` reads, (B, S, H + M): a key beside each position of encoded (B, S, M)."""
        if self.int8.is_packed():
            keys: Tensor = self.int8(encoded.flatten(0, 1)).view(encoded.size(0), encoded.size(1), -1)
        else:
            keys = torch.matmul(encoded, self.score.weight)
        return torch.cat((keys, encoded), dim=-1)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with queries (B, Q, H) to memory (B, S, H + M) where mask (B, S) is true.

        Returns the context (B, Q, M) and the weights (B, Q, S); weights are 0 where the mask is false.
        """
        keys, values = torch.split(memory, self.sizes, dim=-1)
        scores = torch.bmm(queries, keys.transpose(1, 2)).float()  # (B, Q, S)
        scores = scores.masked_fill(~mask.unsqueeze(1), float("-inf"))
        weights = torch.softmax(scores, dim=-1)
        return torch.bmm(weights.to(memory.dtype), values), weights
