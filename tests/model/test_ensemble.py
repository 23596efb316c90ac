from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from model.bundle import CARD, load_bundle, load_manifest
from model.checkpoint import load_checkpoint, restore_network, save_checkpoint
from model.config import DType, NetworkConfig, TokenizerConfig
from model.data import pad
from model.ensemble import Ensemble
from model.export import ExportError, export
from model.network import Seq2Seq
from model.search import BeamSearch
from model.step import Network
from model.tokenizer import END, START, Tokenizer
from tests import reversal
from tests.model.test_company import WIDE_PIECES, decode_in_company
from tests.slow_search import CPU, SPECIAL, TAG, WORDS, assert_equal, decode_alone, make_network, random_sentences

SIZES = ("embedding_size", "hidden_size", "encoder_layers", "decoder_layers")

SOURCES = [[TAG, 5, 7, 6, END], [TAG, 6, END]]
CHOSEN = [[5, 6, 7], [7, 7, 5], [6, 5, 5]]
"""Pieces of three rows, step by step."""


def random_network(seed: int, pieces: int, **choices: Any) -> Seq2Seq:
    """Return a network that is sure of what it does, whatever its size."""
    torch.manual_seed(seed)
    network = Seq2Seq(NetworkConfig(**choices), pieces).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.4)
    return network


@pytest.fixture
def networks() -> list[Seq2Seq]:
    """Return three networks of different sizes and parts."""
    sizes = [(8, 8, 1, 2), (6, 12, 2, 3), (10, 4, 1, 2)]
    parts: list[dict[str, Any]] = [{}, {"cell": "gru", "copying": True}, {"cell": "rnn", "attention": "none"}]
    chosen = [{**dict(zip(SIZES, size, strict=True)), **part} for size, part in zip(sizes, parts, strict=True)]
    return [random_network(i, 8, **choices) for i, choices in enumerate(chosen)]


@torch.inference_mode()
def trace(network: Network, sources: Sequence[Sequence[int]]) -> list[tuple[Tensor, Tensor]]:
    """Return log-probabilities and attention of some steps, with two rows of the first source and one of the second."""
    source = pad(sources)
    memory, state = network.encode(source, torch.tensor([len(source) for source in sources]))
    state, places = state[[0, 0, 1]], torch.tensor([0, 1, 2])
    steps = []
    for pieces in CHOSEN:
        logits, state, weights = network.decode_step(torch.tensor(pieces), state, memory, source, places, 2)
        steps.append((torch.log_softmax(logits, dim=-1), weights))
    return steps


def test_probabilities_and_attention_are_the_mean_of_all_networks(networks: list[Seq2Seq]) -> None:
    found = trace(Ensemble(networks), SOURCES)
    for (log_probabilities, weights), *others in zip(found, *(trace(n, SOURCES) for n in networks), strict=True):
        probabilities = sum(torch.exp(other) for other, _ in others) / 3
        torch.testing.assert_close(torch.exp(log_probabilities), probabilities)
        torch.testing.assert_close(weights, sum(other for _, other in others) / 3)


def test_what_is_too_improbable_for_float32_stays_finite(networks: list[Seq2Seq]) -> None:
    with torch.no_grad():
        for network in networks:
            network.output_bias[START] = -1000
    for log_probabilities, _ in trace(Ensemble(networks), SOURCES):
        assert (log_probabilities[:, START] < -60).all()
        assert log_probabilities.isfinite().all()


def test_equal_networks_decode_as_one_of_them(end_bias: float) -> None:
    random = Random(0)
    network = make_network(0, end_bias)
    alone, together = (BeamSearch(one, SPECIAL, CPU) for one in (network, Ensemble([network, network])))
    for sentence in random_sentences(random, count=10, words=WORDS, longest=12):
        assert_equal(decode_alone(together, sentence), decode_alone(alone, sentence))


def test_sentences_in_company_are_decoded_as_alone(networks: list[Seq2Seq]) -> None:
    random = Random(1)
    search = BeamSearch(Ensemble(networks), SPECIAL, CPU)
    sentences = random_sentences(random, count=10, words=WORDS, longest=15)
    for sentence, found in zip(sentences, decode_in_company(search, sentences, random), strict=True):
        assert_equal(found, decode_alone(search, sentence))


