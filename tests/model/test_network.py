import pytest
import torch
from torch import Tensor, nn

from model.config import NetworkConfig
from model.data import pad
from model.network import Seq2Seq
from model.tokenizer import END, PAD, START

PIECES = 11
SOURCES = [[4, 5, 6, 7, 8, END], [9, END], [10, 4, 4, END]]
LENGTHS = torch.tensor([len(source) for source in SOURCES])
TARGETS = torch.tensor([[START, 5, 6, 7], [START, 9, 9, 4], [START, 4, 10, 10]])


@pytest.fixture(params=[(1, 2), (2, 3)], ids=["1 and 2 layers", "2 and 3 layers"])
def network(request: pytest.FixtureRequest) -> Seq2Seq:
    torch.manual_seed(0)
    encoder_layers, decoder_layers = request.param
    config = NetworkConfig(
        embedding_size=6, hidden_size=8, encoder_layers=encoder_layers, decoder_layers=decoder_layers, dropout=0.5
    )
    network = Seq2Seq(config, PIECES).eval()
    nn.init.normal_(network.embedding.weight)  # training moves the embedding of padding too
    return network


def run_steps(network: Seq2Seq, encoded: tuple[Tensor, Tensor, Tensor], targets: Tensor) -> tuple[Tensor, Tensor]:
    """Decode targets (B, K, T) step by step → logits (B, K, T, V) and weights (B, K, T, S)."""
    sentences, rows, _ = targets.shape
    sentence_of = torch.arange(sentences).repeat_interleave(rows)
    logits, weights = run_rows(network, encoded, targets.flatten(0, 1), sentence_of, torch.arange(len(sentence_of)))
    return logits.unflatten(0, (sentences, rows)), weights.unflatten(0, (sentences, rows))


def run_rows(
    network: Seq2Seq,
    encoded: tuple[Tensor, Tensor, Tensor],
    targets: Tensor,
    sentence_of: Tensor,
    places: Tensor,
    width: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Decode targets (R, T) of the sentences (R) step by step → logits (R, T, V) and weights (R, T, S)."""
    memory, mask, state = encoded
    state = state[sentence_of]
    logits, weights = [], []
    for pieces in targets.unbind(-1):
        step_logits, state, step_weights = network.decode_step(
            pieces, state, memory, mask, places, width or len(places) // len(memory)
        )
        logits.append(step_logits)
        weights.append(step_weights)
    return torch.stack(logits, dim=1), torch.stack(weights, dim=1)


def test_teacher_forcing_equals_decoding_step_by_step(network: Seq2Seq) -> None:
    source = pad(SOURCES)
    at_once = network(source, LENGTHS, TARGETS)
    logits, _ = run_steps(network, network.encode(source, LENGTHS), TARGETS.unsqueeze(1))
    assert at_once.shape == (3, 4, PIECES)
    torch.testing.assert_close(logits.squeeze(1), at_once)


@pytest.mark.parametrize("multiple", [1, 8, 16])
def test_a_sentence_in_a_padded_batch_equals_the_sentence_alone(network: Seq2Seq, multiple: int) -> None:
    together = network(pad(SOURCES, multiple), LENGTHS, TARGETS)
    for i, source in enumerate(SOURCES):
        alone = network(torch.tensor([source]), LENGTHS[i : i + 1], TARGETS[i : i + 1])
        torch.testing.assert_close(together[i : i + 1], alone)


def test_a_later_target_piece_does_not_reach_an_earlier_position(network: Seq2Seq) -> None:
    source = pad(SOURCES)
    logits = network(source, LENGTHS, TARGETS)
    changed = TARGETS.clone()
    changed[:, 2] = 8
    others = network(source, LENGTHS, changed)
    torch.testing.assert_close(others[:, :2], logits[:, :2])
    assert not torch.allclose(others[:, 2:], logits[:, 2:])


def test_rows_of_a_sentence_equal_as_many_sentences(network: Seq2Seq) -> None:
    targets = torch.randint(4, PIECES, (3, 5, 4), generator=torch.Generator().manual_seed(0))  # (B, K, T)
    together, _ = run_steps(network, network.encode(pad(SOURCES), LENGTHS), targets)
    for row in range(5):
        apart = network(pad(SOURCES), LENGTHS, targets[:, row])
        torch.testing.assert_close(together[:, row], apart)


@pytest.mark.parametrize("width", [2, 4, 7])
def test_rows_give_the_same_wherever_they_stand_in_a_grid_of_any_width(network: Seq2Seq, width: int) -> None:
    sentence_of = torch.tensor([2, 0, 0, 2])  # as many as a search has left of each, in any order; none of sentence 1
    within = torch.tensor([0, 1, 0, width - 1])
    targets = torch.randint(4, PIECES, (4, 5), generator=torch.Generator().manual_seed(0))
    encoded = network.encode(pad(SOURCES), LENGTHS)
    logits, weights = run_rows(network, encoded, targets, sentence_of, sentence_of * width + within, width)
    for row, sentence in enumerate(sentence_of.tolist()):
        source, length = torch.tensor([SOURCES[sentence]]), LENGTHS[sentence : sentence + 1]
        torch.testing.assert_close(logits[row : row + 1], network(source, length, targets[row : row + 1]))
        torch.testing.assert_close(weights[row].sum(dim=-1), torch.ones(5))
        assert (weights[row, :, length:] == 0).all()


def test_a_step_attends_to_all_of_its_source_and_nothing_else(network: Seq2Seq) -> None:
    encoded = network.encode(pad(SOURCES, 8), LENGTHS)
    _, weights = run_steps(network, encoded, TARGETS.unsqueeze(1))
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 1, 4))
    is_real = torch.arange(8) < LENGTHS.unsqueeze(1)
    assert torch.equal(encoded[1], is_real)
    assert torch.equal(weights > 0, is_real[:, None, None].expand_as(weights))


def test_the_source_is_read_in_both_directions(network: Seq2Seq) -> None:
    source = torch.tensor([[4, 5, 6, END]])
    memory, _, _ = network.encode(source, torch.tensor([4]))
    for changed_position in (0, 3):
        changed = source.clone()
        changed[0, changed_position] = 9
        others, _, _ = network.encode(changed, torch.tensor([4]))
        assert ((others - memory).abs().sum(dim=-1) > 1e-6).all()


def test_dropout_is_for_training_only(network: Seq2Seq) -> None:
    def run() -> Tensor:
        logits: Tensor = network(pad(SOURCES), LENGTHS, TARGETS)
        return logits

    assert torch.equal(run(), run())
    network.train()
    assert not torch.allclose(run(), run())


def test_embeddings_and_output_layer_are_one_tensor(network: Seq2Seq) -> None:
    sizes = [parameter.size(0) for parameter in network.parameters() if PIECES in parameter.shape]
    assert sizes == [PIECES, PIECES]  # the embeddings and the output's bias
    assert network.embedding.padding_idx == PAD
