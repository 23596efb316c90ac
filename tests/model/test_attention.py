import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from model.attention import (
    AdditiveAttention,
    Attention,
    DotAttention,
    GeneralAttention,
    HybridAttention,
    LocalAttention,
    MultiHeadAttention,
    NoAttention,
    Window,
    make_attention,
)
from model.config import NetworkConfig

SENTENCES, QUERIES, POSITIONS, SIZE, WINDOW, HEADS = 2, 3, 7, 6, 2, 3
LENGTHS = [7, 2]
MASK = torch.arange(POSITIONS) < torch.tensor(LENGTHS).unsqueeze(1)
KINDS = ["general", "dot", "additive", "multi-head", "local", "hybrid"]


def make(kind: str, size: int = SIZE) -> Any:
    return make_attention(
        NetworkConfig.model_validate({"hidden_size": size, "attention": kind, "window": WINDOW, "heads": HEADS})
    )


@pytest.fixture
def queries() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(SENTENCES, QUERIES, SIZE)


@pytest.fixture
def encoded() -> Tensor:
    torch.manual_seed(1)
    return torch.randn(SENTENCES, POSITIONS, SIZE)


def attend(attention: Attention, queries: Tensor, encoded: Tensor, mask: Tensor = MASK) -> tuple[Tensor, Tensor]:
    context, weights = attention(queries, attention.memorize(encoded), mask)
    return context, weights


# Each kind as its paper writes it, for one query (H) over the real positions (S, M) → context (C) and weights (S)


def mean(weights: Tensor, values: Tensor) -> Tensor:
    return (weights.unsqueeze(-1) * values).sum(dim=0)


def softmax(scores: Tensor) -> Tensor:
    return scores.exp() / scores.exp().sum()


def general_weights(attention: GeneralAttention, query: Tensor, encoded: Tensor) -> Tensor:
    scores = torch.stack([(attention.score.weight @ query) @ position for position in encoded])
    return softmax(scores / math.sqrt(SIZE))


