"""TorchScript, and all that the project knows of it.

PyTorch deprecates it without a date, and quantized tensors too. Their warnings, and no others, are silenced here.

TorchScript has no compression of its own: what is stored in int8 travels in the archive as a file beside the code.
"""

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Lock
from typing import cast

import torch
from torch import Tensor, nn
from torch.backends.cudnn import rnn

from model.config import DType, StoredIn
from model.ensemble import Ensemble
from model.int8 import release
from model.network import Seq2Seq
from model.step import Scripted, Step

# forward is exported by itself; the methods that a search and a loader call have to be marked.
for kind in (Seq2Seq, Ensemble):
    for method in (kind.encode, kind.decode_step, kind.quantize):
        torch.jit.export(method)


@contextmanager
def without_deprecation_warnings() -> Iterator[None]:
    """Silence what PyTorch says of TorchScript and of quantized tensors, within the block."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
        warnings.filterwarnings(
            "ignore", message=r"torch\.quantize_per_tensor, .* are deprecated", category=UserWarning
        )
        yield


with without_deprecation_warnings():
    torch.jit.interface(Scripted)


def as_written() -> AbstractContextManager[None]:
    """Run scripts in the block as they are written, in this thread.

    On a CPU TorchScript's optimizer fuses nothing: it took 1.4 s of a bundle's start to make the steps no faster. On a
    GPU it would compile for each size anew, within a capture too.
    """
    return torch.jit.optimized_execution(False)  # type: ignore[attr-defined]


MATRICES = "matrices.pt"
"""In the archive: name → int8 (O, I) and the scale of each row (O, 1) of the parameters that are stored so."""

STORED_LEVELS = 127

FLAT_WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
MODES = {1: "RNN_TANH", 3: "GRU", 4: "LSTM"}
"""cuDNN's, by the number of gates."""


def in_int8(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix (O, I) in int8, and the scale of each row (O, 1)."""
    scales = matrix.abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / STORED_LEVELS
    return torch.round(matrix / scales).to(torch.int8), scales


@torch.no_grad()
def round_weights(network: nn.Module, stored_in: StoredIn) -> None:
    """Round the weights to what an archive will hold."""
    for parameter in network.parameters():
        if stored_in == "bfloat16":
            parameter.copy_(parameter.to(torch.bfloat16))
        elif parameter.dim() == 2:
            quantized, scales = in_int8(parameter)
            parameter.copy_(quantized * scales)


def script(network: nn.Module) -> bytes:
    """Compile the network with its weights as they are, and return the archive."""
    with without_deprecation_warnings():
        return _archived(torch.jit.script(network), {})


@torch.no_grad()
def script_in_int8(network: nn.Module) -> bytes:
    """Compile the network and return the archive, which holds its matrices in int8."""
    matrices = {name: in_int8(parameter) for name, parameter in network.named_parameters() if parameter.dim() == 2}
    with without_deprecation_warnings():
        module = torch.jit.script(copy.deepcopy(network))
        for name, parameter in module.named_parameters():
            if name in matrices:
                release(parameter)
        return _archived(module, matrices)


def _archived(module: torch.jit.ScriptModule, matrices: dict[str, tuple[Tensor, Tensor]]) -> bytes:
    archive, packed = io.BytesIO(), io.BytesIO()
    torch.save(matrices, packed)
    torch.jit.save(module, archive, _extra_files={MATRICES: packed.getvalue()})
    return archive.getvalue()


_COMPILING = Lock()
"""What PyTorch's compiler knows of Python's classes is not made for threads that learn of one at the same time."""


def compiled(step: Step) -> Step:
    """Compile what a search does with a network that is scripted itself, or find what was compiled for another."""
    with _COMPILING, without_deprecation_warnings():
        return cast(Step, torch.jit.script(step))


def load(archive: bytes, device: torch.device, dtype: DType = "float32") -> torch.jit.ScriptModule:
    """Load an archive onto the device for serving in ``dtype``; RuntimeError when it is not one."""
    with without_deprecation_warnings():
        beside = {MATRICES: b""}
        module = torch.jit.load(io.BytesIO(archive), map_location=device, _extra_files=beside)  # type: ignore[no-untyped-call]
        module.eval()
        _restore(module, beside[MATRICES])
        if dtype != "int8":
            module.to(getattr(torch, dtype))
            if device.type == "cuda":
                _lay_out_for_cudnn(module)
            return module  # type: ignore[no-any-return]
        module.to(torch.float32)
        torch.backends.quantized.engine = "fbgemm"  # the only one that takes a fixed grid and gives float32
        with torch.no_grad(), as_written():
            module.quantize()
    return module  # type: ignore[no-any-return]


@torch.no_grad()
def _restore(module: torch.jit.ScriptModule, packed: bytes) -> None:
    parameters = dict(module.named_parameters())
    for name, (quantized, scales) in torch.load(io.BytesIO(packed), weights_only=True).items():
        parameters[name].set_((quantized * scales).to(parameters[name].device))


@torch.no_grad()
def _lay_out_for_cudnn(module: torch.jit.ScriptModule) -> None:
    """Lay each recurrent layer's weights side by side, or cuDNN would at each call (nn.RNNBase.flatten_parameters)."""
    for layer in module.modules():
        parameters = dict(layer.named_parameters(recurse=False))
        if parameters.keys() >= set(FLAT_WEIGHTS):
            weights: list[Tensor] = [parameters[name] for name in FLAT_WEIGHTS]
            gates, hidden = weights[1].size(0) // weights[1].size(1), weights[1].size(1)
            mode = rnn.get_cudnn_mode(MODES[gates])  # type: ignore[no-untyped-call]
            inputs = weights[0].size(1)
            torch._cudnn_rnn_flatten_weight(weights, len(weights), inputs, mode, hidden, 0, 1, True, False)
