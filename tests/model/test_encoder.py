import pytest
import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.encoder import (
    MAX_POSITIONS,
    BidirectionalLayer,
    ConvolutionalLayer,
    Encoder,
    reordered,
    reverse_positions,
)
from model.recurrent import LSTMLayer

INPUT, HIDDEN = 5, 6
LENGTHS = [7, 1, 4]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def test_positions_are_reversed_within_each_length_and_padding_stays() -> None:
    sentences = torch.arange(12).view(3, 4, 1)
    reversed_ = reordered(sentences, reverse_positions(torch.tensor([4, 1, 3]), 4))
    assert reversed_.squeeze(-1).tolist() == [[3, 2, 1, 0], [4, 5, 6, 7], [10, 9, 8, 11]]


def bidirectional_reference(layer: BidirectionalLayer) -> nn.LSTM:
    """Return PyTorch's own bidirectional layer with the same weights."""
    assert isinstance(layer.forwards, LSTMLayer)
    assert isinstance(layer.backwards, LSTMLayer)
    reference = nn.LSTM(INPUT, HIDDEN // 2, batch_first=True, bidirectional=True)
    weights: dict[str, Tensor] = dict(layer.forwards.lstm.state_dict())
    weights |= {f"{name}_reverse": value for name, value in layer.backwards.lstm.state_dict().items()}
    reference.load_state_dict(weights)
    return reference


def test_a_bidirectional_layer_over_padded_sentences_equals_pytorchs_over_each_alone() -> None:
    layer = BidirectionalLayer(NetworkConfig(hidden_size=HIDDEN), INPUT)
    reference = bidirectional_reference(layer)
    inputs = torch.randn(3, 9, INPUT)  # what lies beyond a length is noise, not zeros
    outputs = layer(inputs, torch.tensor(LENGTHS))
    for sentence, length in enumerate(LENGTHS):
        alone, _ = reference(inputs[sentence : sentence + 1, :length])
        torch.testing.assert_close(outputs[sentence, :length], alone[0])


def test_a_convolutional_layer_over_padded_sentences_equals_pytorchs_over_each_alone() -> None:
    layer = ConvolutionalLayer(INPUT, HIDDEN)
    reference = nn.Conv1d(INPUT, HIDDEN, kernel_size=3, padding=1)
    weight = layer.convolution.weight.view(HIDDEN, 3, INPUT).transpose(1, 2)
    reference.load_state_dict({"weight": weight, "bias": layer.convolution.bias})
    inputs = torch.randn(3, 9, INPUT)
    inputs[1, 1:] = torch.nan  # what lies beyond a length does not get through a weight of 0 either
    outputs = layer(inputs, torch.tensor(LENGTHS))
    for sentence, length in enumerate(LENGTHS):
        alone = torch.tanh(reference(inputs[sentence : sentence + 1, :length].transpose(1, 2)))
        torch.testing.assert_close(outputs[sentence, :length], alone[0].T)


def test_a_convolutional_encoder_knows_positions_and_reads_on_beyond_those_it_learned() -> None:
    config = NetworkConfig(embedding_size=4, hidden_size=8, encoder="convolutional", dropout=0.0)
    encoder = Encoder(config)
    length = MAX_POSITIONS + 20
    embedded = torch.randn(1, 1, 4).expand(1, length, 4)
    encoded = encoder(embedded, torch.tensor([length]))
    torch.testing.assert_close(encoded[:, 5], encoded[:, 50])  # nothing is known of positions before training
    assert encoder.positions is not None
    nn.init.normal_(encoder.positions.embedding.weight)
    encoded = encoder(embedded, torch.tensor([length]))
    assert encoded.isfinite().all()
    assert not torch.allclose(encoded[:, 5], encoded[:, 50])
    torch.testing.assert_close(encoded[:, MAX_POSITIONS + 5], encoded[:, MAX_POSITIONS + 10])


@pytest.mark.parametrize("encoder", ["bidirectional", "unidirectional", "convolutional"])
@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_an_encoder_in_int8_gives_nearly_what_it_gives_in_float32(encoder: str) -> None:
    config = {"embedding_size": 32, "hidden_size": 48, "encoder": encoder, "dropout": 0.0}
    network = Encoder(NetworkConfig.model_validate(config))
    inputs, lengths = torch.rand(3, 9, 32) * 2 - 1, torch.tensor([9, 1, 4])
    expected = network(inputs, lengths)
    network.quantize(1.0)
    is_real = torch.arange(9) < lengths.unsqueeze(1)
    found = network(inputs, lengths)
    assert not torch.equal(found[is_real], expected[is_real])
    torch.testing.assert_close(found[is_real], expected[is_real], atol=0.04, rtol=0)
