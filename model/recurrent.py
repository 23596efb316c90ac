"""Recurrent layers behind one call: inputs and one state tensor in, outputs and one state tensor out.

B sentences or rows, T positions, I input size, H hidden size, Z state size. A cell keeps all that it remembers in one
tensor (B, Z), whatever its kind, so that the search can pick, copy and drop rows by indexing. Its outputs are at most
1 in magnitude, and so is h in its state: in int8 that is their grid.
"""

import torch
from torch import Tensor, nn

from model import cudnn
from model.config import NetworkConfig
from model.int8 import Int8Product, Linear, Packed, of_hidden, release, room_for_sigmoid, sigmoid_of_rows


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

    def is_quantized(self) -> bool:
        """Say whether ``in_int8`` can be called."""
        return self.int8_inputs.is_packed()

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.is_quantized():
            of_inputs = [self.int8_inputs(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])]
            outputs, last = self.in_int8(of_inputs, [self.int8_hidden.weights()], state.unsqueeze(0))
            return outputs.squeeze(1).transpose(0, 1), last.squeeze(0)
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
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            mixed = cudnn.in_bfloat16(self.rnn, inputs, h, None)
            if mixed is not None:
                outputs, h, _ = mixed
                return outputs, h
        outputs, h = self.rnn(inputs, h.unsqueeze(0).contiguous())
        return outputs, h.squeeze(0)

    def in_int8(self, of_inputs: list[Tensor], hidden: list[Packed], state: Tensor) -> tuple[Tensor, Tensor]:
        """See LSTMLayer; gates are h before its tanh."""
        directions, sentences, positions = len(of_inputs), of_inputs[0].size(0), of_inputs[0].size(1)
        outputs = state.new_empty(positions + 1, directions, sentences, self.state_size)
        outputs[0] = state
        x_at = [x.unbind(1) for x in of_inputs]
        h_at = [outputs[:, d].unbind() for d in range(directions)]
        for t in range(positions):
            for d, weights in enumerate(hidden):
                torch.add(x_at[d][t], of_hidden(h_at[d][t], weights), out=h_at[d][t + 1])
            outputs[t + 1].tanh_()
        return outputs[1:], outputs[-1]


