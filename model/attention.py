"""Attention: queries over the memory → context and weights, all kinds behind one call.

B sentences, Q queries a sentence (target positions in training, rows in a search), S source positions, H query size,
M size of what the encoder gives, C context size.

``memorize`` does what can be done once a sentence. ``quantize`` is given the bound of what the encoder gives; queries
are the outputs of a recurrent layer, and so at most 1. What reduces over a dimension of fixed size is written as a
product and a sum where a matrix product could give a row other bits in other company.
"""

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.int8 import Int8Product, Linear, release, steady_sigmoid
from model.products import Products


def softmax_where(mask: Tensor, scores: Tensor) -> Tensor:
    """Return the softmax of scores (B, Q, S), in float32, over the positions where mask (B, S) is true."""
    return torch.softmax(scores.float().masked_fill(~mask.unsqueeze(1), float("-inf")), dim=-1)


class GeneralAttention(nn.Module):
    """Global attention with a learned bilinear score (Luong et al. 2015, section 3.1: ``general``).

    The score's matrix is applied to the memory, once a sentence, rather than to every query. Scores are scaled as in
    Vaswani et al. (2017, section 3.2.1), unlike in the paper: else one step of Adam moves them by tens, attention is of
    one position from then on, and a network learns more slowly (600 steps on Tatoeba de-en: 8.1 BLEU instead of 12.8).
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.sizes = [query_size, memory_size]
        self.scale = query_size**-0.5
        self.score = nn.Linear(query_size, memory_size, bias=False)
        self.int8 = Int8Product()
        self.products = Products()

    def quantize(self, bound: float) -> float:
        """Make keys in int8 from now on, of encoder outputs of at most ``bound``; return the context's bound."""
        self.products.quantize(bound)
        self.int8.pack(self.score.weight.t().contiguous(), None, bound)
        release(self.score.weight)
        return bound

    def memorize(self, encoded: Tensor) -> Tensor:
        """Return the memory that ``forward`` reads, (B, S, H + M): a key beside each position of encoded (B, S, M)."""
        if self.int8.is_packed():
            keys: Tensor = self.int8(encoded.flatten(0, 1)).view(encoded.size(0), encoded.size(1), -1)
        else:
            keys = torch.matmul(encoded, self.score.weight)
        return torch.cat((self.products.keys(keys * self.scale), self.products.values(encoded)), dim=-1)

    def scores(self, queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return how well queries (B, Q, H) fit each position, (B, Q, S), and the values (B, S, M)."""
        keys, values = torch.split(memory, self.sizes, dim=-1)
        scores: Tensor = self.products.scores(queries, keys)
        return scores, values

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with queries (B, Q, H) to memory (B, S, H + M) where mask (B, S) is true.

        Returns the context (B, Q, M) and the weights (B, Q, S); weights are 0 where the mask is false.
        """
        scores, values = self.scores(queries, memory)
        weights = softmax_where(mask, scores)
        return self.products.read(values, weights), weights


class DotAttention(nn.Module):
    """Global attention whose score is the product of query and memory as they are (Luong et al. 2015: ``dot``).

    Scaled, as GeneralAttention.
    """

    def __init__(self) -> None:
        super().__init__()
        self.products = Products()

    def quantize(self, bound: float) -> float:
        """Return the context's bound; there is nothing to multiply by."""
        self.products.quantize(bound)
        return bound

    def memorize(self, encoded: Tensor) -> Tensor:
        """Return encoded (B, S, M), which is the memory, keys and values at once."""
        memory: Tensor = self.products.keys(self.products.values(encoded))
        return memory

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See GeneralAttention."""
        weights = softmax_where(mask, self.products.scores(queries, memory) * queries.size(-1) ** -0.5)
        return self.products.read(memory, weights), weights


class AdditiveAttention(nn.Module):
    """Global attention whose score is a layer of tanh over both (Bahdanau et al. 2015, section A.1.2).

    The sum over that layer is of all queries with all positions and in float32: in int8 it would have to be made
    into a matrix of their number first.
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.sizes = [query_size, memory_size]
        self.query = Linear(query_size, query_size)
        self.key = Linear(memory_size, query_size, bias=False)
        self.score = nn.Parameter(torch.empty(query_size).uniform_(-(query_size**-0.5), query_size**-0.5))
        self.products = Products()

    def quantize(self, bound: float) -> float:
        """See GeneralAttention."""
        self.query.quantize(1.0)
        self.key.quantize(bound)
        self.products.quantize(bound)
        return bound

    def memorize(self, encoded: Tensor) -> Tensor:
        """See GeneralAttention."""
        return torch.cat((self.key(encoded), self.products.values(encoded)), dim=-1)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See GeneralAttention."""
        keys, values = torch.split(memory, self.sizes, dim=-1)
        layer = torch.tanh(self.query(queries).unsqueeze(2) + keys.unsqueeze(1))  # (B, Q, S, H)
        weights = softmax_where(mask, (layer * self.score).sum(dim=-1))
        return self.products.read(values, weights), weights


class MultiHeadAttention(nn.Module):
    """Heads that attend each in a share of the dimensions (Vaswani et al. 2017, section 3.2.2).

    Values pass through tanh, so that the context is at most 1. The heads' contexts stand side by side: what reads them
    is a product anyway. The weights returned are the heads' mean.
    """

    def __init__(self, query_size: int, memory_size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (query_size // heads) ** -0.5
        self.query = Linear(query_size, query_size, bias=False)
        self.key_value = Linear(memory_size, 2 * query_size, bias=False)
        self.products = Products()

    def quantize(self, bound: float) -> float:
        """See GeneralAttention."""
        self.products.quantize(1.0)
        self.query.quantize(1.0)
        self.key_value.quantize(bound)
        return 1.0

    def memorize(self, encoded: Tensor) -> Tensor:
        """Return a key beside a value for each position of encoded (B, S, M), (B, S, 2 C)."""
        keys, values = self.key_value(encoded).chunk(2, dim=-1)
        return torch.cat((self.products.keys(keys), self.products.values(torch.tanh(values))), dim=-1)

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See GeneralAttention."""
        # A loop over few heads: one product of four dimensions would copy the whole memory to lay out the heads.
        keys, values = memory.chunk(2, dim=-1)
        head_keys, head_values = keys.chunk(self.heads, dim=-1), values.chunk(self.heads, dim=-1)
        contexts: list[Tensor] = []
        weights = torch.zeros(queries.size(0), queries.size(1), memory.size(1), device=queries.device)
        queries = self.query(queries)
        largest = queries.abs().amax(dim=-1, keepdim=True).clamp(min=1.0)
        for head, head_queries in enumerate((queries / largest).chunk(self.heads, dim=-1)):
            scores = self.products.scores(head_queries, head_keys[head]) * (largest * self.scale)
            head_weights = softmax_where(mask, scores)
            contexts.append(self.products.read(head_values[head], head_weights))
            weights = weights + head_weights / self.heads
        return torch.cat(contexts, dim=-1), weights


class Window(nn.Module):
    """Local attention's weights: around a position that the query predicts (Luong et al. 2015, section 3.2, local-p).

    They are those of the paper, scaled to sum to 1: the exponent of the Gaussian is added before the softmax.
    """

    def __init__(self, query_size: int, window: int) -> None:
        super().__init__()
        self.window = float(window)
        self.layer = Linear(query_size, query_size, bias=False)
        self.position = nn.Parameter(torch.empty(query_size).uniform_(-(query_size**-0.5), query_size**-0.5))

    def quantize(self) -> None:
        """Multiply the layer in int8 from now on; the position, a sum for each query, stays exact in float32."""
        self.layer.quantize(1.0)

    def forward(self, queries: Tensor, scores: Tensor, mask: Tensor) -> Tensor:
        """Return weights (B, Q, S) for queries (B, Q, H) with scores (B, Q, S) where mask (B, S) is true."""
        share = steady_sigmoid((torch.tanh(self.layer(queries)) * self.position).sum(dim=-1))  # (B, Q)
        center = share * (mask.sum(dim=-1, keepdim=True) - 1)
        positions = torch.arange(mask.size(1), device=mask.device)
        distance = positions - center.unsqueeze(-1)  # (B, Q, S)
        near = scores.float() - 2 * (distance / self.window).square()  # sigma is half of the window
        return softmax_where(mask, near.masked_fill(distance.abs() > self.window, float("-inf")))


class LocalAttention(nn.Module):
    """Attention with the general score in a window (Luong et al. 2015, section 3.2)."""

    def __init__(self, query_size: int, memory_size: int, window: int) -> None:
        super().__init__()
        self.general = GeneralAttention(query_size, memory_size)
        self.window = Window(query_size, window)

    def quantize(self, bound: float) -> float:
        """See GeneralAttention."""
        self.window.quantize()
        return self.general.quantize(bound)

    def memorize(self, encoded: Tensor) -> Tensor:
        """See GeneralAttention."""
        memory: Tensor = self.general.memorize(encoded)
        return memory

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See GeneralAttention; weights are 0 beyond the window too."""
        scores, values = self.general.scores(queries, memory)
        weights = self.window(queries, scores, mask)
        return self.general.products.read(values, weights), weights


class HybridAttention(nn.Module):
    """Global and local attention by the same scores, mixed by a gate that is learned from the query."""

    def __init__(self, query_size: int, memory_size: int, window: int) -> None:
        super().__init__()
        self.general = GeneralAttention(query_size, memory_size)
        self.window = Window(query_size, window)
        self.gate = Linear(query_size, 1)

    def quantize(self, bound: float) -> float:
        """See GeneralAttention."""
        self.window.quantize()
        self.gate.quantize(1.0)
        return self.general.quantize(bound)

    def memorize(self, encoded: Tensor) -> Tensor:
        """See GeneralAttention."""
        memory: Tensor = self.general.memorize(encoded)
        return memory

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """See GeneralAttention."""
        scores, values = self.general.scores(queries, memory)
        share = steady_sigmoid(self.gate(queries))  # (B, Q, 1)
        weights = share * softmax_where(mask, scores) + (1 - share) * self.window(queries, scores, mask)
        return self.general.products.read(values, weights), weights


class NoAttention(nn.Module):
    """No context (Sutskever et al. 2014): the decoder's first state is all that it knows of the source."""

    def quantize(self, bound: float) -> float:
        """Return the bound of no context."""
        del bound
        return 0.0

    def memorize(self, encoded: Tensor) -> Tensor:
        """Return an empty memory (B, S, 0)."""
        return encoded[..., :0]

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return an empty context (B, Q, 0) and weights (B, Q, S) that are all 0."""
        del mask
        return queries[..., :0], torch.zeros(queries.size(0), queries.size(1), memory.size(1), device=queries.device)


Attention = (
    GeneralAttention
    | DotAttention
    | AdditiveAttention
    | MultiHeadAttention
    | LocalAttention
    | HybridAttention
    | NoAttention
)


def make_attention(config: NetworkConfig) -> Attention:
    """Return the recipe's attention; queries and what the encoder gives have hidden_size."""
    size = config.hidden_size
    match config.attention:
        case "general":
            return GeneralAttention(size, size)
        case "dot":
            return DotAttention()
        case "additive":
            return AdditiveAttention(size, size)
        case "multi-head":
            return MultiHeadAttention(size, size, config.heads)
        case "local":
            return LocalAttention(size, size, config.window)
        case "hybrid":
            return HybridAttention(size, size, config.window)
        case "none":
            return NoAttention()
