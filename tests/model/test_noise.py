from random import Random

import pytest

from model.data import Example
from model.noise import add_noise
from model.recipe import TrainingConfig
from model.tokenizer import END

TAG = 4
LONG = Example([TAG, *range(100, 1100), END], [7, 8, 9])


def test_about_as_many_pieces_are_left_out_as_the_recipe_says_and_the_rest_keeps_its_order() -> None:
    noisy = add_noise(LONG, TrainingConfig(source_drop=0.1), Random(1))
    assert 850 < len(noisy.source) < 950
    assert noisy.source[1:-1] == sorted(noisy.source[1:-1])
    assert noisy.target == LONG.target


@pytest.mark.parametrize("places", [1, 3])
def test_no_piece_moves_further_than_the_recipe_says_and_many_move(places: int) -> None:
    noisy = add_noise(LONG, TrainingConfig(source_shuffle=places), Random(1))
    moves = [abs(place - LONG.source.index(piece)) for place, piece in enumerate(noisy.source)]
    assert sorted(noisy.source) == sorted(LONG.source)
    assert max(moves) == places
    assert sum(move > 0 for move in moves) > 200


def test_tag_end_and_one_piece_always_stay() -> None:
    config = TrainingConfig(source_drop=0.9, source_shuffle=3)
    for seed in range(100):
        tag, *pieces, end = add_noise(Example([TAG, 100, 101, END], [7]), config, Random(seed)).source
        assert (tag, end) == (TAG, END)
        assert pieces
        assert set(pieces) <= {100, 101}
