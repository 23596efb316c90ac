"""Recurrent layers behind one call: inputs and one state tensor in, outputs and one state tensor out.

B sentences or rows, T positions, I input size, H hidden size, Z state size. A cell keeps all that it remembers in one
tensor (B, Z), whatever its kind, so that the search can pick, copy and drop rows by indexing. Its outputs are at most
1 in magnitude, and so is h in its state: in int8 that is their grid.
"""

import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.int8 import Int8Product, Linear, release, sigmoid_of_rows


class RNNLayer(nn.Module):
    """One layer of the plain recurrent network (Elman 1990) with tanh, whose state is h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = hidden_size
        self.rnn = nn.RNN(input_size, hidden_size, batch_first=True)
        self.int8_inputs = Int8Product()
        self.int8_hidden = Int8Product()

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``; h is at most 1."""
        bias: Tensor = self.rnn.bias_ih_l0 + self.rnn.bias_hh_l0  # type: ignore[operator]
        self.int8_inputs.pack(self.rnn.weight_ih_l0, bias, bound)  # type: ignore[arg-type]
        self.int8_hidden.pack(self.rnn.weight_hh_l0, None, 1.0)  # type: ignore[arg-type]
        release(self.rnn.weight_ih_l0)  # type: ignore[arg-type]
        release(self.rnn.weight_hh_l0)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.int8_inputs.is_packed():
            return self._in_int8(inputs, state)
        h = state.to(inputs.dtype)
        if inputs.size(1) == 1:
            rnn = self.rnn
            h = torch.rnn_tanh_cell(
                inputs.squeeze(1),
                h,
                rnn.weight_ih_l0,  # type: ignore[arg-type]
                rnn.weight_hh_l0,  # type: ignore[arg-type]
                rnn.bias_ih_l0,  # type: ignore[arg-type]
                rnn.bias_hh_l0,  # type: ignore[arg-type]
            )
            return h.unsqueeze(1), h
        outputs, h = self.rnn(inputs, h.unsqueeze(0).contiguous())
        return outputs, h.squeeze(0)

    def _in_int8(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        positions = inputs.size(1)
        of_inputs = self.int8_inputs(inputs.transpose(0, 1).flatten(0, 1)).view(positions, -1, h.size(-1))
        outputs: list[Tensor] = []
        for t in range(positions):
            h = torch.tanh(of_inputs[t] + self.int8_hidden(h))
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


class GRULayer(nn.Module):
    """One layer of gated recurrent units (Cho et al. 2014, in the form of cuDNN), whose state is h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = hidden_size
        self.gru = nn.GRU(input_size, hidden_size, batch_first=True)
        self.int8_inputs = Int8Product()
        self.int8_hidden = Int8Product()

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``; h is at most 1."""
        self.int8_inputs.pack(self.gru.weight_ih_l0, self.gru.bias_ih_l0, bound)  # type: ignore[arg-type]
        self.int8_hidden.pack(self.gru.weight_hh_l0, self.gru.bias_hh_l0, 1.0)  # type: ignore[arg-type]
        release(self.gru.weight_ih_l0)  # type: ignore[arg-type]
        release(self.gru.weight_hh_l0)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.int8_inputs.is_packed():
            return self._in_int8(inputs, state)
        h = state.to(inputs.dtype)
        if inputs.size(1) == 1:
            gru = self.gru
            h = torch.gru_cell(
                inputs.squeeze(1),
                h,
                gru.weight_ih_l0,  # type: ignore[arg-type]
                gru.weight_hh_l0,  # type: ignore[arg-type]
                gru.bias_ih_l0,  # type: ignore[arg-type]
                gru.bias_hh_l0,  # type: ignore[arg-type]
            )
            return h.unsqueeze(1), h
        outputs, h = self.gru(inputs, h.unsqueeze(0).contiguous())
        return outputs, h.squeeze(0)

    def _in_int8(self, inputs: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        positions = inputs.size(1)
        of_inputs = self.int8_inputs(inputs.transpose(0, 1).flatten(0, 1)).view(positions, -1, 3 * h.size(-1))
        outputs: list[Tensor] = []
        for t in range(positions):
            r, z, n = of_inputs[t].chunk(3, dim=-1)
            r_of_h, z_of_h, n_of_h = self.int8_hidden(h).chunk(3, dim=-1)
            n = torch.tanh(n + sigmoid_of_rows(r + r_of_h) * n_of_h)
            h = n + sigmoid_of_rows(z + z_of_h) * (h - n)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h


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
            i, f, g, o = sigmoid_of_rows(of_inputs[t] + self.int8_hidden(h)).chunk(4, dim=-1)
            c = torch.addcmul(f * c - i, i, g, value=2.0)
            h = torch.addcmul(-o, o, sigmoid_of_rows(c + c), value=2.0)
            outputs.append(h)
        return torch.stack(outputs, dim=1), torch.cat((h, c), dim=-1)


class NormalizedLSTMLayer(nn.Module):
    """One LSTM layer with layer normalization (Ba et al. 2016, equations 20-22), whose state is (h, c) side by side.

    No kernel is fused for it: what the inputs give is one product over all positions, what h gives a loop.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.state_size = 2 * hidden_size
        self.inputs = Linear(input_size, 4 * hidden_size, bias=False)
        self.hidden = Linear(hidden_size, 4 * hidden_size, bias=False)
        self.inputs_norm = nn.LayerNorm(4 * hidden_size)
        self.hidden_norm = nn.LayerNorm(4 * hidden_size, bias=False)  # the other's is added to it
        self.cell_norm = nn.LayerNorm(hidden_size)
        with torch.no_grad():
            self.inputs_norm.bias[hidden_size : 2 * hidden_size] = 1.0  # as in LSTMLayer; the same order of gates

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``; h is at most 1."""
        self.inputs.quantize(bound)
        self.hidden.quantize(1.0)

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        of_inputs = self.inputs_norm(self.inputs(inputs))
        h, c = state.to(inputs.dtype).chunk(2, dim=-1)
        outputs: list[Tensor] = []
        for t in range(inputs.size(1)):
            i, f, g, o = (of_inputs[:, t] + self.hidden_norm(self.hidden(h))).chunk(4, dim=-1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(self.cell_norm(c))
            outputs.append(h)
        return torch.stack(outputs, dim=1), torch.cat((h, c), dim=-1)


RecurrentLayer = RNNLayer | GRULayer | LSTMLayer | NormalizedLSTMLayer


def make_cell(config: NetworkConfig, input_size: int, hidden_size: int) -> RecurrentLayer:
    """Return a layer of the recipe's cell."""
    match config.cell:
        case "rnn":
            return RNNLayer(input_size, hidden_size)
        case "gru":
            return GRULayer(input_size, hidden_size)
        case "lstm":
            return LSTMLayer(input_size, hidden_size)
        case "lstm-norm":
            return NormalizedLSTMLayer(input_size, hidden_size)
