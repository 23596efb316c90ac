"""The encoder: stacked layers that read a source in both directions, in one, or by convolution.

B sentences, S source positions, E embedding size, I input size, H hidden size.

Sentences are padded to one length. No layer lets padding reach a real position, so what a sentence gets is what it
would get alone; what stands at the padding itself means nothing.
"""

from typing import Any, Final

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.int8 import Linear
from model.recurrent import make_cell

MAX_POSITIONS = 512
"""Positions that a convolutional encoder tells apart; all that lie beyond are like the last."""


class Encoder(nn.Module):
    """Layers of one kind, with residual connections from the second on where the recipe says so."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        hidden = config.hidden_size
        sizes = [config.embedding_size] + [hidden] * (config.encoder_layers - 1)
        self.positions = Positions(config.embedding_size) if config.encoder == "convolutional" else None
        self.layers = nn.ModuleList(_make_layer(config, size) for size in sizes)
        self.residual = config.residual
        self.dropout = nn.Dropout(config.dropout)
        self.output_bound = float(config.encoder_layers if config.residual else 1)
        """Each layer adds at most 1 to what it reads."""

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for embeddings whose magnitude is at most ``bound``."""
        if self.positions is not None:
            bound += self.positions.bound()
        for i, layer in enumerate(self.layers):
            layer.quantize(bound if i == 0 else float(i) if self.residual else 1.0)  # type: ignore[operator]

    def forward(self, embedded: Tensor, lengths: Tensor) -> Tensor:
        """Read embedded (B, S, E) with lengths (B) → (B, S, H)."""
        encoded = embedded
        if self.positions is not None:
            encoded = self.positions(embedded)
        for i, layer in enumerate(self.layers):
            outputs = layer(self.dropout(encoded), lengths)
            encoded = outputs + encoded if self.residual and i > 0 else outputs
        return encoded


def _make_layer(config: NetworkConfig, input_size: int) -> nn.Module:
    match config.encoder:
        case "bidirectional":
            return BidirectionalLayer(config, input_size)
        case "unidirectional":
            return UnidirectionalLayer(config, input_size)
        case "convolutional":
            return ConvolutionalLayer(input_size, config.hidden_size)


def reverse_positions(lengths: Tensor, positions: int) -> Tensor:
    """Return the rows (B * S) that reverse each sentence within its own length and leave its padding in place.

    Reading a reversed sentence forwards is the backward direction of a bidirectional layer without packing: padding
    always comes after the last real position, in both directions, and so cannot reach it.
    """
    forwards = torch.arange(positions, device=lengths.device).unsqueeze(0)  # (1, S)
    backwards = lengths.unsqueeze(1) - 1 - forwards  # (B, S)
    first = torch.arange(0, lengths.size(0) * positions, positions, device=lengths.device)  # (B)
    return (torch.where(backwards >= 0, backwards, forwards) + first.unsqueeze(1)).flatten()


def reordered(inputs: Tensor, rows: Tensor) -> Tensor:
    """Return inputs (B, S, I), of all sentences together the rows (B * S) that are named."""
    return inputs.flatten(0, 1).index_select(0, rows).view(inputs.shape)


class BidirectionalLayer(nn.Module):
    """Two recurrent layers of half the size, one in each direction, side by side."""

    in_one_loop: Final[bool]
    """Whether in int8 both directions go through the positions together, which takes little more time than one."""

    def __init__(self, config: NetworkConfig, input_size: int) -> None:
        super().__init__()
        self.in_one_loop = config.cell != "lstm-norm"
        self.forwards: Any = make_cell(config, input_size, config.hidden_size // 2)
        self.backwards: Any = make_cell(config, input_size, config.hidden_size // 2)

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``."""
        self.forwards.quantize(bound)
        self.backwards.quantize(bound)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Read inputs (B, S, I) with lengths (B) both ways → (B, S, H)."""
        reverse = reverse_positions(lengths, inputs.size(1))
        forwards, backwards = self._run(inputs, reordered(inputs, reverse))
        return torch.cat((forwards, reordered(backwards, reverse)), dim=-1)

    def _run(self, inputs: Tensor, reversed_inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Run both layers, each over its inputs (B, S, I) → (B, S, H / 2) each."""
        if self.in_one_loop:  # noqa: SIM102 - alone: so TorchScript leaves out what a cell does not have
            if self.forwards.is_quantized():
                return self._run_in_int8(inputs, reversed_inputs)
        state = inputs.new_zeros(inputs.size(0), self.forwards.state_size)
        forwards, _ = self.forwards(inputs, state)
        backwards, _ = self.backwards(reversed_inputs, state)
        return forwards, backwards

    def _run_in_int8(self, inputs: Tensor, reversed_inputs: Tensor) -> tuple[Tensor, Tensor]:
        of_inputs = [
            self.forwards.int8_inputs(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2]),
            self.backwards.int8_inputs(reversed_inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2]),
        ]
        hidden = [self.forwards.int8_hidden.weights(), self.backwards.int8_hidden.weights()]
        state = inputs.new_zeros(2, inputs.size(0), self.forwards.state_size)
        outputs, _ = self.forwards.in_int8(of_inputs, hidden, state)  # (S, 2, B, H / 2)
        forwards, backwards = outputs.permute(1, 2, 0, 3).unbind()
        return forwards, backwards


class UnidirectionalLayer(nn.Module):
    """A recurrent layer that reads from the first position to the last."""

    def __init__(self, config: NetworkConfig, input_size: int) -> None:
        super().__init__()
        self.forwards = make_cell(config, input_size, config.hidden_size)

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``."""
        self.forwards.quantize(bound)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Read inputs (B, S, I) with lengths (B) → (B, S, H)."""
        del lengths  # padding comes after all that is real
        outputs: Tensor = self.forwards(inputs, inputs.new_zeros(inputs.size(0), self.forwards.state_size))[0]
        return outputs


class ConvolutionalLayer(nn.Module):
    """A convolution over three positions with tanh (Gehring et al. 2017, section 3), as one product for int8."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.convolution = Linear(3 * input_size, hidden_size)

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``."""
        self.convolution.quantize(bound)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """Read inputs (B, S, I) with lengths (B) → (B, S, H); beyond either end of a sentence there are zeros."""
        is_padding = torch.arange(inputs.size(1), device=lengths.device) >= lengths.unsqueeze(1)  # (B, S)
        inputs = inputs.masked_fill(is_padding.unsqueeze(-1), 0.0)
        before = nn.functional.pad(inputs, [0, 0, 1, 0])[:, :-1]
        after = nn.functional.pad(inputs, [0, 0, 0, 1])[:, 1:]
        return torch.tanh(self.convolution(torch.cat((before, inputs, after), dim=-1)))


class Positions(nn.Module):
    """Adds a learned embedding of its position to each piece; one that training never saw adds nothing."""

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(MAX_POSITIONS, embedding_size)
        nn.init.zeros_(self.embedding.weight)

    def bound(self) -> float:
        """Return the magnitude of the largest number that is added."""
        return float(self.embedding.weight.abs().max())

    def forward(self, embedded: Tensor) -> Tensor:
        """Return embedded (B, S, E) with positions (B, S, E)."""
        positions = torch.arange(embedded.size(1), device=embedded.device).clamp(max=self.embedding.num_embeddings - 1)
        added: Tensor = embedded + self.embedding(positions)
        return added
