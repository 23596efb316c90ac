import pytest
import torch
from torch import Tensor

from model.config import NetworkConfig
from model.recurrent import GRULayer, LSTMLayer, NormalizedLSTMLayer, RecurrentLayer, RNNLayer, make_cell

INPUT, HIDDEN = 5, 6


CELLS = ["rnn", "gru", "lstm", "lstm-norm"]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def make_layer(cell: str, input_size: int = INPUT, hidden_size: int = HIDDEN) -> RecurrentLayer:
    """Return a layer all of whose weights are random, those of layer normalization too."""
    layer = make_cell(NetworkConfig.model_validate({"cell": cell}), input_size, hidden_size)
    for name, parameter in layer.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    return layer


@pytest.fixture(params=CELLS)
def layer(request: pytest.FixtureRequest) -> RecurrentLayer:
    return make_layer(request.param)


def rnn_step(layer: RNNLayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return h' = tanh(W x + U h + b), and what is remembered."""
    w, u, b, c = layer.rnn.parameters()
    h = torch.tanh(w @ x + b + u @ state + c)
    return h, h


def gru_step(layer: GRULayer, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
    """Return h' of r and z = sigmoid(W x + U h), n = tanh(W x + r U h)."""
    w, u, b, c = layer.gru.parameters()
    (r, z, n), (r_of_h, z_of_h, n_of_h) = (w @ x + b).chunk(3), (u @ h + c).chunk(3)
    r, z = torch.sigmoid(r + r_of_h), torch.sigmoid(z + z_of_h)
    h = (1 - z) * torch.tanh(n + r * n_of_h) + z * h
    return h, h


def lstm_step(layer: LSTMLayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return h' = o tanh(c') of c' = f c + i g."""
    w, u, b, d = layer.lstm.parameters()
    h, c = state.chunk(2)
    i, f, g, o = (w @ x + b + u @ h + d).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(c)
    return h, torch.cat((h, c))


def normalized(x: Tensor, gain: Tensor) -> Tensor:
    return (x - x.mean()) / (x.var(unbiased=False) + 1e-5).sqrt() * gain


def normalized_lstm_step(layer: NormalizedLSTMLayer, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """Return the LSTM's with W x, U h and c' normalized (Ba et al. 2016, equations 20-22)."""
    h, c = state.chunk(2)
    of_input = normalized(layer.inputs.weight @ x, layer.inputs_norm.weight)
    of_hidden = normalized(layer.hidden.weight @ h, layer.hidden_norm.weight)
    i, f, g, o = (of_input + of_hidden + layer.inputs_norm.bias).chunk(4)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    h = torch.sigmoid(o) * torch.tanh(normalized(c, layer.cell_norm.weight) + layer.cell_norm.bias)
    return h, torch.cat((h, c))


STEPS = {"rnn": rnn_step, "gru": gru_step, "lstm": lstm_step, "lstm-norm": normalized_lstm_step}


@pytest.mark.parametrize("positions", [1, 7])
@pytest.mark.parametrize("cell", CELLS)
def test_a_layer_equals_its_equations_written_out(cell: str, positions: int) -> None:
    layer = make_layer(cell)
    inputs, state = torch.randn(3, positions, INPUT), torch.randn(3, layer.state_size)
    outputs, last = layer(inputs, state)
    for b in range(3):
        remembered = state[b]
        for t in range(positions):
            h, remembered = STEPS[cell](layer, inputs[b, t], remembered)  # type: ignore[operator]
            torch.testing.assert_close(outputs[b, t], h)
        torch.testing.assert_close(last[b], remembered)


@pytest.mark.parametrize("cut", [1, 4, 6])
def test_a_layer_in_two_calls_equals_one_call(layer: RecurrentLayer, cut: int) -> None:
    inputs, state = torch.randn(3, 7, INPUT), torch.randn(3, layer.state_size)
    outputs, last = layer(inputs, state)
    first_half, between = layer(inputs[:, :cut], state)
    second_half, last_of_halves = layer(inputs[:, cut:], between)
    torch.testing.assert_close(torch.cat((first_half, second_half), dim=1), outputs)
    torch.testing.assert_close(last_of_halves, last)


def test_a_row_of_the_state_is_all_that_its_sentence_remembers(layer: RecurrentLayer) -> None:
    inputs, state = torch.randn(3, 2, INPUT), torch.randn(3, layer.state_size)
    order = torch.tensor([2, 0, 0])
    outputs, last = layer(inputs, state)
    picked_outputs, picked_last = layer(inputs[order], state[order])
    torch.testing.assert_close(picked_outputs, outputs[order])
    torch.testing.assert_close(picked_last, last[order])


def test_a_new_layer_remembers_by_default() -> None:
    layer = LSTMLayer(INPUT, HIDDEN)
    biases = layer.lstm.get_parameter("bias_ih_l0") + layer.lstm.get_parameter("bias_hh_l0")
    assert torch.equal(biases.view(4, HIDDEN)[1], torch.ones(HIDDEN))


@pytest.mark.parametrize("positions", [1, 7])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_a_layer_in_int8_gives_nearly_what_it_gives_in_float32(cell: str, positions: int) -> None:
    layer = make_layer(cell, 32, 48)
    inputs = torch.rand(3, positions, 32) * 4 - 2
    state = torch.cat((torch.rand(3, 48) * 2 - 1, torch.randn(3, 48)), dim=-1)[:, : layer.state_size]
    expected = layer(inputs, state)
    layer.quantize(2.0)
    found = layer(inputs, state)
    assert not torch.equal(found[0], expected[0])
    torch.testing.assert_close(found, expected, atol=0.05 if cell == "lstm-norm" else 0.02, rtol=0)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_a_layer_in_int8_gives_a_row_the_same_bits_in_two_calls_and_in_any_batch(cell: str) -> None:
    layer = make_layer(cell, 32, 48)
    layer.quantize(1.0)
    inputs, state = torch.rand(5, 7, 32) * 2 - 1, torch.rand(5, layer.state_size) * 2 - 1
    outputs, last = layer(inputs, state)
    between, rest = state[1:3], []
    for t in range(7):
        output, between = layer(inputs[1:3, t : t + 1], between)
        rest.append(output)
    assert torch.equal(torch.cat(rest, dim=1), outputs[1:3])
    assert torch.equal(between, last[1:3])
