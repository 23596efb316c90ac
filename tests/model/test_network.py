import pytest
import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data import pad
from model.network import Seq2Seq
from model.tokenizer import END, PAD, START
from tests.choices import CHOICES

PIECES = 11
SOURCES = [[4, 5, 6, 7, 8, END], [9, END], [10, 4, 4, END]]
LENGTHS = torch.tensor([len(source) for source in SOURCES])
TARGETS = torch.tensor([[START, 5, 6, 7], [START, 9, 9, 4], [START, 4, 10, 10]])


ATTENTIVE = [name for name in CHOICES if name not in ("none", "local", "hybrid")]


def make_network(choice: str) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 8, "dropout": 0.5}
    network = Seq2Seq(NetworkConfig.model_validate(sizes | CHOICES[choice]), PIECES).eval()
    nn.init.normal_(network.embedding.weight)  # training moves the embedding of padding too
    if network.encoder.positions is not None:
        nn.init.normal_(network.encoder.positions.embedding.weight)
    return network


@pytest.fixture(params=CHOICES)
def network(request: pytest.FixtureRequest) -> Seq2Seq:
    return make_network(request.param)


def run_steps(network: Seq2Seq, source: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Decode targets (B, K, T) step by step → logits (B, K, T, V) and weights (B, K, T, S)."""
    sentences, rows, _ = targets.shape
    sentence_of = torch.arange(sentences).repeat_interleave(rows)
    logits, weights = run_rows(network, source, targets.flatten(0, 1), sentence_of, torch.arange(len(sentence_of)))
    return logits.unflatten(0, (sentences, rows)), weights.unflatten(0, (sentences, rows))


def run_rows(
    network: Seq2Seq,
    source: Tensor,
    targets: Tensor,
    sentence_of: Tensor,
    places: Tensor,
    width: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Decode targets (R, T) of the sentences (R) step by step → logits (R, T, V) and weights (R, T, S)."""
    memory, state = network.encode(source, LENGTHS)
    state = state[sentence_of]
    logits, weights = [], []
    for pieces in targets.unbind(-1):
        step_logits, state, step_weights = network.decode_step(
            pieces, state, memory, source, places, width or len(places) // len(memory)
        )
        logits.append(step_logits)
        weights.append(step_weights)
    return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


def test_teacher_forcing_equals_decoding_step_by_step(network: Seq2Seq) -> None:
    source = pad(SOURCES)
    at_once, weights = network(source, LENGTHS, TARGETS)
    logits, weights_of_steps = run_steps(network, source, TARGETS.unsqueeze(1))
    assert at_once.shape == (3, 4, PIECES)
    torch.testing.assert_close(logits.squeeze(1), at_once)
    torch.testing.assert_close(weights_of_steps.squeeze(1), weights)


@pytest.mark.parametrize("multiple", [1, 8, 16])
def test_a_sentence_in_a_padded_batch_equals_the_sentence_alone(network: Seq2Seq, multiple: int) -> None:
    together, _ = network(pad(SOURCES, multiple), LENGTHS, TARGETS)
    for i, source in enumerate(SOURCES):
        alone, _ = network(torch.tensor([source]), LENGTHS[i : i + 1], TARGETS[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


def test_a_later_target_piece_does_not_reach_an_earlier_position(network: Seq2Seq) -> None:
    source = pad(SOURCES)
    logits, _ = network(source, LENGTHS, TARGETS)
    changed = TARGETS.clone()
    changed[:, 2] = 8
    others, _ = network(source, LENGTHS, changed)
    torch.testing.assert_close(others[:, :2], logits[:, :2])
    assert not torch.allclose(others[:, 2:], logits[:, 2:])


def test_rows_of_a_sentence_equal_as_many_sentences(network: Seq2Seq) -> None:
    targets = torch.randint(4, PIECES, (3, 5, 4), generator=torch.Generator().manual_seed(0))  # (B, K, T)
    together, _ = run_steps(network, pad(SOURCES), targets)
    for row in range(5):
        apart, _ = network(pad(SOURCES), LENGTHS, targets[:, row])
        torch.testing.assert_close(together[:, row], apart)


@pytest.mark.parametrize("width", [2, 4, 7])
def test_rows_give_the_same_wherever_they_stand_in_a_grid_of_any_width(network: Seq2Seq, width: int) -> None:
    sentence_of = torch.tensor([2, 0, 0, 2])  # as many as a search has left of each, in any order; none of sentence 1
    within = torch.tensor([0, 1, 0, width - 1])
    targets = torch.randint(4, PIECES, (4, 5), generator=torch.Generator().manual_seed(0))
    logits, weights = run_rows(network, pad(SOURCES), targets, sentence_of, sentence_of * width + within, width)
    for row, sentence in enumerate(sentence_of.tolist()):
        source, length = torch.tensor([SOURCES[sentence]]), LENGTHS[sentence : sentence + 1]
        expected, expected_weights = network(source, length, targets[row : row + 1])
        torch.testing.assert_close(logits[row : row + 1], expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(weights[row : row + 1, :, :length], expected_weights)
        assert (weights[row, :, length:] == 0).all()


@pytest.mark.parametrize("choice", ATTENTIVE)
def test_a_step_attends_to_all_of_its_source_and_nothing_else(choice: str) -> None:
    network = make_network(choice)
    _, weights = run_steps(network, pad(SOURCES, 8), TARGETS.unsqueeze(1))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 1, 4))
    is_real = torch.arange(8) < LENGTHS.unsqueeze(1)
    assert torch.equal(weights > 0, is_real[:, None, None].expand_as(weights))


def test_the_source_is_read_in_both_directions() -> None:
    network = make_network("1 and 2 layers")
    source = torch.tensor([[4, 5, 6, END]])
    memory, _ = network.encode(source, torch.tensor([4]))
    for changed_position in (0, 3):
        changed = source.clone()
        changed[0, changed_position] = 9
        others, _ = network.encode(changed, torch.tensor([4]))
        assert ((others - memory).abs().sum(dim=-1) > 1e-6).all()


def test_dropout_is_for_training_only(network: Seq2Seq) -> None:
    def run() -> Tensor:
        logits: Tensor = network(pad(SOURCES), LENGTHS, TARGETS)[0]
        return logits

    assert torch.equal(run(), run())
    network.train()
    assert not torch.allclose(run(), run())


def test_embeddings_and_output_layer_are_one_tensor(network: Seq2Seq) -> None:
    sizes = [parameter.size(0) for parameter in network.parameters() if PIECES in parameter.shape]
    assert sizes == [PIECES, PIECES]  # the embeddings and the output's bias
    assert network.embedding.padding_idx == PAD


def test_a_unidirectional_encoder_knows_nothing_of_what_comes_later() -> None:
    network = make_network("unidirectional")
    source = torch.tensor([[4, 5, 6, END]])
    memory, _ = network.encode(source, torch.tensor([4]))
    others, _ = network.encode(torch.tensor([[4, 5, 9, END]]), torch.tensor([4]))
    assert torch.equal(others[:, :2], memory[:, :2])
    assert ((others - memory)[:, 2:].abs().sum(dim=-1) > 1e-6).all()


def test_without_residual_connections_a_layer_replaces_what_it_reads() -> None:
    network = make_network("unidirectional")
    assert network.encoder.output_bound == 1
    with torch.no_grad():
        network.encoder.layers[1].get_parameter("forwards.lstm.weight_ih_l0").zero_()
    memory, _ = network.encode(pad(SOURCES), LENGTHS)
    torch.testing.assert_close(memory[1, 0], memory[0, 0])  # nothing of the first layer, so nothing of the source


def test_input_feeding_reads_what_the_output_layer_got_a_step_before() -> None:
    network = make_network("input feeding")
    memory, state = network.encode(pad(SOURCES), LENGTHS)
    assert state.size(1) == network.decoder.layer_state_size * 2 + 6
    step = (torch.tensor([5, 6, 7]), memory, pad(SOURCES), torch.arange(3), 1)
    logits, new_state, _ = network.decode_step(step[0], state, *step[1:])
    expected = nn.functional.linear(new_state[:, -6:], network.embedding.weight, network.output_bias)
    torch.testing.assert_close(logits, expected)
    changed = state.clone()
    changed[:, -1] += 1
    assert not torch.allclose(network.decode_step(step[0], changed, *step[1:])[0], logits)
