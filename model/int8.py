"""Matrix products in int8, for serving on a CPU.

R rows, I inputs, O outputs.

PyTorch's dynamic quantization measures one scale over the whole batch, so that what one sentence gets depends on who
shares its step. What a recurrent network multiplies is bounded by construction, as by tanh, so here inputs are rounded
to a grid fixed by that bound. Sums of int8 products in int32 are exact: a row's result is the same, bit for bit, in
any batch.

Weights have 63 levels on each side and inputs 127: processors without VNNI add two products in 16 bits, and
2 * 255 * 63 is the most that these hold. So every processor that FBGEMM knows gives the same sums.
"""

from typing import Final, Optional

import torch
from torch import Tensor, nn

Packed = torch.classes.quantized.LinearPackedParamsBase  # a matrix as FBGEMM reads it, and its bias


class Int8Product(nn.Module):
    """``x W^T + b`` with one scale for each output of W; nothing until ``pack`` gives it W."""

    WEIGHT_LEVELS: Final[int] = 63
    INPUT_LEVELS: Final[int] = 127
    ZERO_POINT: Final[int] = 128  # inputs are stored unsigned

    # TorchScript has to know the type; it is none that | takes, nor one that mypy knows.
    packed: Optional[Packed]  # type: ignore[valid-type]  # noqa: UP045

    def __init__(self) -> None:
        super().__init__()
        self.packed = None
        self.scale = 1.0

    def pack(self, weight: Tensor, bias: Tensor | None, bound: float) -> None:
        """Take weight (O, I) and bias (O) for inputs whose magnitude is at most ``bound``."""
        scales = weight.abs().amax(dim=1).clamp(min=1e-8) / self.WEIGHT_LEVELS
        zeros = torch.zeros(weight.size(0), dtype=torch.long)
        quantized = torch.quantize_per_channel(weight, scales.to(torch.double), zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(quantized, bias)
        self.scale = bound / self.INPUT_LEVELS

    def is_packed(self) -> bool:
        """Say whether ``pack`` has been called."""
        return self.packed is not None

    def weights(self) -> Packed:  # type: ignore[valid-type]
        """Return what ``pack`` made."""
        packed = self.packed
        assert packed is not None
        return packed

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply inputs (R, I), float32 → (R, O), float32."""
        product: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            inputs, self.scale, self.ZERO_POINT, self.weights()
        )
        return product


def of_hidden(h: Tensor, weights: Packed) -> Tensor:  # type: ignore[valid-type]
    """Return what Int8Product gives for h (R, I), whose bound is 1, as a loop over positions asks for it: (R, O)."""
    product: Tensor = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(h, 1.0 / 127, 128, weights)
    return product


def steady_sigmoid(inputs: Tensor) -> Tensor:
    """Return the sigmoid, in float32, with the same bits whatever else is in the tensor.

    PyTorch's takes other code for the last numbers of a tensor than for those that fill a vector. Where a row has but
    one number, which rows are the last depends on the batch; in float64 the difference is rounded away.
    """
    return torch.sigmoid(inputs.double()).float()


def room_for_sigmoid(like: Tensor, directions: int, rows: int, size: int) -> Tensor:
    """Return an empty tensor (D, R, N) in which ``sigmoid_`` gives a row the same bits whatever the others are.

    PyTorch runs through a whole tensor without gaps at once, and takes other code for what is left over of vectors at
    its end. With a gap behind each row it runs through them one by one; rows of whole vectors need none.
    """
    gap = 0 if size % 32 == 0 else 1  # 32 are two vectors of AVX-512, four of AVX2
    return like.new_empty(directions, rows, size + gap)[..., :size]


def sigmoid_of_rows(inputs: Tensor) -> Tensor:
    """Return the sigmoid of inputs (R, N), which may be written over, with the same bits for a row as above."""
    if inputs.size(-1) % 32 == 0:
        return inputs.sigmoid_()
    return torch.sigmoid(inputs, out=room_for_sigmoid(inputs, 1, inputs.size(0), inputs.size(1))[0])


def release(weight: Tensor) -> None:
    """Free the memory of a weight that is packed, for good."""
    weight.set_()  # type: ignore[call-overload]


class Linear(nn.Linear):
    """nn.Linear that multiplies in int8 once it is quantized."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias)
        self.int8 = Int8Product()

    def quantize(self, bound: float) -> None:
        """Multiply in int8 from now on, for inputs whose magnitude is at most ``bound``."""
        self.int8.pack(self.weight, self.bias, bound)
        release(self.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """Multiply inputs (..., I) → (..., O)."""
        if self.int8.is_packed():
            product: Tensor = self.int8(inputs.reshape(-1, inputs.size(-1)))
            return product.reshape(inputs.shape[:-1] + product.shape[-1:])
        return nn.functional.linear(inputs, self.weight, self.bias)
