"""The gates of an LSTM on a GPU, by a kernel that reads and writes at the memory's speed, in place of PyTorch's.

On an H200 PyTorch's takes 118 us for 5,120 rows of 1,024 in float16, where their bytes take 36: a sixth of a decoder's
step. What is served is TorchScript, which calls ``lstm_cell``: so PyTorch is given the kernel for the operator that is
under it, and everything in the process that steps an LSTM on a GPU has it, with the same results.

R rows, H hidden size.
"""

import logging
import warnings
from functools import cache
from threading import Lock

import torch
from torch import Tensor

from model.fused import has_triton

try:
    import triton
    import triton.language as tl
except ModuleNotFoundError:
    triton = None

logger = logging.getLogger(__name__)

OPERATOR = "_thnn_fused_lstm_cell"
TOLERANCES = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_LOCK = Lock()
# What it registers lives as long as it does.
_library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]

if triton:

    @triton.jit  # type: ignore[untyped-decorator]
    def _cells(  # type: ignore[no-untyped-def]
        of_inputs,
        of_hidden,
        of_cells,
        input_biases,
        hidden_biases,
        hidden,
        cells,
        gates,
        row_length,
        size: tl.constexpr,
        block: tl.constexpr,
    ):
        """Write one row's h, c and gates; ``row_length`` is from one row of c to the next."""
        row = tl.program_id(0).to(tl.int64)
        for first in range(0, size, block):
            places = first + tl.arange(0, block)
            mask = places < size
            i = _gate(of_inputs, of_hidden, input_biases, hidden_biases, row, places, mask, 0, size)
            f = _gate(of_inputs, of_hidden, input_biases, hidden_biases, row, places, mask, 1, size)
            g = _gate(of_inputs, of_hidden, input_biases, hidden_biases, row, places, mask, 2, size)
            o = _gate(of_inputs, of_hidden, input_biases, hidden_biases, row, places, mask, 3, size)
            i, f, g, o = tl.sigmoid(i), tl.sigmoid(f), _tanh(g), tl.sigmoid(o)
            c = f * tl.load(of_cells + row * row_length + places, mask=mask).to(tl.float32) + i * g
            tl.store(cells + row * size + places, c, mask=mask)
            tl.store(hidden + row * size + places, o * _tanh(c), mask=mask)
            at = gates + row * 4 * size + places
            tl.store(at, i, mask=mask)
            tl.store(at + size, f, mask=mask)
            tl.store(at + 2 * size, g, mask=mask)
            tl.store(at + 3 * size, o, mask=mask)

    @triton.jit  # type: ignore[untyped-decorator]
    def _gate(  # type: ignore[no-untyped-def]
        of_inputs, of_hidden, input_biases, hidden_biases, row, places, mask, number: tl.constexpr, size: tl.constexpr
    ):
        """Return a gate before its function."""
        at = number * size + places
        in_row = row * 4 * size + at
        products = tl.load(of_inputs + in_row, mask=mask).to(tl.float32)
        products += tl.load(of_hidden + in_row, mask=mask).to(tl.float32)
        products += tl.load(input_biases + at, mask=mask).to(tl.float32)
        return products + tl.load(hidden_biases + at, mask=mask).to(tl.float32)

    @triton.jit
    def _tanh(x):  # type: ignore[no-untyped-def]
        return 2 * tl.sigmoid(2 * x) - 1


def lstm_gates(
    of_inputs: Tensor,
    of_hidden: Tensor,
    cells: Tensor,
    input_biases: Tensor | None = None,
    hidden_biases: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return h (R, H), c (R, H) and the gates (R, 4 H), which PyTorch's gradients need; computed in float32.

    Of the products of weights with inputs and with h (R, 4 H), c before (R, H), and biases (4 H).
    """
    rows, size = cells.shape
    if input_biases is None or hidden_biases is None:
        input_biases = hidden_biases = of_inputs.new_zeros(4 * size)
    input_biases, hidden_biases = input_biases.contiguous(), hidden_biases.contiguous()
    of_inputs, of_hidden, cells = of_inputs.contiguous(), of_hidden.contiguous(), _with_dense_rows(cells)
    hidden, new_cells, gates = cells.new_empty(rows, size), cells.new_empty(rows, size), torch.empty_like(of_inputs)
    block = min(1024, 1 << (size - 1).bit_length())
    _cells[(rows,)](
        of_inputs,
        of_hidden,
        cells,
        input_biases,
        hidden_biases,
        hidden,
        new_cells,
        gates,
        cells.stride(0),
        size,
        block,
    )
    return hidden, new_cells, gates


def _with_dense_rows(tensor: Tensor) -> Tensor:
    """Return it as it is if the numbers of a row follow each other, as in a part of the state; else copied."""
    return tensor if tensor.stride(1) == 1 else tensor.contiguous()


def use_fused_gates(device: torch.device) -> bool:
    """Have PyTorch step LSTMs with this kernel on GPUs if it works on the device; say whether it does.

    To be asked before anything is stepped there: other threads may be using the operator that is replaced.
    """
    with _LOCK:
        if not _works(device):
            return False
        _register()
        return True


@cache
def _register() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that PyTorch's own is replaced
        _library.impl(OPERATOR, lstm_gates, "CUDA")  # type: ignore[no-untyped-call]


@cache
def _works(device: torch.device) -> bool:
    """Say whether the kernel gives on a device what PyTorch's does, in all types in which networks are served."""
    if not has_triton(device):
        return False
    try:
        return all(_is_right(device, dtype, tolerance) for dtype, tolerance in TOLERANCES.items())
    except Exception:  # whatever Triton raises
        logger.warning("the kernel for LSTMs does not work here, so the GPU is slower", exc_info=True)
        return False


def _is_right(device: torch.device, dtype: torch.dtype, tolerance: float) -> bool:
    cell = torch.nn.LSTMCell(24, 40, device=device, dtype=dtype)
    inputs, h, c = (torch.randn(3, size, device=device, dtype=dtype) for size in (24, 40, 40))
    with torch.inference_mode():
        expected = cell(inputs, (h, c))
        found = lstm_gates(inputs @ cell.weight_ih.T, h @ cell.weight_hh.T, c, cell.bias_ih, cell.bias_hh)[:2]
    is_right = all(torch.allclose(*both, atol=tolerance) for both in zip(found, expected, strict=True))
    if not is_right:
        logger.warning("the kernel for LSTMs gives other numbers than PyTorch here in %s, and is not used", dtype)
    return is_right
