"""The examples of a test that are worth a look, and what the network attended to in them."""

from collections.abc import Sequence
from typing import NamedTuple

from model.faults import FAULTS
from model.tokenizer import END
from service.evaluate import Evaluation
from service.offline import run_in_bulk
from service.translator import Options, Translator

SHOWN = 5
"""Of each kind."""


class AttentionMap(NamedTuple):
    """How much each piece that was written attended to each that was read."""

    source: list[str]
    target: list[str]
    weights: Sequence[Sequence[float]]


class Shown(NamedTuple):
    """An example, and a map for each sentence that it was cut into."""

    at: int
    maps: list[AttentionMap]


def choose(evaluation: Evaluation) -> dict[str, list[int]]:
    """Return which examples to show under which title, none twice among the first three."""
    chrf = [output.chrf for output in evaluation.systems[0].outputs]
    order = sorted(range(len(chrf)), key=chrf.__getitem__)
    count = min(SHOWN, -(-len(order) // 3))
    middle = max(count, len(order) // 2 - count // 2)
    chosen = {
        "The worst": order[:count],
        "In the middle": order[middle:-count][:count],
        "The best": order[count:][-count:],
    }
    if len(evaluation.systems) > 1:
        gains = [ours - other.chrf for ours, other in zip(chrf, evaluation.systems[1].outputs, strict=True)]
        by_gain = sorted(range(len(gains)), key=gains.__getitem__)
        chosen["Most lost against the other bundle"] = [i for i in by_gain[:SHOWN] if gains[i] < 0]
        chosen["Most gained"] = [i for i in by_gain[: -SHOWN - 1 : -1] if gains[i] > 0]
    for name, meaning in FAULTS.items():
        having = [i for i, output in enumerate(evaluation.systems[0].outputs) if name in output.faults]
        chosen[f"{name.capitalize()}: {meaning}"] = having[:SHOWN]
    return {title: indices for title, indices in chosen.items() if indices}


def show(translator: Translator, evaluation: Evaluation) -> dict[str, list[Shown]]:
    """Return the examples that ``choose`` gives, run again for what was attended to."""
    chosen = choose(evaluation)
    indices = list(dict.fromkeys(index for of_title in chosen.values() for index in of_title))
    task = evaluation.score.task
    sources = [evaluation.sources[index] for index in indices]
    answers = run_in_bulk(translator, task, sources, Options(attention=True))
    written = translator.catalogue.serving[task].tokenizer.pieces
    maps = {
        index: [
            AttentionMap(written(source), written([*hypothesis.pieces, END]), hypothesis.attention)
            for source, hypothesis in zip(answer.sources, answer.hypotheses, strict=True)
            if hypothesis.attention
        ]
        for index, answer in zip(indices, answers, strict=True)
    }
    return {title: [Shown(index, maps[index]) for index in of_title] for title, of_title in chosen.items()}
