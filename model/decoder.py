"""The decoder: recurrent layers with attention, the same code over a whole target and over one position of a search.

B sentences, S source positions, T target positions, R rows of all sentences, E embedding size, H hidden size, M size
of the memory, Z state size.

The first layer runs without the context, and its output queries the attention ("GNMT v2"). So in training every layer
is one fused call over the whole target and attention is one product. Input feeding takes that away: then training
loops over the positions.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.attention import make_attention
from model.config import NetworkConfig
from model.int8 import Linear
from model.recurrent import make_cell


class Grid(NamedTuple):
    """Where the rows of a step stand when each sentence has ``width`` places: row r of sentence b at b * width + k.

    Beams differ in width and narrow as hypotheses end. Only attention needs them as a rectangle; all other products,
    which are most of a step's cost, are over the rows that there are.
    """

    places: Tensor  # (R)
    width: int


class Decoder(nn.Module):
    """Recurrent layers, residual where the recipe says so; all but the first read the context too.

    The state is that of all layers side by side; with input feeding, the features of the step before come last.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        self.fed_size = config.embedding_size if config.input_feeding else 0
        read_size = hidden if config.attention == "none" else 2 * hidden
        sizes = [config.embedding_size + self.fed_size] + [read_size] * (config.decoder_layers - 1)
        layers = [make_cell(config, size, hidden) for size in sizes]
        self.layers = nn.ModuleList(layers)
        self.layer_state_size = layers[0].state_size
        self.state_size = self.layer_state_size * config.decoder_layers + self.fed_size
        self.residual = config.residual
        self.attention = make_attention(config)
        self.output = Linear(read_size, config.embedding_size)
        self.dropout = nn.Dropout(config.dropout)

    def quantize(self, bound: float, encoder_bound: float) -> None:
        """Multiply in int8 from now on, for embeddings and encoder outputs of at most these magnitudes."""
        context_bound = self.attention.quantize(encoder_bound)
        if self.fed_size > 0:
            bound = max(bound, 1.0)
        for i, layer in enumerate(self.layers):
            layer.quantize(bound if i == 0 else max(self._hidden_bound(i), context_bound))  # type: ignore[operator]
        self.output.quantize(max(self._hidden_bound(len(self.layers)), context_bound))

    def _hidden_bound(self, layers: int) -> float:
        return float(layers) if self.residual else 1.0

    def forward(
        self, embedded: Tensor, state: Tensor, memory: Tensor, mask: Tensor, grid: Grid | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run all layers over embedded (R, T, E) from state (R, Z), attending to memory (B, S, M) under mask (B, S).

        Row r belongs to sentence r, or to the one that ``grid`` says. Returns features (R, T, E), state (R, Z) and
        weights (R, T, S).
        """
        if self.fed_size == 0:
            return self._run(embedded, state, memory, mask, grid)
        features: list[Tensor] = []
        weights: list[Tensor] = []
        for t in range(embedded.size(1)):
            state, fed = state[:, : -self.fed_size], state[:, -self.fed_size :]
            inputs = torch.cat((embedded[:, t], fed.to(embedded.dtype)), dim=-1).unsqueeze(1)
            new_features, state, new_weights = self._run(inputs, state, memory, mask, grid)
            state = torch.cat((state, new_features.squeeze(1)), dim=-1)
            features.append(new_features)
            weights.append(new_weights)
        return torch.cat(features, dim=1), state, torch.cat(weights, dim=1)

    def _run(
        self, inputs: Tensor, state: Tensor, memory: Tensor, mask: Tensor, grid: Grid | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Run all layers over what the first of them reads."""
        states = torch.split(state, self.layer_state_size, dim=-1)
        hidden = context = weights = inputs  # TorchScript wants them defined on every path; the first layer sets them
        new_states: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            if i == 0:
                hidden, new_state = layer(self.dropout(inputs), states[i])
                if grid is None:
                    context, weights = self.attention(hidden, memory, mask)
                else:
                    context, weights = self._attend_in_grid(hidden.squeeze(1), memory, mask, grid)
            else:
                outputs, new_state = layer(self.dropout(torch.cat((hidden, context), dim=-1)), states[i])
                hidden = outputs + hidden if self.residual else outputs
            new_states.append(new_state)
        features = torch.tanh(self.output(self.dropout(torch.cat((hidden, context), dim=-1))))
        return features, torch.cat(new_states, dim=-1), weights

    def _attend_in_grid(self, queries: Tensor, memory: Tensor, mask: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
        """Attend with queries (R, H), any number of rows a sentence → context (R, 1, C) and weights (R, 1, S)."""
        size = queries.size(-1)
        spread = queries.new_zeros(memory.size(0) * grid.width, size).index_copy(0, grid.places, queries)
        context, weights = self.attention(spread.view(-1, grid.width, size), memory, mask)
        context = context.flatten(0, 1).index_select(0, grid.places)
        weights = weights.flatten(0, 1).index_select(0, grid.places)
        return context.unsqueeze(1), weights.unsqueeze(1)