def general(attention: GeneralAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    weights = general_weights(attention, query, encoded)
    return mean(weights, encoded), weights


def dot(_: DotAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    weights = softmax(encoded @ query / math.sqrt(SIZE))
    return mean(weights, encoded), weights


def additive(attention: AdditiveAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    w, b, u, v = attention.query.weight, attention.query.bias, attention.key.weight, attention.score
    weights = softmax(torch.stack([v @ torch.tanh(w @ query + b + u @ position) for position in encoded]))
    return mean(weights, encoded), weights


def multi_head(attention: MultiHeadAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    of_keys, of_values = attention.key_value.weight.chunk(2)
    contexts, all_weights = [], []
    for head in range(HEADS):
        share = slice(head * SIZE // HEADS, (head + 1) * SIZE // HEADS)
        q, keys = attention.query.weight[share] @ query, encoded @ of_keys[share].T
        all_weights.append(softmax(keys @ q / math.sqrt(SIZE / HEADS)))
        contexts.append(mean(all_weights[-1], torch.tanh(encoded @ of_values[share].T)))
    return torch.cat(contexts), torch.stack(all_weights).mean(dim=0)


def local_weights(window: Window, general: GeneralAttention, query: Tensor, encoded: Tensor) -> Tensor:
    share = torch.sigmoid(window.position @ torch.tanh(window.layer.weight @ query))
    center = share.item() * (len(encoded) - 1)
    weights = general_weights(general, query, encoded)
    for s in range(len(encoded)):
        near = math.exp(-((s - center) ** 2) / (2 * (WINDOW / 2) ** 2))
        weights[s] *= near if abs(s - center) <= WINDOW else 0.0
    return weights / weights.sum()


def local(attention: LocalAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    weights = local_weights(attention.window, attention.general, query, encoded)
    return mean(weights, encoded), weights


def hybrid(attention: HybridAttention, query: Tensor, encoded: Tensor) -> tuple[Tensor, Tensor]:
    share = torch.sigmoid(attention.gate(query))
    near = local_weights(attention.window, attention.general, query, encoded)
    weights = share * general_weights(attention.general, query, encoded) + (1 - share) * near
    return mean(weights, encoded), weights


FORMULAS: list[Callable[..., tuple[Tensor, Tensor]]] = [general, dot, additive, multi_head, local, hybrid]


@pytest.mark.parametrize(("kind", "formula"), list(zip(KINDS, FORMULAS, strict=True)), ids=KINDS)
@torch.no_grad()
def test_attention_equals_its_formula_written_out(
    kind: str, formula: Callable[..., tuple[Tensor, Tensor]], queries: Tensor, encoded: Tensor
) -> None:
    attention = make(kind)
    context, weights = attend(attention, queries, encoded)
    assert context.shape == (SENTENCES, QUERIES, SIZE)
    for b, length in enumerate(LENGTHS):
        for q in range(QUERIES):
            expected_context, expected = formula(attention, queries[b, q], encoded[b, :length])
            torch.testing.assert_close(weights[b, q, :length], expected)
            torch.testing.assert_close(context[b, q], expected_context)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_sum_to_1_and_are_0_where_there_is_no_memory(kind: str, queries: Tensor, encoded: Tensor) -> None:
    _, weights = attend(make(kind), queries, encoded)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(SENTENCES, QUERIES))
    assert (weights >= 0).all()
    assert (weights.masked_select(~MASK.unsqueeze(1)) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_what_lies_under_the_mask_and_how_much_of_it_does_not_matter(
    kind: str, queries: Tensor, encoded: Tensor
) -> None:
    attention = make(kind)
    expected, _ = attend(attention, queries, encoded)
    longer = torch.cat((encoded.masked_fill(~MASK.unsqueeze(-1), 1e3), torch.full((SENTENCES, 4, SIZE), 1e3)), dim=1)
    context, _ = attend(attention, queries, longer, torch.nn.functional.pad(MASK, (0, 4)))
    torch.testing.assert_close(context, expected)


@pytest.mark.parametrize("extreme", [-1e4, 0.0, 1e4])
@torch.no_grad()
def test_a_window_at_either_end_of_a_sentence_holds_a_position(
    extreme: float, queries: Tensor, encoded: Tensor
) -> None:
    attention = make("local")
    attention.window.window = 1.0
    attention.window.layer.weight.zero_()[0] = queries[0, 0] * 1e3
    attention.window.position.zero_()[0] = extreme
    _, weights = attend(attention, queries, encoded)
    assert weights.isfinite().all()
    assert weights[0, 0].argmax() == {-1e4: 0, 0.0: 3, 1e4: 6}[extreme]


def test_a_memory_is_a_key_and_the_encoders_output_side_by_side(encoded: Tensor) -> None:
    memory = make("general").memorize(encoded)
    assert memory.shape == (SENTENCES, POSITIONS, 2 * SIZE)
    assert torch.equal(memory[..., SIZE:], encoded)


def test_without_attention_there_is_neither_memory_nor_context(queries: Tensor, encoded: Tensor) -> None:
    attention = NoAttention()
    assert attention.memorize(encoded).shape == (SENTENCES, POSITIONS, 0)
    context, weights = attend(attention, queries, encoded)
    assert context.shape == (SENTENCES, QUERIES, 0)
    assert torch.equal(weights, torch.zeros(SENTENCES, QUERIES, POSITIONS))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "dot"])
@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_attention_in_int8_is_nearly_that_in_float32(kind: str) -> None:
    torch.manual_seed(0)
    attention = make(kind, 48)
    queries, encoded = torch.rand(SENTENCES, QUERIES, 48) * 2 - 1, torch.rand(SENTENCES, POSITIONS, 48) * 4 - 2
    context, weights = attend(attention, queries, encoded)
    bound = attention.quantize(2.0)
    quantized_context, quantized_weights = attend(attention, queries, encoded)
    assert not torch.equal(quantized_weights, weights)
    torch.testing.assert_close(quantized_weights, weights, atol=0.03, rtol=0)
    torch.testing.assert_close(quantized_context, context, atol=0.08, rtol=0)
    assert quantized_context.abs().max() <= bound
