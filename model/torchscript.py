"""TorchScript, and all that the project knows of it.

PyTorch deprecates it without a date. Its warnings, and no others, are silenced here.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from model.network import Seq2Seq

# forward is exported by itself; the two methods that a search calls have to be marked.
for method in (Seq2Seq.encode, Seq2Seq.decode_step):
    torch.jit.export(method)


@contextmanager
def _without_deprecation_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit\.\w+` is deprecated", category=DeprecationWarning)
        yield


def script(network: Seq2Seq) -> bytes:
    """Compile the network with its weights as they are, and return the archive."""
    archive = io.BytesIO()
    with _without_deprecation_warnings():
        torch.jit.save(torch.jit.script(network), archive)
    return archive.getvalue()


def load(archive: bytes, device: torch.device) -> torch.jit.ScriptModule:
    """Load an archive onto the device for serving in float32; RuntimeError when it is not one."""
    with _without_deprecation_warnings():
        module = torch.jit.load(io.BytesIO(archive), map_location=device)  # type: ignore[no-untyped-call]
    return module.to(torch.float32).eval()  # type: ignore[no-any-return]
