"""What holds sentences in the places of an arena, on a CPU, and what they should find there."""

import math
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
import torch

from model.arenas import Arenas
from model.hypothesis import Hypothesis
from model.mixed import MixedBatch
from model.resident import ResidentBatch
from model.search import BeamSearch, Sentence
from model.step import Step
from tests.slow_search import CPU, SPECIAL, WORDS, assert_equal, decode_alone, make_network, random_sentences

PLAIN = {"coverage_penalty": 0.0, "no_repeat_ngram": 0, "repetition_penalty": 1.0}


def make_search() -> BeamSearch:
    """Return a search whose hypotheses are long."""
    return BeamSearch(make_network(2, end_bias=-1.0), SPECIAL, CPU)


def capture_by_calling(step: Callable[[], Any], pool: Any = None) -> tuple[Any, Callable[[], None]]:
    """Stand in for a capture: replaying calls the step and overwrites what it gave the first time."""
    del pool
    outputs = step()

    def replay() -> None:
        for held, new in zip(outputs or (), step() or (), strict=True):
            held.copy_(new)

    return outputs, replay


def make_arenas(search: BeamSearch) -> Arenas:
    """Return arenas without graphs."""
    return Arenas(Step(search.network, torch.tensor(SPECIAL)), CPU, capture_by_calling)


def plain_sentences(random: Random, count: int, longest: int = 20) -> list[Sentence]:
    """Return sentences of any length and ordinary options."""
    return [
        Sentence(
            sentence.source,
            sentence.config.model_copy(update=PLAIN),
            margin=random.choice([math.inf, math.inf, 0.1, 0.5]),
        )
        for sentence in random_sentences(random, count=count, words=WORDS, longest=longest)
    ]


def decode(batch: ResidentBatch | MixedBatch) -> dict[int, list[Hypothesis]]:
    """Step until all are done, by ticket."""
    found: dict[int, list[Hypothesis]] = {}
    while batch:
        found.update(batch.step())
    return found


def assert_as_alone(search: BeamSearch, sentence: Sentence, found: list[Hypothesis]) -> None:
    """Hold that a sentence found what it finds in a batch of its own on the host."""
    expected = decode_alone(search, sentence)
    assert_equal(found, expected)
    for one, other in zip(found, expected, strict=True):
        assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)
        assert one.attention == other.attention


def out_of_memory(*_: Any) -> Any:
    """Stand in for what finds no memory."""
    raise torch.OutOfMemoryError
