"""Without a GPU a graph is a function that is called again: all but the capture itself is the same."""

import copy
import logging
from collections.abc import Callable
from random import Random

import pytest
import torch
from torch import Tensor

from model import graphs
from model.config import DecodingConfig, NetworkConfig
from model.data import pad
from model.graphs import GraphedNetwork, Outputs
from model.network import Seq2Seq
from model.search import BeamSearch
from tests.resident import capture_by_calling
from tests.slow_search import SOURCES, SPECIAL, assert_equal, make_network

PIECES, LAYERS = 50, 2


def refuse(_: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
    raise RuntimeError("operation not permitted when stream is capturing")


@pytest.fixture(params=[{}, {"copying": True, "input_feeding": True}], ids=["default", "copying and input feeding"])
def network(request: pytest.FixtureRequest) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 8, "decoder_layers": LAYERS, "dropout": 0.0}
    config = NetworkConfig.model_validate(sizes | request.param)
    return Seq2Seq(config, PIECES).eval().requires_grad_(False)


def random_step(network: Seq2Seq, random: Random) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, int]:
    """Return the arguments of a step over sentences of any length with beams of any width."""
    lengths = [random.randint(1, 40) for _ in range(random.randint(1, 9))]
    source = pad([torch.randint(4, PIECES, (length,)).tolist() for length in lengths])
    memory, _ = network.encode(source, torch.tensor(lengths))
    width = random.randint(4, 16)
    places = sorted(random.sample(range(len(lengths) * width), random.randint(1, len(lengths) * width)))
    pieces = torch.randint(4, PIECES, (len(places),))
    state = torch.randn(len(places), network.decoder.state_size)
    return pieces, state, memory, source, torch.tensor(places), width


def test_a_step_in_a_graph_equals_the_step_whatever_was_in_the_graph_before(network: Seq2Seq) -> None:
    random, graphed = Random(0), GraphedNetwork(network, capture_by_calling)
    for _ in range(60):
        arguments = random_step(network, random)
        logits, state, weights = graphed.decode_step(*arguments)
        expected = network.decode_step(*arguments)
        torch.testing.assert_close(logits, expected[0])
        torch.testing.assert_close(state, expected[1])
        torch.testing.assert_close(weights, expected[2])


def test_a_nan_that_a_longer_sentence_left_in_a_graph_reaches_nobody(network: Seq2Seq) -> None:
    graphed = GraphedNetwork(network, capture_by_calling)

    def step(length: int, fill: float) -> Tensor:
        memory = torch.full((1, length, 2 * network.decoder.layers[0].hidden_size), fill)
        source = torch.full((1, length), 5)
        state = torch.zeros(1, network.decoder.state_size)
        arguments = (torch.tensor([5]), state, memory, source, torch.tensor([0]), 4)
        return graphed.decode_step(*arguments)[0]

    assert step(30, float("nan")).isnan().any()
    assert step(20, 0.5).isfinite().all()


def test_what_one_step_gave_is_not_touched_by_the_next(network: Seq2Seq) -> None:
    random, graphed = Random(1), GraphedNetwork(network, capture_by_calling)
    _, state, weights = graphed.decode_step(*random_step(network, random))
    held = state.clone(), weights.clone()
    for _ in range(5):
        graphed.decode_step(*random_step(network, random))
    assert torch.equal(state, held[0])
    assert torch.equal(weights, held[1])


def test_few_graphs_serve_many_sizes(network: Seq2Seq) -> None:
    random, captures = Random(2), 0

    def count(step: Callable[[], Outputs]) -> tuple[Outputs, Callable[[], None]]:
        nonlocal captures
        captures += 1
        return capture_by_calling(step)

    graphed = GraphedNetwork(network, count)
    sizes = set()
    for _ in range(60):
        arguments = random_step(network, random)
        sizes.add((arguments[0].size(0), *arguments[2].shape[:2], arguments[5]))
        graphed.decode_step(*arguments)
    assert captures < len(sizes) / 2


def test_a_step_that_cannot_be_captured_runs_as_it_is_and_is_not_tried_again(
    network: Seq2Seq, caplog: pytest.LogCaptureFixture
) -> None:
    graphed = GraphedNetwork(network, refuse)
    arguments = random_step(network, Random(3))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            torch.testing.assert_close(graphed.decode_step(*arguments), network.decode_step(*arguments))
    assert len([r for r in caplog.records if "cannot be captured" in r.message]) == 1


def test_a_step_larger_than_all_graphs_runs_as_it_is(network: Seq2Seq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "ROWS", (1,))
    arguments = random_step(network, Random(4))
    assert arguments[0].size(0) > 1
    torch.testing.assert_close(GraphedNetwork(network, refuse).decode_step(*arguments), network.decode_step(*arguments))


def test_a_search_over_graphs_finds_what_one_without_finds() -> None:
    config = DecodingConfig(beam_size=5, n_best=3, coverage_penalty=0.3)
    network = make_network(0, end_bias=0.0).requires_grad_(False)
    plain = BeamSearch(network, SPECIAL, torch.device("cpu"))
    graphed = BeamSearch(GraphedNetwork(network, capture_by_calling), SPECIAL, torch.device("cpu"))
    for found, expected in zip(graphed.search(SOURCES, config), plain.search(SOURCES, config), strict=True):
        assert_equal(found, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_captured_step_equals_the_step_on_a_gpu(network: Seq2Seq) -> None:
    random, on_gpu = Random(0), copy.deepcopy(network).to("cuda")
    graphed = GraphedNetwork(on_gpu)
    with torch.inference_mode():
        for _ in range(20):
            *tensors, width = random_step(network, random)
            arguments = [tensor.cuda() for tensor in tensors]
            torch.testing.assert_close(graphed.decode_step(*arguments, width), on_gpu.decode_step(*arguments, width))
