"""Recurrent layers behind one call: inputs and one state tensor in, outputs and one state tensor out.

B sentences or rows, T positions, I input size, H hidden size, Z state size. A cell keeps all that it remembers in one
tensor (B, Z), whatever its kind, so that the search can pick, copy and drop rows by indexing.
"""

import torch
from torch import Tensor, nn

from model.int8 import Int8Product, release


class LSTMLayer(nn.Module):
    """One unidirectional LSTM layer (Hochreiter & Schmidhuber 1997) whose state is (h, c) side by side."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_size = 2 * hidden_size
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        for parameter in self.lstm.parameters():
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)
        with torch.no_grad():
            # Remember by default (Jozefowicz et al. 2015); the gates are ordered i, f, g, o and have two biases.
            self.lstm.get_parameter("bias_ih_l0")[hidden_size : 2 * hidden_size] = 1.0
            self.lstm.get_parameter("bias_hh_l0")[hidden_size : 2 * hidden_size] = 0.0
        self.int8_inputs = Int8Product()
        self.int8_hidden = Int8Product()

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``; h is at most 1."""
        weights = torch.cat((self.lstm.weight_ih_l0, self.lstm.weight_hh_l0), dim=1)  # type: ignore[arg-type]
        bias: Tensor = self.lstm.bias_ih_l0 + self.lstm.bias_hh_l0  # type: ignore[operator]
        # tanh(x) = 2 sigmoid(2 x) - 1, and PyTorch's sigmoid takes a tenth of its tanh's time: with g doubled here, one
        # sigmoid makes all four gates.
        doubled = torch.ones(4, device=bias.device)
        doubled[2] = 2.0
        doubled = doubled.repeat_interleave(self.hidden_size)
        of_inputs, of_hidden = torch.split(weights * doubled.unsqueeze(1), [self.input_size, self.hidden_size], dim=1)
        self.int8_inputs.pack(of_inputs.contiguous(), bias * doubled, bound)
        self.int8_hidden.pack(of_hidden.contiguous(), None, 1.0)
        release(self.lstm.weight_ih_l0)  # type: ignore[arg-type]
        release(self.lstm.weight_hh_l0)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.int8_inputs.is_packed():
            return self._in_int8(inputs, state)
        h, c = state.to(inputs.dtype).chunk(2, dim=-1)
        if inputs.size(1) == 1:
            # A step of a search: oneDNN's layer would lay out the weights anew for it (5 rows: 5.3 ms instead of 1.3).
            lstm = self.lstm
            h, c = torch.lstm_cell(
                inputs.squeeze(1),
                [h, c],
                lstm.weight_ih_l0,  # type: ignore[arg-type]
                lstm.weight_hh_l0,  # type: ignore[arg-type]
                lstm.bias_ih_l0,  # type: ignore[arg-type]
                lstm.bias_hh_l0,  # type: ignore[arg-type]
            )
            return h.unsqueeze(1), torch.cat((h, c), dim=-1)
        outputs, (h, c) = self.lstm(inputs, (h.unsqueeze(0).contiguous(), c.unsqueeze(0).contiguous()))
        return outputs, torch.cat((h, c), dim=-1).squeeze(0)

    def _in_int8(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        positions = inputs.size(1)
        of_inputs = self.int8_inputs(inputs.transpose(0, 1).flatten(0, 1)).view(positions, -1, 4 * self.hidden_size)
        h, c = state.chunk(2, dim=-1)
        outputs: list[Tensor] = []
        for t in range(positions):
            i, f, g, o = torch.sigmoid(of_inputs[t] + self.int8_hidden(h)).chunk(4, dim=-1)
            c = torch.addcmul(f * c - i, i, g, value=2.0)
            h = torch.addcmul(-o, o, torch.sigmoid(c + c), value=2.0)
            outputs.append(h)
        return torch.stack(outputs, dim=1), torch.cat((h, c), dim=-1)


def reverse_positions(lengths: Tensor, positions: int) -> Tensor:
    """Return indices (B, T) that reverse each sentence within its own length and leave its padding in place.

    Reading a reversed sentence forwards is the backward direction of a bidirectional layer without packing: padding
    always comes after the last real position, in both directions, and so cannot reach it.
    """
    forwards = torch.arange(positions, device=lengths.device).unsqueeze(0)  # (1, T)
    backwards = lengths.unsqueeze(1) - 1 - forwards  # (B, T)
    return torch.where(backwards >= 0, backwards, forwards)


class BidirectionalLayer(nn.Module):
    """Two LSTM layers of half the size, one in each direction, side by side."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.forwards = LSTMLayer(input_size, hidden_size // 2)
        self.backwards = LSTMLayer(input_size, hidden_size // 2)

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``."""
        self.forwards.quantize(bound)
        self.backwards.quantize(bound)

    def forward(self, inputs: Tensor, reverse: Tensor) -> Tensor:
        """Read inputs (B, T, I) both ways; ``reverse`` as from reverse_positions. Returns (B, T, H)."""
        state = inputs.new_zeros(inputs.size(0), self.forwards.state_size)
        forwards, _ = self.forwards(inputs, state)
        flipped = inputs.gather(1, reverse.unsqueeze(-1).expand(-1, -1, inputs.size(-1)))
        backwards, _ = self.backwards(flipped, state)
        backwards = backwards.gather(1, reverse.unsqueeze(-1).expand(-1, -1, backwards.size(-1)))
        return torch.cat((forwards, backwards), dim=-1)
