"""What a starter makes of phrases, and of numbers: how many phrases are answered as their table has them, and how many
sentences come out with the numbers that they went in with.

    .venv/bin/python benchmarks/phrases.py DATA [BUNDLE]

DATA holds tatoeba/, whose dev and test sentences with a number of several digits are asked for. The phrases are those
that the starter has learnt from, with values that it has not. The sentences of benchmarks/several.tsv, with two to
eight numbers each, were written without a look at that table.
"""

import re
from collections import Counter
from pathlib import Path
from random import Random
from typing import Annotated

import typer
from rich.table import Table
from sacrebleu import corpus_chrf

from model.bundle import load_manifest
from model.config import Task
from model.data import read_rows
from model.phrases import fill, read_phrases
from service.console import one_sentence_errors, print_table
from service.evaluate import load_alone
from service.numbers import find_numbers
from service.offline import open_translator, run_in_bulk
from service.settings import STARTERS, load_settings
from service.translator import Translator

PHRASES = Path(__file__).parents[1] / "model" / "recipes" / "phrases.tsv"
SEVERAL = Path(__file__).with_name("several.tsv")
STARTER = STARTERS / "translate-de-fr-en"
_NUMBER = re.compile(r"\d[\d.,:\u00a0\u202f]*\d|\d")
UNSEEN = 20261127
"""The seed of values; those of the training were drawn from another."""


def digits(text: str) -> list[str]:
    """Return the numbers of a text in their order, without their signs, which change with the language."""
    return [re.sub(r"\D", "", number) for number in _NUMBER.findall(text)]


def as_compared(text: str) -> str:
    """Return a text whatever its spaces and the mark at its end."""
    return re.sub(r"\s+", " ", text).rstrip(".")


def percent(count: int, of: int) -> str:
    """Return a share."""
    return f"{count / max(of, 1):.0%} of {of}"


def chrf(outputs: list[str], pairs: list[tuple[str, str]]) -> float:
    """Return the chrF2 of outputs beside the references of (source, reference)."""
    return corpus_chrf(outputs, [[reference for _, reference in pairs]]).score


def measure(translator: Translator, task: Task, sentences: list[tuple[str, str]], table: Table) -> None:
    """Add a row on a task; ``sentences`` are (source, reference)."""

    def answers(pairs: list[tuple[str, str]]) -> list[str]:
        return [answer.texts[0] for answer in run_in_bulk(translator, task, [source for source, _ in pairs])]

    phrases = read_phrases(PHRASES, task.source, task.target)
    filled = list(fill(phrases, task.source, task.target, copies=1, random=Random(UNSEEN)))
    cells = []
    for has_values in (False, True):
        chosen = [pair for pair, phrase in zip(filled, phrases, strict=True) if ("{" in phrase[0]) == has_values]
        outputs = answers(chosen)
        right = [as_compared(output) == as_compared(pair[1]) for output, pair in zip(outputs, chosen, strict=True)]
        cells.append(percent(sum(right), len(chosen)))
    outputs = answers(sentences)
    kept = [
        Counter(digits(output)) == Counter(digits(source))
        for output, (source, _) in zip(outputs, sentences, strict=True)
    ]
    cells += [percent(sum(kept), len(kept)), f"{chrf(outputs, sentences):.1f}"]
    several = read_phrases(SEVERAL, task.source, task.target)
    outputs = answers(several)
    ordered = [digits(output) == digits(reference) for output, (_, reference) in zip(outputs, several, strict=True)]
    table.add_row(
        f"{task.source} → {task.target}", *cells, percent(sum(ordered), len(ordered)), f"{chrf(outputs, several):.1f}"
    )


def main(data: Path, bundle: Annotated[Path, typer.Argument()] = STARTER) -> None:
    """Print a table of all directions."""
    settings = load_settings()
    columns = ["phrases as their table", "those with values", "Tatoeba: all numbers", "chrF2"]
    table = Table("", *columns, "several: numbers as the reference has them, in its order", "chrF2")
    with one_sentence_errors(), open_translator(load_alone(bundle, settings), settings) as translator:
        for task in load_manifest(bundle).tasks:
            pair = f"{task.source}-{task.target}" if task.target == "en" else f"{task.target}-{task.source}"
            side = int(task.source == "en")
            rows = [row for part in ("dev", "test") for row in read_rows(f"tatoeba/{part}.{pair}.tsv", data)]
            sentences = [(row[side], row[1 - side]) for row in rows if any(find_numbers(row[side], task))]
            measure(translator, task, sentences, table)
    print_table(table)


if __name__ == "__main__":
    typer.run(main)
