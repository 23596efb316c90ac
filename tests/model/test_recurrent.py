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
