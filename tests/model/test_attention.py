from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from model.attention import GeneralAttention

SENTENCES, QUERIES, POSITIONS, HIDDEN, MEMORY = 2, 3, 5, 4, 6
MASK = torch.tensor([[True] * 5, [True, True, False, False, False]])


class Case(NamedTuple):
    attention: GeneralAttention
    queries: Tensor
    encoded: Tensor


@pytest.fixture
def case() -> Case:
    torch.manual_seed(0)
    return Case(
        GeneralAttention(HIDDEN, MEMORY),
        torch.randn(SENTENCES, QUERIES, HIDDEN),
        torch.randn(SENTENCES, POSITIONS, MEMORY),
    )


def attend(case: Case, encoded: Tensor) -> tuple[Tensor, Tensor]:
    context, weights = case.attention(case.queries, case.attention.memorize(encoded), MASK)
    return context, weights


def test_weights_sum_to_1_and_are_0_where_there_is_no_memory(case: Case) -> None:
    _, weights = attend(case, case.encoded)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(SENTENCES, QUERIES))
    assert torch.equal(weights > 0, MASK.unsqueeze(1).expand_as(weights))


def test_attention_equals_the_formula_written_out(case: Case) -> None:
    context, weights = attend(case, case.encoded)
    for b in range(SENTENCES):
        encoded = case.encoded[b, MASK[b]]
        for q in range(QUERIES):
            scores = torch.stack(
                [(case.attention.score.weight @ case.queries[b, q]) @ position for position in encoded]
            )
            expected = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(weights[b, q, : len(encoded)], expected)
            torch.testing.assert_close(context[b, q], (expected.unsqueeze(-1) * encoded).sum(dim=0))


def test_what_lies_under_the_mask_does_not_matter(case: Case) -> None:
    expected, _ = attend(case, case.encoded)
    context, _ = attend(case, case.encoded.masked_fill(~MASK.unsqueeze(-1), 1e3))
    torch.testing.assert_close(context, expected)


def test_a_memory_is_a_key_and_the_encoders_output_side_by_side(case: Case) -> None:
    memory = case.attention.memorize(case.encoded)
    assert memory.shape == (SENTENCES, POSITIONS, HIDDEN + MEMORY)
    assert torch.equal(memory[..., HIDDEN:], case.encoded)


@pytest.mark.usefixtures("_int8")
@torch.no_grad()
def test_keys_in_int8_are_nearly_those_in_float32(case: Case) -> None:
    bound = float(case.encoded.abs().max())
    before = case.attention.memorize(case.encoded)
    case.attention.quantize(bound)
    after = case.attention.memorize(case.encoded)
    assert torch.equal(after[..., HIDDEN:], case.encoded)  # the values stay as they are
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, before, atol=0.03, rtol=0)
