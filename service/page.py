"""The page that an evaluation is read on: one file that needs no other, with texts as hostile as they come.

Everything is escaped by the template engine. There are no scripts, and the policy in the page's head forbids them.
Plots are SVG whose text is text, so that any script is shown in the reader's own fonts.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from model.bootstrap import Estimate
from model.evaluation import HEADLINE
from model.faults import FAULTS
from model.words import TOKEN, words
from service.evaluate import Evaluation, Part
from service.examples import Shown
from service.report import difference, shown

BINS = 20


class Bars(NamedTuple):
    """Bars side by side: for each label a value of each system."""

    labels: list[str]
    values: list[list[Estimate]]
    """By label, then by system."""
    top: float
    """The largest value with its margin."""


class Lengths(NamedTuple):
    """How many outputs of so many words there are for a reference of so many."""

    counts: dict[tuple[int, int], int]
    top: int
    most: int


def render_page(sections: Sequence[tuple[Evaluation, Mapping[str, Sequence[Shown]]]]) -> str:
    """Return the page of evaluations, each with the examples to show."""
    environment = Environment(
        loader=PackageLoader("service"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        difference=difference,
        shown=shown,
        marked=marked,
        bars_of_parts=bars_of_parts,
        histogram=histogram,
        lengths=lengths,
        headlines=HEADLINE,
        meanings=FAULTS,
    )
    return environment.get_template("evaluation.html").render(sections=sections)


def bars_of_parts(parts: Sequence[Part], metric: str) -> Bars:
    """Return one metric of a breakdown."""
    values = [[scores[metric] for scores in part.scores] for part in parts]
    return _bars([part.label for part in parts], values)


def histogram(evaluation: Evaluation) -> Bars:
    """Return how many outputs have a chrF of 0–5, 5–10, …"""
    width = 100 // BINS
    counts = [
        Counter(min(BINS - 1, int(output.chrf // width)) for output in system.outputs) for system in evaluation.systems
    ]
    values = [[Estimate(float(of[place]), 0.0) for of in counts] for place in range(BINS)]
    return _bars([str(place * width) for place in range(BINS)], values)


def _bars(labels: list[str], values: list[list[Estimate]]) -> Bars:
    return Bars(labels, values, max(1.0, *(one.score + one.margin for of_label in values for one in of_label)))


def lengths(evaluation: Evaluation) -> Lengths:
    """Return the words of each output against those of its first reference."""
    counts = Counter(
        (len(words(references[0])), len(words(output.text)))
        for references, output in zip(evaluation.references, evaluation.systems[0].outputs, strict=True)
    )
    return Lengths(dict(counts), max(1, *(max(pair) for pair in counts)), max(counts.values()))


def marked(text: str, reference: str) -> list[tuple[str, bool]]:
    """Return the text in runs, and of each whether the reference lacks it at that place."""
    found = list(TOKEN.finditer(text))
    matcher = SequenceMatcher(None, [one[0] for one in found], TOKEN.findall(reference), autojunk=False)
    runs, end = [], 0
    for block in matcher.get_matching_blocks():  # the last is empty and stands at the end
        start = found[block.a].start() if block.size else len(text)
        if end < start:
            runs.append((text[end:start], any(end <= one.start() < start for one in found)))
        end = found[block.a + block.size - 1].end() if block.size else start
        runs.append((text[start:end], False))
    return [run for run in runs if run[0]]
