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
    memory: Tensor


@pytest.fixture
def case() -> Case:
    torch.manual_seed(0)
    return Case(
        GeneralAttention(HIDDEN, MEMORY),
        torch.randn(SENTENCES, QUERIES, HIDDEN),
        torch.randn(SENTENCES, POSITIONS, MEMORY),
    )


def test_weights_sum_to_1_and_are_0_where_there_is_no_memory(case: Case) -> None:
    _, weights = case.attention(case.queries, case.memory, MASK)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(SENTENCES, QUERIES))
    assert torch.equal(weights > 0, MASK.unsqueeze(1).expand_as(weights))


def test_attention_equals_the_formula_written_out(case: Case) -> None:
    context, weights = case.attention(case.queries, case.memory, MASK)
    for b in range(SENTENCES):
        memory = case.memory[b, MASK[b]]
        for q in range(QUERIES):
            scores = torch.stack([(case.attention.score.weight @ case.queries[b, q]) @ position for position in memory])
            expected = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(weights[b, q, : len(memory)], expected)
            torch.testing.assert_close(context[b, q], (expected.unsqueeze(-1) * memory).sum(dim=0))


def test_what_lies_under_the_mask_does_not_matter(case: Case) -> None:
    expected, _ = case.attention(case.queries, case.memory, MASK)
    noisy = case.memory.masked_fill(~MASK.unsqueeze(-1), 1e3)
    context, _ = case.attention(case.queries, noisy, MASK)
    torch.testing.assert_close(context, expected)
