"""In which type of number a network is served: what a device can do, and which is fastest there."""

import logging
import time
from random import Random

import torch

from model import torchscript
from model.config import DecodingConfig, DType
from model.search import BeamSearch
from model.tokenizer import END, Tokenizer

logger = logging.getLogger(__name__)

TRIAL_SENTENCES = 4
TRIAL_PIECES = 12
TRIAL_RUNS = 3
"""Of which the fastest counts: the first pays for what TorchScript and oneDNN make at first use."""


def available(device: torch.device) -> list[DType]:
    """Return the types that the device computes in, those with instructions of their own first."""
    if device.type == "cuda":
        # float16 has three bits more, and cuDNN's fastest kernels; an LSTM has no numbers that are too large for it.
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return ["float16", "bfloat16", "float32"] if has_bf16 else ["float16", "float32"]
    types: list[DType] = []
    if "fbgemm" in torch.backends.quantized.supported_engines:
        types.append("int8")
    if torch.cpu._is_avx512_bf16_supported():
        types.append("bfloat16")
    return [*types, "float32"]


def load_search(archive: bytes, tokenizer: Tokenizer, device: torch.device, dtype: DType) -> BeamSearch:
    """Return a search with the network of an archive; RuntimeError when it is not one."""
    network = torchscript.load(archive, device, dtype)
    return BeamSearch(network, tokenizer.special_ids, device, graphs=device.type == "cuda")


def load_fastest(archive: bytes, tokenizer: Tokenizer, device: torch.device) -> tuple[BeamSearch, DType]:
    """Load an archive in each type and keep the fastest in a short trial; on a GPU the first, as it has the memory.

    float32 is not tried where there is another: it took three times as long as int8 on every processor so far.
    RuntimeError when the archive is not one.
    """
    types = available(device)
    first, *others = [dtype for dtype in types if dtype != "float32"] or types
    search, fastest = load_search(archive, tokenizer, device, first), first
    if device.type == "cuda" or not others:
        return search, fastest
    seconds = _trial_seconds(search, tokenizer)
    for dtype in others:
        other = load_search(archive, tokenizer, device, dtype)
        other_seconds = _trial_seconds(other, tokenizer)
        if other_seconds < seconds:
            search, fastest, seconds = other, dtype, other_seconds
        del other  # the memory of the slower one serves the next
    return search, fastest


def _trial_seconds(search: BeamSearch, tokenizer: Tokenizer) -> float:
    random = Random(0)
    ordinary = sorted(set(range(len(tokenizer))) - set(tokenizer.special_ids))
    sources = [[*random.choices(ordinary, k=TRIAL_PIECES), END] for _ in range(TRIAL_SENTENCES)]
    config = DecodingConfig(min_length=TRIAL_PIECES, max_length=TRIAL_PIECES, max_length_offset=TRIAL_PIECES)
    seconds, found = [], []
    for _ in range(TRIAL_RUNS):
        started = time.perf_counter()
        try:
            found = search.search(sources, config)
        except RuntimeError:
            logger.exception("a type of number failed its trial and is not used")
            return float("inf")
        seconds.append(time.perf_counter() - started)
    # Nothing is found fast by a type in which the network gives NaN.
    return min(seconds) if all(found) else float("inf")
