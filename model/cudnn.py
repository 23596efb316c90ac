"""Recurrent layers in bfloat16 on a GPU that trains in mixed precision.

Autocast runs cuDNN's layers in float16 whatever type it is asked for, and gradients leave float16's range. So they are
called past it, with weights cast anew for each call: their gradients reach those in float32.
"""

import warnings

import torch
from torch import Tensor, nn
from torch.backends.cudnn import rnn as cudnn_rnn


def in_bfloat16(layer: nn.RNNBase, inputs: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
    """Run a layer over inputs (B, T, I) from h and c (B, H), of which an LSTM alone has c → (B, T, H), h and c.

    None where it is not in mixed precision on a GPU.
    """
    if not torch.is_autocast_enabled("cuda"):
        return None
    weights = [weight.to(torch.bfloat16) for weight in layer._flat_weights if weight is not None]
    with torch.autocast("cuda", enabled=False), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        outputs, h, c, _, _ = torch._cudnn_rnn(
            inputs.to(torch.bfloat16),
            weights,
            len(weights),
            None,  # it lays out the weights itself
            h.to(torch.bfloat16).unsqueeze(0).contiguous(),
            None if c is None else c.to(torch.bfloat16).unsqueeze(0).contiguous(),
            cudnn_rnn.get_cudnn_mode(layer.mode),  # type: ignore[no-untyped-call]
            layer.hidden_size,
            0,  # no projection
            1,  # layer
            True,  # batch first
            0.0,  # dropout
            layer.training,
            False,  # not bidirectional
            [],  # not packed
            None,
        )
    return outputs, h.squeeze(0), c.squeeze(0)
