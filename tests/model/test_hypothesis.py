import math
from random import Random

import numpy as np
import pytest

from model.config import DecodingConfig
from model.hypothesis import best_penalty, coverage_penalty, length_penalty, repeated_ngrams, score


@pytest.mark.parametrize(("length", "alpha", "expected"), [(1, 1.0, 1.0), (7, 1.0, 2.0), (7, 2.0, 4.0), (9, 0.0, 1.0)])
def test_the_length_penalty_is_that_of_the_paper(length: int, alpha: float, expected: float) -> None:
    assert length_penalty(length, alpha) == pytest.approx(expected)


def test_the_coverage_penalty_is_that_of_the_paper() -> None:
    attended = np.array([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1]], dtype=np.float32)
    expected = 0.4 * (math.log(1.0) + math.log(0.5) + math.log(0.2))
    assert coverage_penalty(attended, 0.4) == pytest.approx(expected)
    assert coverage_penalty(attended, 0.0) == 0


def test_what_was_never_attended_to_costs_much_and_not_everything() -> None:
    attended = np.array([[1.0, 0.0]], dtype=np.float32)
    assert -100 < coverage_penalty(attended, 1.0) < -10


@pytest.mark.parametrize("alpha", [0.0, 0.7, 5.0])
def test_the_score_is_that_of_the_paper(alpha: float) -> None:
    attended = np.array([[0.75, 0.25]], dtype=np.float32)
    config = DecodingConfig(length_penalty=alpha, coverage_penalty=2.0)
    assert score(-3.0, 7, None, config) == pytest.approx(-3 / 2**alpha)
    assert score(-3.0, 7, attended, config) == pytest.approx(-3 / 2**alpha + 2 * (math.log(0.75) + math.log(0.25)))


@pytest.mark.parametrize("alpha", [0.0, 0.7, 5.0])
def test_no_hypothesis_scores_better_than_the_best_penalty_says(alpha: float) -> None:
    config, limit = DecodingConfig(length_penalty=alpha, coverage_penalty=1.0), 9
    attended = np.full((1, 3), 1 / 3, dtype=np.float32)
    scores = [score(-2.0, length, covered, config) for length in range(1, limit + 2) for covered in (None, attended)]
    assert max(scores) == pytest.approx(-2.0 / best_penalty(limit, config))


@pytest.mark.parametrize("size", range(5))
def test_the_pieces_that_would_repeat_a_run_are_those_that_trying_each_finds(size: int) -> None:
    random, found = Random(size), 0
    for _ in range(200):
        pieces = random.choices(range(4), k=random.randint(0, 12))
        expected = []
        for piece in range(4):
            longer = [*pieces, piece]
            runs = [longer[i : i + size] for i in range(len(longer) - size + 1)]
            if size and runs and runs[-1] in runs[:-1]:
                expected.append(piece)
        assert repeated_ngrams(pieces, size) == expected
        found += len(expected)
    assert bool(found) == bool(size)
