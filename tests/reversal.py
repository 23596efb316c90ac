"""A made-up language, learnt by a tiny network in seconds: a translation reverses, a summary is the first word.

A sentence may end with a full stop, which stays at its end in a translation and goes in a summary.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from model.config import Task
from model.recipe import Recipe

# As many as fit, each as one piece, into the smallest vocabulary that a recipe may ask for.
WORDS = (
    "Ananas Apfel Aprikose Banane Birne Bohne Brombeere Kirsche Kiwi Kokos Mandel Mango Melone Mirabelle".split()  # noqa: SIM905
)
TRANSLATE = Task.parse("translate:de:en")
SUMMARIZE = Task.parse("summarize:en")


def random_sentences(count: int, seed: int) -> list[str]:
    """Return sentences of one to six different words."""
    random = Random(seed)
    return [
        " ".join(random.sample(WORDS, random.randint(1, 6))) + ("." if random.random() < 0.4 else "")
        for _ in range(count)
    ]


def translation(sentence: str) -> str:
    """Return the words in reverse."""
    stop = "." if sentence.endswith(".") else ""
    return " ".join(sentence.rstrip(".").split()[::-1]) + stop


def summary(sentence: str) -> str:
    """Return the first word."""
    return sentence.rstrip(".").split()[0]


def write_corpora(folder: Path, *, sizes: dict[str, int]) -> None:
    """Write ``{train,dev}.{translate,summarize}.tsv`` with ``sizes[part]`` rows each, no two files from one seed."""
    learners: dict[str, Callable[[str], str]] = {"translate": translation, "summarize": summary}
    for seed, (part, kind) in enumerate((part, kind) for part in sizes for kind in learners):
        rows = [f"{s}\t{learners[kind](s)}\n" for s in random_sentences(sizes[part], seed)]
        (folder / f"{part}.{kind}.tsv").write_text("".join(rows), encoding="utf-8")


def recipe(*, network: dict[str, Any], training: dict[str, Any]) -> Recipe:
    """Return the recipe for the corpora that ``write_corpora`` writes."""
    corpora = [
        {
            "name": kind,
            "train": [f"train.{kind}.tsv"],
            "dev": f"dev.{kind}.tsv",
            "columns": columns,
            "tasks": [task],
        }
        for kind, columns, task in [
            ("translate", ("de", "en"), "translate:de:en"),
            ("summarize", ("en", "en"), "summarize:en"),
        ]
    ]
    return Recipe.model_validate(
        {
            "name": "reversal",
            "corpus": corpora,
            "filter": {"max_source_pieces": 24, "max_target_pieces": 24},
            "tokenizer": {"vocabulary_size": 300},
            "network": {"encoder_layers": 1, **network},
            "training": {"length_multiple": 2, "bf16": False, **training},
            "decoding": {"beam_size": 2},
            "card": {"summary": "Reverses the words of a sentence.", "licence": "CC0"},
        }
    )


class Trained(NamedTuple):
    """A finished training of the made-up language, and the bundle exported from it."""

    recipe: Recipe
    run: Path
    checkpoint: Path
    bundle: Path
