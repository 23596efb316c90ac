"""Products in int8 are compared with rounding written out in integers, which is exact."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from model import recurrent, torchscript
from model.config import NetworkConfig
from model.data import pad
from model.int8 import Int8Product, Linear
from model.network import Seq2Seq
from model.tokenizer import END, START
from tests.choices import CHOICES

CPU = torch.device("cpu")
SOURCES = [[4, 5, 6, 7, 8, END], [9, END], [10, 4, 4, END]]
LENGTHS = torch.tensor([len(source) for source in SOURCES])
PIECES = 11
EXACT = 127.0 / 64
"""A bound whose grid has steps of 1/64, so that float32 holds every product and sum."""


@pytest.fixture(autouse=True)
def _quantizing(_int8: None) -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def make_network(choice: dict[str, Any]) -> Seq2Seq:
    config = NetworkConfig.model_validate({"embedding_size": 48, "hidden_size": 64, "encoder_layers": 3, **choice})
    network = Seq2Seq(config, PIECES).eval()
    for name, parameter in network.named_parameters():
        parameter.mul_(1 if "norm" in name else 3)
    return network


def packed(weight: Tensor, bias: Tensor | None, bound: float) -> Int8Product:
    product = Int8Product()
    product.pack(weight, bias, bound)
    return product


def exact_weights(outputs: int, inputs: int) -> tuple[Tensor, Tensor]:
    """Return integers (O, I) whose largest of each row is 63, and a power of 2 for each row."""
    integers = torch.randint(-63, 64, (outputs, inputs))
    integers[:, 0] = torch.tensor([-63, 63])[torch.randint(2, (outputs,))]
    return integers, 2.0 ** -torch.randint(5, 9, (outputs,))


@pytest.mark.parametrize(("inputs", "outputs", "rows"), [(1, 1, 1), (3, 5, 2), (64, 33, 7), (130, 96, 40)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_a_product_equals_the_one_in_integers(inputs: int, outputs: int, rows: int, has_bias: bool) -> None:
    integers, scales = exact_weights(outputs, inputs)
    bias = torch.randint(-99, 99, (outputs,)) / 64 if has_bias else None
    product = packed(integers * scales.unsqueeze(1), bias, EXACT)
    steps = torch.randint(-127, 128, (rows, inputs))
    off = torch.rand(rows, inputs) * 0.9 - 0.45  # rounded away
    off[steps.abs() == 127] = 0
    sums = (steps.unsqueeze(1) * integers).sum(dim=-1)
    expected = sums * scales / 64 + (0 if bias is None else bias)
    assert torch.equal(product((steps + off) / 64), expected)


def test_sums_do_not_overflow_where_all_products_are_the_largest() -> None:
    size = 1024
    product = packed(torch.full((2, size), 1.0), None, 1.0)
    found = product(torch.tensor([[1.0], [-1.0]]).expand(2, size).contiguous())
    torch.testing.assert_close(found, torch.tensor([[size], [-size]]).expand(2, 2).to(torch.float32))


def test_what_lies_beyond_the_bound_counts_as_the_bound() -> None:
    product = packed(torch.eye(2), None, 1.0)
    torch.testing.assert_close(product(torch.tensor([[5.0, -0.5]])), torch.tensor([[1.0, -0.5]]), atol=0.01, rtol=0)


def test_a_row_of_weights_that_is_all_zero_gives_its_bias() -> None:
    product = packed(torch.zeros(2, 3), torch.tensor([1.5, -2.0]), 1.0)
    assert torch.equal(product(torch.rand(4, 3)), torch.tensor([1.5, -2.0]).expand(4, 2))


@pytest.mark.parametrize(("inputs", "outputs"), [(16, 16), (96, 500), (130, 33)])
def test_a_row_gives_the_same_bits_in_any_batch(inputs: int, outputs: int) -> None:
    product = packed(torch.randn(outputs, inputs), torch.randn(outputs), 1.0)
    rows = torch.rand(80, inputs) * 2 - 1
    together = product(rows)
    for first, last in ((0, 1), (3, 7), (17, 80), (79, 80)):
        assert torch.equal(product(rows[first:last].contiguous()), together[first:last])
    loud = torch.cat((rows[:5], torch.full((1, inputs), 1e4)))  # would widen a grid that was measured
    assert torch.equal(product(loud)[:5], together[:5])


def test_a_linear_layer_gives_nearly_the_same_once_quantized() -> None:
    layer = Linear(64, 32)
    inputs = torch.rand(2, 3, 64) * 2 - 1
    before = layer(inputs)
    assert torch.equal(before, torch.nn.functional.linear(inputs, layer.weight, layer.bias))
    layer.quantize(1.0)
    after = layer(inputs)
    assert after.shape == before.shape
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, before, atol=0.02, rtol=0)


# The whole network


def run(network: Seq2Seq | torch.jit.ScriptModule) -> list[Tensor]:
    """Return log-probabilities and weights of some steps with two rows a sentence."""
    source = pad(SOURCES)
    memory, state = network.encode(source, LENGTHS)
    state, places = state.repeat_interleave(2, dim=0), torch.arange(6)
    found = []
    for pieces in ([START] * 6, [4, 5, 6, 7, 8, 9], [10, 9, 8, 7, 6, 5]):
        logits, state, weights = network.decode_step(torch.tensor(pieces), state, memory, source, places, 2)
        found += [torch.log_softmax(logits, dim=-1), weights]
    return found


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_the_network_gives_nearly_the_same_once_quantized(choice: dict[str, Any]) -> None:
    network = make_network(choice)
    before = run(network)
    network.quantize()
    for quantized, expected in zip(run(network), before, strict=True):
        if expected.any():  # without attention its weights are all 0
            off = (quantized - expected).abs().mean() / expected.std()
            assert 0 < off < 0.2


@pytest.mark.parametrize("choice", ["2 and 3 layers", "lstm-norm", "multi-head", "all"])
def test_the_scripted_network_gives_the_same_bits_as_the_eager_one_once_quantized(choice: str) -> None:
    network = make_network(CHOICES[choice])
    scripted = torchscript.load(torchscript.script(network), CPU, "int8")
    network.quantize()
    with torchscript.as_written():
        found = run(scripted)
    for one, other in zip(found, run(network), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_no_input_exceeds_the_bound_of_its_grid(choice: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(choice)
    for name, parameter in network.named_parameters():
        if "embedding" not in name:
            parameter.mul_(20)  # gates wide open: what is bounded comes to its bound
    network.quantize()
    shares: dict[str, float] = {}

    def multiplied_by(h: Tensor, weights: Any) -> Tensor:
        product = next(product for product in products.values() if product.packed is weights)
        return product(h)  # type: ignore[no-any-return]

    monkeypatch.setattr(recurrent, "of_hidden", multiplied_by)

    def watch(name: str, product: Int8Product, inputs: Tensor) -> None:
        share = inputs.abs().max().item() / (product.scale * product.INPUT_LEVELS)
        shares[name] = max(share, shares.get(name, 0.0))

    products = {name: module for name, module in network.named_modules() if isinstance(module, Int8Product)}
    for name, product in products.items():
        product.register_forward_pre_hook(lambda module, inputs, name=name: watch(name, module, inputs[0]))
    run(network)
    assert set(shares) == set(products)  # every product of the network is in int8
    assert max(shares.values()) <= 1.00001
    assert min(shares.values()) > 0.1  # a bound far too large would waste the grid
