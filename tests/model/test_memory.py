"""The pool is compared with a plain list of tensors, of which whoever leaves is replaced by the last."""

from random import Random
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from model.memory import POSITIONS_MULTIPLE, MemoryPool
from model.tokenizer import PAD

SIZE = 3
GARBAGE = 9.0  # what an encoder leaves under the padding of a batch


class Held(NamedTuple):
    memory: Tensor  # (S, M)
    source: Tensor  # (S)


def encoded(lengths: list[int], padded_to: int) -> tuple[Tensor, Tensor]:
    is_padding = torch.arange(padded_to).unsqueeze(0) >= torch.tensor(lengths).unsqueeze(1)
    memory = torch.randn(len(lengths), padded_to, SIZE).masked_fill(is_padding.unsqueeze(-1), GARBAGE)
    return memory, torch.randint(1, 99, (len(lengths), padded_to)).masked_fill(is_padding, PAD)


def add(pool: MemoryPool, lengths: list[int], padding: int = 0) -> list[Held]:
    """Add random memories; return each with its source, without their padding."""
    memory, source = encoded(lengths, max(lengths) + padding)
    pool.add(memory, source, lengths)
    return [Held(m[:length], s[:length]) for m, s, length in zip(memory, source, lengths, strict=True)]


def assert_holds(pool: MemoryPool, expected: list[Held]) -> None:
    memory, source = pool.views()
    positions = -(-max(len(held.source) for held in expected) // 16) * 16
    assert len(pool) == len(expected)
    assert memory.shape == (len(expected), positions, SIZE)
    assert source.shape == (len(expected), positions)
    for one, pieces, held in zip(memory, source, expected, strict=True):
        length = len(held.source)
        assert torch.equal(pieces[:length], held.source)
        assert (pieces[length:] == PAD).all()
        assert torch.equal(one[:length], held.memory)
        assert one.isfinite().all()


@pytest.mark.parametrize("seed", range(5))
def test_memories_that_come_and_go_are_those_of_a_plain_list(seed: int) -> None:
    torch.manual_seed(seed)
    random, pool, expected = Random(seed), MemoryPool(), list[Held]()
    for _ in range(200):
        if expected and random.random() < 0.6:
            index = random.randrange(len(expected))
            pool.remove(index)
            expected[index] = expected[-1]
            expected.pop()
        else:
            lengths = [random.choice([1, 2, 15, 16, 17, 40]) for _ in range(random.randint(1, 3))]
            expected += add(pool, lengths, padding=random.randint(0, 8))
        if expected:
            assert_holds(pool, expected)


@pytest.mark.parametrize(("longest", "positions"), [(1, 16), (16, 16), (17, 32), (33, 48)])
def test_positions_are_those_of_the_longest_rounded_up(longest: int, positions: int) -> None:
    assert POSITIONS_MULTIPLE == 16
    pool = MemoryPool()
    assert pool.positions == 0
    add(pool, [1, longest, 1])
    assert pool.positions == positions
    pool.remove(1)
    assert pool.positions == 16


@pytest.mark.parametrize("left_by", [1, 40])
def test_a_nan_that_somebody_left_does_not_reach_who_comes_later(left_by: int) -> None:
    pool = MemoryPool()
    expected = add(pool, [2])
    pool.add(torch.full((2, 40, SIZE), torch.nan), torch.ones(2, 40, dtype=torch.long), [40, left_by])
    pool.remove(2)
    pool.remove(1)
    expected += add(pool, [5])
    assert_holds(pool, expected)
    expected += add(pool, [33, 1])
    assert_holds(pool, expected)


def test_the_pool_grows_by_sentences_and_by_positions_without_losing_any() -> None:
    pool, expected = MemoryPool(), list[Held]()
    for lengths in ([3], [4, 5], [50], [1, 1, 1, 1], [70]):
        expected += add(pool, lengths)
        assert_holds(pool, expected)


def test_a_place_that_was_left_is_used_again() -> None:
    pool = MemoryPool()
    add(pool, [20, 20])
    before = pool.views()[0].data_ptr()
    for _ in range(10):
        pool.remove(0)
        add(pool, [20])
    assert pool.views()[0].data_ptr() == before


def test_when_there_is_no_memory_to_grow_by_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError

    pool = MemoryPool()
    expected = add(pool, [3, 4])
    memory, source = encoded([40], 40)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "full", fail)
        with pytest.raises(torch.OutOfMemoryError):
            pool.add(memory, source, [40])
    assert_holds(pool, expected)


def test_the_type_of_the_memories_is_kept() -> None:
    pool = MemoryPool()
    pool.add(torch.ones(1, 2, SIZE, dtype=torch.bfloat16), torch.ones(1, 2, dtype=torch.long), [2])
    assert pool.views()[0].dtype == torch.bfloat16
