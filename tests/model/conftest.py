"""What several test modules of the model share."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from model import torchscript
from model.arena import Arena, Sizes
from model.arenas import Arenas
from model.precision import available
from model.search import BeamSearch
from tests.resident import make_arenas, make_search


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


@pytest.fixture(scope="module")
def search() -> BeamSearch:
    """Return a search whose hypotheses are long."""
    return make_search()


@pytest.fixture
def arenas(search: BeamSearch) -> Arenas:
    """Return arenas of that search, without graphs."""
    return make_arenas(search)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Sizes]:
    """Return the sizes of the arenas that are made from now on."""
    sizes: list[Sizes] = []
    captured = Arenas._captured

    def watched(self: Arenas, arena: Arena) -> Any:
        sizes.append(arena.sizes)
        return captured(self, arena)

    monkeypatch.setattr(Arenas, "_captured", watched)
    return sizes