@pytest.mark.usefixtures("_int8")
def test_in_int8_company_changes_not_a_bit() -> None:
    random = Random(2)
    sizes = [{"embedding_size": 48, "hidden_size": 64}, {"embedding_size": 32, "hidden_size": 48}]
    ensemble = Ensemble([random_network(i, WIDE_PIECES, **size) for i, size in enumerate(sizes)])
    with torch.no_grad():
        ensemble.quantize()
    search = BeamSearch(ensemble, SPECIAL, CPU)
    sentences = random_sentences(random, count=10, words=range(TAG + 1, WIDE_PIECES), longest=20)
    together = decode_in_company(search, sentences, random)
    assert together == [decode_alone(search, sentence) for sentence in sentences]


# as a bundle


@pytest.fixture(scope="module")
def checkpoints(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return checkpoints of two networks of different sizes and parts with one tokenizer."""
    first = load_checkpoint(tiny_checkpoint)
    larger = NetworkConfig(embedding_size=12, hidden_size=16, encoder_layers=1, cell="gru", copying=True)
    network = random_network(3, len(first.tokenizer), **larger.model_dump())
    path = tmp_path_factory.mktemp("larger") / "larger.pt"
    recipe = first.recipe.model_copy(update={"network": larger})
    save_checkpoint(path, first._replace(recipe=recipe, network_state=network.state_dict()))
    return [tiny_checkpoint, path]


@pytest.fixture(scope="module")
def bundle(checkpoints: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensemble") / "bundle"
    export(checkpoints, folder, version="1")
    return folder


def test_a_bundle_says_of_what_networks_it_is(bundle: Path, checkpoints: list[Path]) -> None:
    manifest = load_manifest(bundle)
    loaded = [load_checkpoint(path) for path in checkpoints]
    assert manifest.networks == [checkpoint.recipe.network for checkpoint in loaded]
    assert (manifest.decoding, manifest.card) == (loaded[0].recipe.decoding, loaded[0].recipe.card)
    assert manifest.parameters == sum(p.numel() for c in loaded for p in restore_network(c).parameters())
    assert "2 networks that decode as one" in (bundle / CARD).read_text()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.02), ("int8", 0.02)])
@pytest.mark.usefixtures("_int8")
def test_a_bundle_in_each_type_computes_what_its_networks_do(
    dtype: DType, tolerance: float, bundle: Path, checkpoints: list[Path]
) -> None:
    served = load_bundle(bundle, CPU, dtype)
    rounded = [restore_network(load_checkpoint(path)).to(torch.bfloat16).to(torch.float32) for path in checkpoints]
    sources = [served.tokenizer.encode_source(text, reversal.TRANSLATE) for text in ("Mango Apfel Kiwi", "Birne")]
    found, expected = trace(served.search.network, sources), trace(Ensemble(rounded), sources)
    for (log_probabilities, _), (others, _) in zip(found, expected, strict=True):
        torch.testing.assert_close(torch.exp(log_probabilities), torch.exp(others), atol=tolerance, rtol=0)
    assert all(served.search.search(sources, served.manifest.decoding))


def test_other_tokenizers_and_tasks_are_refused_by_name(checkpoints: list[Path], tmp_path: Path) -> None:
    first = load_checkpoint(checkpoints[0])
    fewer = first.recipe.model_copy(update={"corpus": first.recipe.corpus[:1]})
    save_checkpoint(tmp_path / "fewer.pt", first._replace(recipe=fewer))
    with pytest.raises(ExportError, match=f"fewer.pt: was trained for other tasks than {checkpoints[0]}"):
        export([checkpoints[0], tmp_path / "fewer.pt"], tmp_path / "bundle", version="1")
    tokenizer = Tokenizer.train(
        reversal.random_sentences(200, seed=9),
        [reversal.TRANSLATE, reversal.SUMMARIZE],
        TokenizerConfig(vocabulary_size=300),
    )
    save_checkpoint(tmp_path / "other.pt", first._replace(tokenizer=tokenizer))
    with pytest.raises(ExportError, match=f"other.pt: has another tokenizer than {checkpoints[0]}"):
        export([checkpoints[0], tmp_path / "other.pt"], tmp_path / "bundle", version="1")
    assert not (tmp_path / "bundle").exists()
