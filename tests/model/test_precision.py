import math
from pathlib import Path

import pytest
import torch

from model import precision, torchscript
from model.bundle import load_bundle
from model.checkpoint import load_checkpoint, restore_network
from model.config import DType
from model.precision import available, load_fastest
from model.search import BeamSearch
from model.tokenizer import Tokenizer
from tests.reversal import TRANSLATE, Trained, random_sentences, translation

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def archive(tiny_checkpoint: Path) -> bytes:
    return torchscript.script(restore_network(load_checkpoint(tiny_checkpoint)))


def test_float32_is_available_everywhere_and_no_type_twice() -> None:
    types = available(CPU)
    assert types[-1] == "float32"
    assert len(set(types)) == len(types)
    assert "float16" not in types


@pytest.mark.parametrize("has_bf16", [False, True])
def test_a_processor_serves_in_what_it_has_instructions_for(has_bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has_bf16)
    has_fbgemm = "fbgemm" in torch.backends.quantized.supported_engines
    expected = {"int8": has_fbgemm, "bfloat16": has_bf16, "float32": True}
    assert available(CPU) == [dtype for dtype, has in expected.items() if has]


@pytest.mark.parametrize("has_bf16", [False, True])
def test_a_gpu_serves_in_16_bits_first_and_never_in_int8(has_bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *, including_emulation: has_bf16 or including_emulation)
    types = available(torch.device("cuda"))
    assert types == ["float16", *(["bfloat16"] if has_bf16 else []), "float32"]


@pytest.mark.parametrize("seconds", [(1.0, 2.0), (2.0, 1.0)], ids=str)
def test_a_network_is_served_in_the_type_whose_trial_is_fastest_and_float32_is_not_tried(
    archive: bytes, tiny_tokenizer: Tokenizer, seconds: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    types: list[DType] = ["bfloat16", "float16"]
    found = dict(zip((getattr(torch, dtype) for dtype in types), seconds, strict=True))

    def trial_seconds(search: BeamSearch, _: Tokenizer) -> float:
        return found[next(search.network.parameters()).dtype]

    monkeypatch.setattr(precision, "available", lambda _: [*types, "float32"])
    monkeypatch.setattr(precision, "_trial_seconds", trial_seconds)
    search, dtype = load_fastest(archive, tiny_tokenizer, CPU)
    assert dtype == types[seconds.index(min(seconds))]
    assert {parameter.dtype for parameter in search.network.parameters()} == {getattr(torch, dtype)}


def test_where_there_is_one_type_there_is_no_trial(
    archive: bytes, tiny_tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "available", lambda _: ["float32"])
    monkeypatch.setattr(precision, "_trial_seconds", None)
    assert load_fastest(archive, tiny_tokenizer, CPU)[1] == "float32"


def test_a_trial_decodes_and_takes_time(archive: bytes, tiny_tokenizer: Tokenizer) -> None:
    search = BeamSearch(torchscript.load(archive, CPU), tiny_tokenizer.special_ids, CPU)
    assert 0 < precision._trial_seconds(search, tiny_tokenizer) < math.inf


def test_an_archive_that_is_none_is_a_runtime_error(tiny_tokenizer: Tokenizer) -> None:
    with pytest.raises(RuntimeError):
        load_fastest(b"nonsense", tiny_tokenizer, CPU)


@pytest.mark.parametrize("dtype", ["int8", "bfloat16", "float32"])
def test_a_trained_network_decodes_as_well_in_every_type(trained_reversal: Trained, dtype: DType) -> None:
    if dtype not in available(CPU):
        pytest.skip(f"this processor has no instructions for {dtype}")
    bundle = load_bundle(trained_reversal.bundle, CPU, dtype)
    assert bundle.dtype == dtype
    sentences = random_sentences(60, seed=7)
    sources = [bundle.tokenizer.encode_source(sentence, TRANSLATE) for sentence in sentences]
    results = bundle.search.search(sources, bundle.manifest.decoding)
    for (best, *_), source in zip(results, sources, strict=True):
        assert len(best.log_probabilities) == len(best.pieces) + 1
        assert math.isfinite(best.score)
        assert len(best.pieces) <= 2 * len(source) + 10
    right = [
        bundle.tokenizer.decode(best.pieces) == translation(sentence)
        for (best, *_), sentence in zip(results, sentences, strict=True)
    ]
    assert sum(right) >= 0.9 * len(right)
