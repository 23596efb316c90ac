"""Each choice of a recipe learns to reverse a few words, is exported, and serves what it has learned."""

import math
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from model.bundle import load_bundle
from model.checkpoint import Checkpoint, save_checkpoint
from model.config import DecodingConfig, NetworkConfig
from model.copying import coverage_loss
from model.data import pad
from model.export import export
from model.network import Seq2Seq
from model.precision import available
from model.recipe import Recipe
from model.search import BeamSearch
from model.tokenizer import END, PAD, START, Tokenizer
from tests.choices import CHOICES

CPU = torch.device("cpu")
TAG = 4
WORDS = range(100, 106)
STEPS, BATCH = 50, 32


def random_words(random: Random) -> list[int]:
    return random.sample(WORDS, random.randint(2, 3))


def train(config: NetworkConfig, pieces: int) -> tuple[Seq2Seq, float]:
    """Return a network that was shown reversals for a second, and its last loss a piece."""
    torch.manual_seed(0)
    random, network = Random(0), Seq2Seq(config, pieces)
    with torch.no_grad():  # it begins with what a constant guess knows: which pieces there are
        network.output_bias.fill_(-10.0)[[*WORDS, END]] = 0.0
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-2, fused=True)
    loss = torch.tensor(0.0)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = 2e-2 * min(1.0, (step + 1) / 10, 2 * (STEPS - step) / STEPS)
        sentences = [random_words(random) for _ in range(BATCH)]
        source = pad([[TAG, *words, END] for words in sentences])
        inputs, outputs = pad([[START, *words[::-1]] for words in sentences]), pad([[*w[::-1], END] for w in sentences])
        logits, weights = network(source, (source != PAD).sum(dim=1), inputs)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), outputs.flatten(), ignore_index=PAD)
        optimizer.zero_grad()
        (loss + 0.1 * coverage_loss(weights, outputs != PAD) / (outputs != PAD).sum()).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    return network.eval(), loss.item()


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_a_network_of_this_choice_learns_is_exported_and_serves(
    choice: dict[str, Any], tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, tmp_path: Path
) -> None:
    sizes = {"embedding_size": 32, "hidden_size": 32, "encoder_layers": 1, "dropout": 0.0}
    config = NetworkConfig.model_validate(sizes | choice)
    network, loss = train(config, len(tiny_tokenizer))
    assert loss < math.log(len(WORDS)) / 3  # a constant guess knows nothing but which words there are

    recipe = tiny_recipe.model_copy(update={"network": config})
    save_checkpoint(tmp_path / "best.pt", Checkpoint(recipe, tiny_tokenizer, network.state_dict(), {}, {}))
    export([tmp_path / "best.pt"], tmp_path / "bundle", version="1")
    random = Random(1)
    sentences = [random_words(random) for _ in range(10)]
    sources = [[TAG, *words, END] for words in sentences]
    decoding = DecodingConfig(beam_size=3)
    rounded = network.to(torch.bfloat16).to(torch.float32)
    eager = [found[0] for found in BeamSearch(rounded, tiny_tokenizer.special_ids, CPU).search(sources, decoding)]
    for dtype in set(available(CPU)) & {"float32", "int8"}:
        search = load_bundle(tmp_path / "bundle", CPU, dtype).search
        served = [found[0] for found in search.search(sources, decoding)]
        right = sum(found.pieces == words[::-1] for found, words in zip(served, sentences, strict=True))
        assert right >= 7
        if dtype == "float32":
            assert [found.pieces for found in served] == [found.pieces for found in eager]
            assert [found.score for found in served] == pytest.approx([found.score for found in eager], abs=1e-4)
