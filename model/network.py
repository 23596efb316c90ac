"""The encoder-decoder: bidirectional LSTM encoder, LSTM decoder with attention, tied embeddings.

B sentences, S source positions, T target positions, K rows a sentence, R = B * K rows, E embedding size, H hidden
size, V pieces, Z state size.

The decoder's first layer runs without the context, and its output queries the attention ("GNMT v2"). So in training
every layer is one fused call over the whole target and attention is one product; ``decode_step`` is the very same
code over one position.
"""

import torch
from torch import Tensor, nn

from model.attention import GeneralAttention
from model.config import NetworkConfig
from model.recurrent import BidirectionalLayer, LSTMLayer, reverse_positions
from model.tokenizer import PAD


class Encoder(nn.Module):
    """Stacked bidirectional layers with residual connections from the second on."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        sizes = [config.embedding_size] + [config.hidden_size] * (config.encoder_layers - 1)
        self.layers = nn.ModuleList(BidirectionalLayer(size, config.hidden_size) for size in sizes)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Read embedded (B, S, E) with lengths (B) → memory (B, S, H)."""
        reverse = reverse_positions(lengths, embedded.size(1))
        memory = embedded
        for i, layer in enumerate(self.layers):
            outputs = layer(self.dropout(memory), reverse)
            memory = outputs if i == 0 else outputs + memory
        return memory


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
        self.output = nn.Linear(2 * hidden, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, embedded: Tensor, state: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run all layers over embedded (R, T, E) from state (R, Z), attending to memory (B, S, H) under mask (B, S).

        Row r belongs to sentence r // K. Returns features (R, T, E), state (R, Z) and weights (R, T, S).
        """
        rows, positions = embedded.size(0), embedded.size(1)
        sentences = memory.size(0)
        states = torch.split(state, self.layer_state_size, dim=-1)
        hidden = embedded
        context = weights = embedded  # TorchScript wants them defined on every path; the first layer sets them
        new_states: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            if i == 0:
                hidden, new_state = layer(self.dropout(embedded), states[i])
                queries = hidden.reshape(sentences, -1, hidden.size(-1))  # (B, K * T, H)
                context, weights = self.attention(queries, memory, mask)
                context = context.reshape(rows, positions, -1)
                weights = weights.reshape(rows, positions, -1)
            else:
                outputs, new_state = layer(self.dropout(torch.cat((hidden, context), dim=-1)), states[i])
                hidden = outputs + hidden
            new_states.append(new_state)
        features = torch.tanh(self.output(self.dropout(torch.cat((hidden, context), dim=-1))))
        return features, torch.cat(new_states, dim=-1), weights


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
        self.bridge = nn.Linear(config.hidden_size, self.decoder.state_size)
        self.output_bias = nn.Parameter(torch.zeros(pieces))

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        """Teacher forcing: source (B, S), lengths (B), target (B, T) shifted right → logits (B, T, V)."""
        memory, mask, state = self.encode(source, lengths)
        features, _, _ = self.decoder(self._embed(target), state, memory, mask)
        return self._logits(features)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read source (B, S) with lengths (B) → memory (B, S, H), mask (B, S), first decoder state (B, Z)."""
        memory = self.encoder(self._embed(source), lengths)
        mask = torch.arange(source.size(1), device=source.device).unsqueeze(0) < lengths.unsqueeze(1)  # (B, S)
        total = (memory * mask.unsqueeze(-1)).sum(dim=1)
        state = torch.tanh(self.bridge(total / lengths.unsqueeze(1)))
        return memory, mask, state

    def decode_step(self, pieces: Tensor, state: Tensor, memory: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Advance K rows of each sentence by one piece.

        pieces (B, K), state (B, K, Z), memory (B, S, H), mask (B, S) → logits (B, K, V), state (B, K, Z) and
        attention weights (B, K, S).
        """
        sentences, rows = pieces.size(0), pieces.size(1)
        embedded = self._embed(pieces.reshape(-1, 1))  # (R, 1, E)
        features, state, weights = self.decoder(embedded, state.reshape(sentences * rows, -1), memory, mask)
        logits = self._logits(features.squeeze(1))
        return (
            logits.reshape(sentences, rows, -1),
            state.reshape(sentences, rows, -1),
            weights.reshape(sentences, rows, -1),
        )

    def _embed(self, pieces: Tensor) -> Tensor:
        embedded: Tensor = self.embedding(pieces) * self.embedding_scale
        return embedded

    def _logits(self, features: Tensor) -> Tensor:
        return nn.functional.linear(features, self.embedding.weight, self.output_bias)