class GRULayer(nn.Module):
    """One layer of gated recurrent units (Cho et al. 2014, in the form of cuDNN), whose state is h."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size
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

    def is_quantized(self) -> bool:
        """Say whether ``in_int8`` can be called."""
        return self.int8_inputs.is_packed()

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.is_quantized():
            of_inputs = [self.int8_inputs(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])]
            outputs, last = self.in_int8(of_inputs, [self.int8_hidden.weights()], state.unsqueeze(0))
            return outputs.squeeze(1).transpose(0, 1), last.squeeze(0)
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
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            mixed = cudnn.in_bfloat16(self.gru, inputs, h, None)
            if mixed is not None:
                outputs, h, _ = mixed
                return outputs, h
        outputs, h = self.gru(inputs, h.unsqueeze(0).contiguous())
        return outputs, h.squeeze(0)

    def in_int8(self, of_inputs: list[Tensor], hidden: list[Packed], state: Tensor) -> tuple[Tensor, Tensor]:
        """See LSTMLayer; the gates are r, z and n."""
        size = self.hidden_size
        directions, sentences, positions = len(of_inputs), of_inputs[0].size(0), of_inputs[0].size(1)
        gates = room_for_sigmoid(state, directions, sentences, 2 * size)
        r, z = gates.chunk(2, dim=-1)
        n = state.new_empty(directions, sentences, size)
        outputs = state.new_empty(positions + 1, directions, sentences, size)
        outputs[0] = state
        rz_at = [x[..., : 2 * size].unbind(1) for x in of_inputs]
        n_at = [x[..., 2 * size :].unbind(1) for x in of_inputs]
        h_at = outputs.unbind()
        for t in range(positions):
            for d, weights in enumerate(hidden):
                of_h = of_hidden(h_at[t][d], weights)
                torch.add(rz_at[d][t], of_h[:, : 2 * size], out=gates[d]).sigmoid_()
                torch.addcmul(n_at[d][t], r[d], of_h[:, 2 * size :], out=n[d])
            torch.lerp(n.tanh_(), h_at[t], z, out=h_at[t + 1])
        return outputs[1:], outputs[-1]


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
        # tanh(x) = 1 - 2 sigmoid(-2 x), and PyTorch's sigmoid takes a tenth of its tanh's time: with -2 g made here,
        # one sigmoid makes all four gates.
        factors = torch.ones(4, device=bias.device)
        factors[2] = -2.0
        factors = factors.repeat_interleave(self.hidden_size)
        of_inputs, of_hidden = torch.split(weights * factors.unsqueeze(1), [self.input_size, self.hidden_size], dim=1)
        self.int8_inputs.pack(of_inputs.contiguous(), bias * factors, bound)
        self.int8_hidden.pack(of_hidden.contiguous(), None, 1.0)
        release(self.lstm.weight_ih_l0)  # type: ignore[arg-type]
        release(self.lstm.weight_hh_l0)  # type: ignore[arg-type]

    def is_quantized(self) -> bool:
        """Say whether ``in_int8`` can be called."""
        return self.int8_inputs.is_packed()

    def forward(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Run over all positions: inputs (B, T, I) and state (B, Z) → outputs (B, T, H) and state (B, Z)."""
        if self.is_quantized() and inputs.size(1) == 1:
            return self._step_in_int8(inputs, state)
        if self.is_quantized():
            of_inputs = [self.int8_inputs(inputs.flatten(0, 1)).unflatten(0, inputs.shape[:2])]
            outputs, last = self.in_int8(of_inputs, [self.int8_hidden.weights()], state.unsqueeze(0))
            return outputs.squeeze(1).transpose(0, 1), last.squeeze(0)
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
        if not torch.jit.is_scripting():  # type: ignore[attr-defined]
            mixed = cudnn.in_bfloat16(self.lstm, inputs, h, c)
            if mixed is not None:
                outputs, h, c = mixed
                return outputs, torch.cat((h, c), dim=-1)
        outputs, (h, c) = self.lstm(inputs, (h.unsqueeze(0).contiguous(), c.unsqueeze(0).contiguous()))
        return outputs, torch.cat((h, c), dim=-1).squeeze(0)

    def _step_in_int8(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Do what ``in_int8`` does, for one position, without making room for others."""
        h, c = state.chunk(2, dim=-1)
        gates = self.int8_inputs(inputs.squeeze(1)).add_(self.int8_hidden(h))
        i, f, g, o = sigmoid_of_rows(gates).chunk(4, dim=-1)
        c = torch.addcmul(i, f, c).addcmul_(i, g, value=-2.0)
        h = torch.addcmul(o, o, sigmoid_of_rows(c * -2.0), value=-2.0)
        return h.unsqueeze(1), torch.cat((h, c), dim=-1)

    def in_int8(self, of_inputs: list[Tensor], hidden: list[Packed], state: Tensor) -> tuple[Tensor, Tensor]:
        """Run in as many directions D as there are ``of_inputs`` (B, T, 4H) from state (D, B, Z).

        Each has its ``hidden`` weights and shares all else that a position takes, so two directions take little more
        time than one. Returns outputs (T, D, B, H) and state (D, B, Z).
        """
        size = self.hidden_size
        directions, sentences, positions = len(of_inputs), of_inputs[0].size(0), of_inputs[0].size(1)
        gates = room_for_sigmoid(state, directions, sentences, 4 * size)
        i, f, g, o = gates.chunk(4, dim=-1)
        scaled = room_for_sigmoid(state, directions, sentences, size)
        outputs = state.new_empty(positions + 1, directions, sentences, size)
        h, c = state.chunk(2, dim=-1)
        outputs[0] = h
        # Views of all positions at once: one by one, they would take as long as what is computed of a sentence.
        x_at = [x.unbind(1) for x in of_inputs]
        h_at = [outputs[:, d].unbind() for d in range(directions)]
        gates_of = gates.unbind()
        for t, new_h in enumerate(outputs[1:].unbind()):
            for d, weights in enumerate(hidden):
                torch.add(x_at[d][t], of_hidden(h_at[d][t], weights), out=gates_of[d])
            gates.sigmoid_()
            c = torch.addcmul(i, f, c).addcmul_(i, g, value=-2.0)
            torch.mul(c, -2.0, out=scaled)
            torch.addcmul(o, o, scaled.sigmoid_(), value=-2.0, out=new_h)
        return outputs[1:], torch.cat((outputs[-1], c), dim=-1)


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
