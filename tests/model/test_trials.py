from pathlib import Path

import pytest

from model.recipe import SpanConfig
from model.trials import Trial, best_of, draw_trials

SPANS = {
    "training.learning_rate": SpanConfig(low=1e-4, high=1e-2, log=True),
    "network.dropout": SpanConfig(low=0.0, high=0.5),
    "network.hidden_size": SpanConfig(choices=[256, 384]),
}


def trial(number: int, score: float | None, *, is_finished: bool) -> Trial:
    values = {"training.learning_rate": 10 ** -(2 + number / 2), "network.dropout": 0.1 * number}
    return Trial(number, {**values, "network.hidden_size": 384}, score, is_finished, "")


TRIALS = [
    trial(0, 30.0, is_finished=True),
    trial(1, 40.0, is_finished=False),
    trial(2, 35.0, is_finished=True),
    trial(3, 35.0, is_finished=True),
    trial(4, None, is_finished=False),
]


@pytest.mark.parametrize(("count", "best"), [(5, 2), (2, 0), (1, 0)])
def test_the_best_trial_is_the_first_that_finished_with_the_highest_score(count: int, best: int) -> None:
    assert best_of(TRIALS[:count]) == TRIALS[best]


def test_without_a_finished_trial_there_is_no_best() -> None:
    assert best_of([TRIALS[1], TRIALS[4]]) is None


def test_trials_are_drawn(tmp_path: Path) -> None:
    draw_trials(tmp_path / "trials.png", TRIALS, SPANS)
    assert (tmp_path / "trials.png").read_bytes().startswith(b"\x89PNG")
