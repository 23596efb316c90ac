"""Sentences join and leave at any step, in any company, and each is decoded as if it were alone."""

from collections.abc import Sequence
from random import Random

import pytest
import torch

from model.config import NetworkConfig
from model.data import pad
from model.hypothesis import Hypothesis
from model.network import Seq2Seq
from model.search import BeamSearch, Sentence
from model.tokenizer import END
from tests.choices import CHOICES
from tests.slow_search import (
    CPU,
    SPECIAL,
    TAG,
    WORDS,
    assert_equal,
    decode_alone,
    make_search,
    max_length,
    met,
    random_sentences,
    with_constraints,
)

WIDE_PIECES = 500
WIDE_WORDS = range(TAG + 1, WIDE_PIECES)


def decode_in_company(search: BeamSearch, sentences: Sequence[Sentence], random: Random) -> list[list[Hypothesis]]:
    """Let sentences join at random steps, some at a time, beside strangers that are dropped at random steps."""
    batch = search.batch()
    waiting = list(range(len(sentences)))
    owners: dict[int, int] = {}
    strangers: set[int] = set()
    results: dict[int, list[Hypothesis]] = {}
    while waiting or owners:
        if waiting and random.random() < 0.5:
            joining = [waiting.pop() for _ in range(min(len(waiting), random.randint(1, 4)))]
            owners.update(zip(batch.admit([sentences[i] for i in joining]), joining, strict=True))
        if random.random() < 0.3:
            strangers.update(batch.admit(random.choices(sentences, k=random.randint(1, 3))))
        if random.random() < 0.3:
            leaving = {ticket for ticket in strangers if random.random() < 0.5}
            batch.drop(leaving)
            strangers -= leaving
        for ticket, found in batch.step() if batch else []:
            if ticket in owners:
                results[owners.pop(ticket)] = found
            else:
                strangers.remove(ticket)
    assert len(batch) == len(strangers)
    return [results[i] for i in range(len(sentences))]


@pytest.mark.parametrize("seed", range(4))
def test_sentences_that_join_at_any_step_in_any_company_are_decoded_as_alone(end_bias: float, seed: int) -> None:
    random = Random(seed)
    search = make_search(seed, end_bias)
    sentences = random_sentences(random, count=20, words=WORDS, longest=20)
    for sentence, found in zip(sentences, decode_in_company(search, sentences, random), strict=True):
        alone = decode_alone(search, sentence)
        assert_equal(found, alone)
        for one, other in zip(found, alone, strict=True):
            assert one.log_probabilities == pytest.approx(other.log_probabilities, abs=1e-4)
            assert (one.attention is not None) == (other.attention is not None) == sentence.attention
            if one.attention is not None:
                torch.testing.assert_close(
                    torch.tensor(one.attention), torch.tensor(other.attention), atol=1e-4, rtol=1e-4
                )


def make_int8_search(embedding_size: int, hidden_size: int, choice: str) -> BeamSearch:
    """Return a search in int8 over a network of random weights."""
    torch.manual_seed(hidden_size)
    sizes = {"embedding_size": embedding_size, "hidden_size": hidden_size}
    config = NetworkConfig.model_validate(sizes | CHOICES[choice])
    network = Seq2Seq(config, WIDE_PIECES).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.2)
        network.output_bias[END] += 3.0
        network.quantize()
    return BeamSearch(network, SPECIAL, CPU)


@pytest.mark.parametrize(
    ("embedding_size", "hidden_size", "choice"),
    [(96, 128, "2 and 3 layers"), *((64, 96, choice) for choice in CHOICES), (50, 70, "dot")],
)
@pytest.mark.usefixtures("_int8")
def test_in_int8_company_changes_not_a_bit_of_what_a_sentence_gets(
    embedding_size: int, hidden_size: int, choice: str
) -> None:
    random = Random(hidden_size)
    search = make_int8_search(embedding_size, hidden_size, choice)
    sentences = random_sentences(random, count=12, words=WIDE_WORDS, longest=40)
    together = decode_in_company(search, sentences, random)
    assert together == [decode_alone(search, sentence) for sentence in sentences]
    assert sum(len(hypothesis.pieces) for found in together for hypothesis in found) > 50


@pytest.mark.parametrize("hidden_size", [70, 96, 480])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "lstm-norm"])
@pytest.mark.usefixtures("_int8")
def test_in_int8_a_sentence_is_read_bit_for_bit_the_same_in_any_company(cell: str, hidden_size: int) -> None:
    random = Random(hidden_size)
    torch.manual_seed(0)
    config = NetworkConfig.model_validate({"embedding_size": 50, "hidden_size": hidden_size, "cell": cell})
    network = Seq2Seq(config, WIDE_PIECES).eval()
    with torch.inference_mode():
        network.quantize()
        for _ in range(20):
            sources = [random.choices(WIDE_WORDS, k=random.randint(1, 30)) for _ in range(random.randint(2, 8))]
            memory, state = network.encode(pad(sources, 8), torch.tensor(list(map(len, sources))))
            alone = network.encode(torch.tensor(sources[:1]), torch.tensor([len(sources[0])]))
            assert torch.equal(memory[0, : len(sources[0])], alone[0][0])
            assert torch.equal(state[0], alone[1][0])


@pytest.mark.parametrize("seed", range(4))
def test_sentences_with_constraints_and_without_are_decoded_as_alone(end_bias: float, seed: int) -> None:
    random = Random(seed)
    search = make_search(seed, end_bias)
    sentences = with_constraints(random, random_sentences(random, count=20, words=WORDS, longest=20), WORDS)
    for sentence, found in zip(sentences, decode_in_company(search, sentences, random), strict=True):
        assert_equal(found, decode_alone(search, sentence))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.usefixtures("_int8")
def test_in_int8_constraints_change_not_a_bit_of_what_a_sentence_gets_in_company(seed: int) -> None:
    random = Random(seed)
    search = make_int8_search(96, 128, "2 and 3 layers")
    plain = random_sentences(random, count=12, words=WIDE_WORDS, longest=40)
    sentences = with_constraints(random, plain, WIDE_WORDS)
    together = decode_in_company(search, sentences, random)
    assert together == [decode_alone(search, sentence) for sentence in sentences]
    for found, sentence in zip(together, sentences, strict=True):
        if sum(map(len, sentence.constraints)) <= max_length(sentence.source, sentence.config):
            assert found
            assert all(met(h.pieces, sentence.constraints) == len(sentence.constraints) for h in found)
