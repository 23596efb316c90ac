from random import Random

import pytest

from model.bootstrap import estimate, estimate_mean
from model.config import Task
from model.evaluation import EvaluationSet, score

WORDS = "der die das ein eine und oder aber nicht kein".split()  # noqa: SIM905


def sentences(seed: int, count: int = 60) -> list[str]:
    random = Random(seed)
    return [" ".join(random.choices(WORDS, k=8)) for _ in range(count)]


def spoilt(texts: list[str], every: int) -> list[str]:
    """Put a wrong word for the third of every so many texts."""
    return [" ".join([*t.split()[:2], "xx", *t.split()[3:]]) if n % every == 0 else t for n, t in enumerate(texts)]


@pytest.mark.parametrize("task", ["translate:de:en", "summarize:en"])
def test_estimates_are_the_scores_with_a_margin(task: str) -> None:
    references = sentences(1)
    test = EvaluationSet(Task.parse(task), references, [[one] for one in references])
    outputs = spoilt(references, every=3)
    scores = {name: value for name, value in score(test, outputs).items() if isinstance(value, float)}
    estimates = estimate(test, outputs)
    assert {name: one.score for name, one in estimates.items()} == pytest.approx(scores)
    assert all(one.p_value is None for one in estimates.values())
    assert 0 < estimates["accuracy"].margin < 20


@pytest.mark.parametrize("task", ["translate:de:en", "summarize:en"])
def test_only_a_difference_beyond_chance_is_significant(task: str) -> None:
    references = sentences(1)
    test = EvaluationSet(Task.parse(task), references, [[one] for one in references])
    good, bad = spoilt(references, every=10), spoilt(references, every=2)
    alike = [*bad[1:2], references[1], *bad[2:]]
    name = "BLEU" if test.task.kind == "translate" else "ROUGE-1"
    assert (estimate(test, good, bad)[name].p_value or 1) < 0.01
    assert (estimate(test, bad, good)[name].p_value or 1) < 0.01
    assert estimate(test, bad, bad)[name].p_value is None
    assert (estimate(test, [*bad[:-1], "xx"], alike)[name].p_value or 1) > 0.01


def test_the_margin_of_a_mean_is_that_of_the_normal_distribution() -> None:
    random = Random(2)
    values = [random.gauss(50, 10) for _ in range(400)]
    found = estimate_mean(values)
    assert found.score == pytest.approx(sum(values) / 400)
    assert found.margin == pytest.approx(1.96 * 10 / 400**0.5, rel=0.15)


def test_an_example_alone_has_no_margin() -> None:
    assert estimate_mean([7.0]).margin == 0
