"""TorchScript, and all that the project knows of it.

PyTorch deprecates it without a date, and quantized tensors too. Their warnings, and no others, are silenced here.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch

from model.config import DType
from model.ensemble import Ensemble
from model.network import Seq2Seq
from model.step import Step

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


def script(network: Seq2Seq | Ensemble) -> bytes:
    """Compile the network with its weights as they are, and return the archive."""
    archive = io.BytesIO()
    with without_deprecation_warnings():
        torch.jit.save(torch.jit.script(network), archive)
    return archive.getvalue()


def compiled(step: Step) -> Step:
    """Compile what a search does with a network that is scripted itself."""
    with without_deprecation_warnings():
        return cast(Step, torch.jit.script(step))


def load(archive: bytes, device: torch.device, dtype: DType = "float32") -> torch.jit.ScriptModule:
    """Load an archive onto the device for serving in ``dtype``; RuntimeError when it is not one."""
    with without_deprecation_warnings():
        module = torch.jit.load(io.BytesIO(archive), map_location=device)  # type: ignore[no-untyped-call]
        module.eval()
        if dtype != "int8":
            return module.to(getattr(torch, dtype))  # type: ignore[no-any-return]
        module.to(torch.float32)
        torch.backends.quantized.engine = "fbgemm"  # the only one that takes a fixed grid and gives float32
        with torch.no_grad():
            module.quantize()
    return module  # type: ignore[no-any-return]
