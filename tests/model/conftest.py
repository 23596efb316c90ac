"""What several test modules of the model share."""

from collections.abc import Iterator

import pytest
import torch

from model import torchscript
from model.precision import available


@pytest.fixture(params=[-3.0, 0.0, 3.0], ids=["rare end", "even", "likely end"])
def end_bias(request: pytest.FixtureRequest) -> float:
    """Return how much likelier than by chance an end is."""
    return float(request.param)


@pytest.fixture
def _int8() -> Iterator[None]:
    """Let a test quantize networks that are not scripted, as loading does with those that are."""
    if "int8" not in available(torch.device("cpu")):
        pytest.skip("this processor has no instructions for int8")
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    with torchscript.without_deprecation_warnings():
        yield
    torch.backends.quantized.engine = engine


@pytest.fixture(autouse=True)
def _without_tf32(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a GPU multiply in float32: a training asks its process for TF32, and it was on for cuDNN anyway."""
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    yield
    torch.set_float32_matmul_precision(precision)
