import pytest
import torch
from torch import Tensor, nn

from model.recurrent import BidirectionalLayer, LSTMLayer, reverse_positions

INPUT, HIDDEN = 5, 6


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("cut", [1, 4, 6])
def test_a_layer_in_two_calls_equals_one_call(cut: int) -> None:
    layer = LSTMLayer(INPUT, HIDDEN)
    inputs, state = torch.randn(3, 7, INPUT), torch.randn(3, layer.state_size)
    outputs, last = layer(inputs, state)
    first_half, between = layer(inputs[:, :cut], state)
    second_half, last_of_halves = layer(inputs[:, cut:], between)
    torch.testing.assert_close(torch.cat((first_half, second_half), dim=1), outputs)
    torch.testing.assert_close(last_of_halves, last)


def test_a_row_of_the_state_is_all_that_its_sentence_remembers() -> None:
    layer = LSTMLayer(INPUT, HIDDEN)
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


def test_positions_are_reversed_within_each_length_and_padding_stays() -> None:
    reversed_ = reverse_positions(torch.tensor([4, 1, 3]), 4)
    assert reversed_.tolist() == [[3, 2, 1, 0], [0, 1, 2, 3], [2, 1, 0, 3]]


def bidirectional_reference(layer: BidirectionalLayer) -> nn.LSTM:
    """Return PyTorch's own bidirectional layer with the same weights."""
    reference = nn.LSTM(INPUT, HIDDEN // 2, batch_first=True, bidirectional=True)
    weights: dict[str, Tensor] = dict(layer.forwards.lstm.state_dict())
    weights |= {f"{name}_reverse": value for name, value in layer.backwards.lstm.state_dict().items()}
    reference.load_state_dict(weights)
    return reference


def test_a_bidirectional_layer_over_padded_sentences_equals_pytorchs_over_each_alone() -> None:
    layer = BidirectionalLayer(INPUT, HIDDEN)
    reference = bidirectional_reference(layer)
    lengths = [7, 1, 4]
    inputs = torch.randn(3, 9, INPUT)  # what lies beyond a length is noise, not zeros
    outputs = layer(inputs, reverse_positions(torch.tensor(lengths), 9))
    for sentence, length in enumerate(lengths):
        alone, _ = reference(inputs[sentence : sentence + 1, :length])
        torch.testing.assert_close(outputs[sentence, :length], alone[0])


@pytest.mark.parametrize("positions", [1, 7])
def test_a_layer_equals_pytorchs(positions: int) -> None:
    layer = LSTMLayer(INPUT, HIDDEN)
    inputs, h, c = torch.randn(3, positions, INPUT), torch.randn(3, HIDDEN), torch.randn(3, HIDDEN)
    outputs, last = layer(inputs, torch.cat((h, c), dim=-1))
    expected, (expected_h, expected_c) = layer.lstm(inputs, (h.unsqueeze(0), c.unsqueeze(0)))
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(last, torch.cat((expected_h[0], expected_c[0]), dim=-1))


@pytest.mark.parametrize("positions", [1, 7])
@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_a_layer_in_int8_gives_nearly_what_it_gives_in_float32(positions: int) -> None:
    layer = LSTMLayer(32, 48)
    inputs = torch.rand(3, positions, 32) * 4 - 2
    state = torch.cat((torch.rand(3, 48) * 2 - 1, torch.randn(3, 48)), dim=-1)
    expected = layer(inputs, state)
    layer.quantize(2.0)
    found = layer(inputs, state)
    assert not torch.equal(found[0], expected[0])
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_a_layer_in_int8_gives_a_row_the_same_bits_in_two_calls_and_in_any_batch() -> None:
    layer = LSTMLayer(32, 48)
    layer.quantize(1.0)
    inputs, state = torch.rand(5, 7, 32) * 2 - 1, torch.rand(5, 96) * 2 - 1
    outputs, last = layer(inputs, state)
    between, rest = state[1:3], []
    for t in range(7):
        output, between = layer(inputs[1:3, t : t + 1], between)
        rest.append(output)
    assert torch.equal(torch.cat(rest, dim=1), outputs[1:3])
    assert torch.equal(between, last[1:3])


@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_a_bidirectional_layer_in_int8_gives_nearly_what_it_gives_in_float32() -> None:
    layer = BidirectionalLayer(32, 48)
    inputs, reverse = torch.rand(3, 9, 32) * 2 - 1, reverse_positions(torch.tensor([9, 1, 4]), 9)
    expected = layer(inputs, reverse)
    layer.quantize(1.0)
    torch.testing.assert_close(layer(inputs, reverse), expected, atol=0.02, rtol=0)
