"""On a CPU there is no kernel: nothing is replaced there. What a GPU's gives is held to PyTorch's own, on a CPU."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model import gates

ROWS, INPUTS = 7, 24
TOLERANCES = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
CPU = torch.device("cpu")


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Return the operators that are replaced from now on, where nothing is known of the kernel yet."""
    operators: list[str] = []
    monkeypatch.setattr(gates, "_library", SimpleNamespace(impl=lambda name, *_: operators.append(name)))
    for known in (gates._works, gates._register):
        known.cache_clear()
    yield operators
    for known in (gates._works, gates._register):
        known.cache_clear()


def test_without_a_gpu_nothing_is_replaced(registered: list[str]) -> None:
    assert not gates.use_fused_gates(CPU)
    assert not registered


def by_definition(*given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Do what the kernel does."""
    of_inputs, of_hidden, c, *biases = given
    i, f, g, o = (of_inputs + of_hidden + sum(biases)).chunk(4, dim=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c, of_inputs


def test_a_kernel_that_gives_what_pytorch_gives_replaces_it_once(
    registered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "has_triton", lambda _: True)
    monkeypatch.setattr(gates, "lstm_gates", by_definition)
    assert all(gates.use_fused_gates(device) for device in (CPU, torch.device("cpu", 0)))
    assert registered == ["_thnn_fused_lstm_cell"]


@pytest.mark.parametrize(("kernel", "said"), [(None, "does not work"), (lambda *_: _[2:], "gives other numbers")])
def test_a_kernel_that_fails_or_is_wrong_replaces_nothing(
    kernel: Any, said: str, registered: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(gates, "has_triton", lambda _: True)
    monkeypatch.setattr(gates, "lstm_gates", kernel)
    assert not gates.use_fused_gates(CPU)
    assert said in caplog.text
    assert not registered


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available() or gates.triton is None, reason="there is no GPU, or no Triton")
@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("size", [1, 40, 480, 1024, 1500])
def test_a_step_and_its_gradients_on_a_gpu_are_those_of_a_cpu(size: int, dtype: torch.dtype) -> None:
    assert gates.use_fused_gates(torch.device("cuda"))
    torch.manual_seed(0)
    cell, state = nn.LSTMCell(INPUTS, size), torch.randn(ROWS, 2 * size)
    inputs = torch.randn(ROWS, INPUTS)
    expected = run(cell, inputs, state)
    on_gpu = nn.LSTMCell(INPUTS, size, device="cuda", dtype=dtype)
    on_gpu.load_state_dict(cell.state_dict())
    found = run(on_gpu, inputs.to("cuda", dtype), state.to("cuda", dtype))
    for one, other in zip(found, expected, strict=True):
        close = TOLERANCES[dtype] * max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one.float().cpu(), other, rtol=0, atol=close)


def run(cell: nn.LSTMCell, inputs: Tensor, state: Tensor) -> list[Tensor]:
    """Return h, c and the gradients of a sum of both; c is a part of the state, whose rows are longer."""
    cell.zero_grad()
    h, c = cell(inputs, tuple(state.chunk(2, dim=1)))
    (h.sum() + c.square().sum()).backward()
    return [h.detach(), c.detach(), *(weight.grad for weight in cell.parameters() if weight.grad is not None)]
