"""The encoder-decoder: bidirectional LSTM encoder, LSTM decoder with attention, tied embeddings.

B sentences, S source positions, T target positions, R rows of all sentences, E embedding size, H hidden size, M size
of the memory, V pieces, Z state size.

The decoder's first layer runs without the context, and its output queries the attention ("GNMT v2"). So in training
every layer is one fused call over the whole target and attention is one product; ``decode_step`` is the very same
code over one position.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.attention import GeneralAttention
from model.config import NetworkConfig
from model.int8 import Int8Product, Linear
from model.recurrent import BidirectionalLayer, LSTMLayer, reverse_positions
from model.tokenizer import PAD


class Grid(NamedTuple):
    """Where the rows of a step stand when each sentence has ``width`` places: row r of sentence b at b * width + k.

    Beams differ in width and narrow as hypotheses end. Only attention needs them as a rectangle; all other products,
    which are most of a step's cost, are over the rows that there are.
    """

    places: Tensor  # (R)
    width: int


class Encoder(nn.Module):
    """Stacked bidirectional layers with residual connections from the second on."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        sizes = [config.embedding_size] + [config.hidden_size] * (config.encoder_layers - 1)
        self.layers = nn.ModuleList(BidirectionalLayer(size, config.hidden_size) for size in sizes)
        self.dropout = nn.Dropout(config.dropout)
        self.output_bound = float(config.encoder_layers)
        """Each layer adds at most 1 to what it reads."""

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for embeddings whose magnitude is at most ``bound``."""
        for i, layer in enumerate(self.layers):
            layer.quantize(bound if i == 0 else float(i))  # type: ignore[operator]

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Read embedded (B, S, E) with lengths (B) → (B, S, H)."""
        reverse = reverse_positions(lengths, embedded.size(1))
        encoded = embedded
        for i, layer in enumerate(self.layers):
            outputs = layer(self.dropout(encoded), reverse)
            encoded = outputs if i == 0 else outputs + encoded
        return encoded


class Decoder(nn.Module):
    """LSTM layers with residual connections; all but the first read the context too."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        sizes = [config.embedding_size] + [2 * hidden] * (config.decoder_layers - 1)
        layers = [LSTMLayer(size, hidden) for size in sizes]
        self.layers = nn.ModuleList(layers)
        self.layer_state_size = layers[0].state_size
        self.state_size = self.layer_state_size * config.decoder_layers
        self.attention = GeneralAttention(hidden, hidden)
        self.output = Linear(2 * hidden, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)

    def quantize(self, bound: float, context_bound: float) -> None:
        """Multiply in int8 from now on, for embeddings and contexts of at most these magnitudes."""
        for i, layer in enumerate(self.layers):
            layer.quantize(bound if i == 0 else max(float(i), context_bound))  # type: ignore[operator]
        self.attention.quantize(context_bound)
        self.output.quantize(max(float(len(self.layers)), context_bound))

    def forward(
        self, embedded: Tensor, state: Tensor, memory: Tensor, mask: Tensor, grid: Grid | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run all layers over embedded (R, T, E) from state (R, Z), attending to memory (B, S, M) under mask (B, S).

        Row r belongs to sentence r, or to the one that ``grid`` says. Returns features (R, T, E), state (R, Z) and
        weights (R, T, S).
        """
        states = torch.split(state, self.layer_state_size, dim=-1)
        hidden = embedded
        context = weights = embedded  # TorchScript wants them defined on every path; the first layer sets them
        new_states: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            if i == 0:
                hidden, new_state = layer(self.dropout(embedded), states[i])
                if grid is None:
                    context, weights = self.attention(hidden, memory, mask)
                else:
                    context, weights = self._attend_in_grid(hidden.squeeze(1), memory, mask, grid)
            else:
                outputs, new_state = layer(self.dropout(torch.cat((hidden, context), dim=-1)), states[i])
                hidden = outputs + hidden
            new_states.append(new_state)
        features = torch.tanh(self.output(self.dropout(torch.cat((hidden, context), dim=-1))))
        return features, torch.cat(new_states, dim=-1), weights

    def _attend_in_grid(self, queries: Tensor, memory: Tensor, mask: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Attend with queries (R, H), any number of rows a sentence → context (R, 1, H) and weights (R, 1, S)."""
        size = queries.size(-1)
        spread = queries.new_zeros(memory.size(0) * grid.width, size).index_copy(0, grid.places, queries)
        context, weights = self.attention(spread.view(-1, grid.width, size), memory, mask)
        context = context.flatten(0, 1).index_select(0, grid.places)
        weights = weights.flatten(0, 1).index_select(0, grid.places)
        return context.unsqueeze(1), weights.unsqueeze(1)


class Seq2Seq(nn.Module):
    """The network: ``forward`` for training, ``encode`` and ``decode_step`` for a search.

    ``pieces`` is the tokenizer's size V. Inputs are piece ids, int64, padded with PAD; lengths count real positions.
    """

    def __init__(self, config: NetworkConfig, pieces: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(pieces, config.embedding_size, padding_idx=PAD)
        nn.init.normal_(self.embedding.weight, std=config.embedding_size**-0.5)
        with torch.no_grad():
            self.embedding.weight[PAD].zero_()
        # Embeddings of unit norm suit the output layer they are tied with; inputs are lifted to unit variance.
        self.embedding_scale = config.embedding_size**0.5
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.bridge = Linear(config.hidden_size, self.decoder.state_size)
        self.output_bias = nn.Parameter(torch.zeros(pieces))
        self.int8_output = Int8Product()

    def quantize(self) -> None:
        """Multiply in int8 from now on: for serving on a CPU, never for training. Inputs stay within these bounds."""
        embedding_bound = float(self.embedding.weight.abs().max()) * self.embedding_scale
        encoder_bound = self.encoder.output_bound
        self.encoder.quantize(embedding_bound)
        self.bridge.quantize(encoder_bound)
        self.decoder.quantize(embedding_bound, encoder_bound)
        self.int8_output.pack(self.embedding.weight, self.output_bias, 1.0)

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: source (B, S), lengths (B), target (B, T) shifted right → logits (B, T, V)."""
        memory, mask, state = self.encode(source, lengths)
        features, _, _ = self.decoder(self._embed(target), state, memory, mask)
        return nn.functional.linear(features, self.embedding.weight, self.output_bias)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read source (B, S) with lengths (B) → memory (B, S, M), mask (B, S), first decoder state (B, Z)."""
        encoded = self.encoder(self._embed(source), lengths)
        mask = torch.arange(source.size(1), device=source.device).unsqueeze(0) < lengths.unsqueeze(1)  # (B, S)
        total = (encoded * mask.unsqueeze(-1)).sum(dim=1)
        state = torch.tanh(self.bridge(total / lengths.unsqueeze(1)))
        return self.decoder.attention.memorize(encoded), mask, state

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, mask: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance every row by one piece.

        pieces (R), state (R, Z), memory (B, S, M), mask (B, S); places (R) and width as in Grid → logits (R, V),
        state (R, Z) and attention weights (R, S).
        """
        features, state, weights = self.decoder(
            self._embed(pieces).unsqueeze(1), state, memory, mask, Grid(places, width)
        )
        return self._logits(features.squeeze(1)), state, weights.squeeze(1)

    def _embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces) * self.embedding_scale
        return embedded

    def _logits(self, features: Tensor) -> Tensor:
        if self.int8_output.is_packed():
            logits: Tensor = self.int8_output(features)
            return logits
        return nn.functional.linear(features, self.embedding.weight, self.output_bias)
