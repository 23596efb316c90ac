"""Whether training text needs to fit into memory: time and peak memory of a cache and of an epoch read from it.

    .venv/bin/python benchmarks/streaming.py [PAIRS …]

For each number of pairs, by default 1 and 10 million, in a process of its own, so that peaks do not mix. Sentences are
made up; the batches of an epoch are padded as for training, and then dropped.
"""

import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from model.data import collate
from model.recipe import Recipe
from model.tokenizer import Tokenizer
from model.training_set import open_training_set

WORDS, SENTENCES = 5_000, 10_000

Row = tuple[str, float, int]

console = Console(width=120)


def made_up_sentences(random: Random) -> list[str]:
    """Return sentences of 3 to 15 words, each of one to three syllables."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvwz" for vowel in "aeiou"]
    words = ["".join(random.choices(syllables, k=random.randint(1, 3))) for _ in range(WORDS)]
    return [" ".join(random.choices(words, k=random.randint(3, 15))) for _ in range(SENTENCES)]


def write_pairs(file: Path, sentences: list[str], pairs: int, random: Random) -> None:
    """Write a TSV of sentences drawn at random, side by side."""
    with file.open("w", encoding="utf-8") as text:
        for _ in range(pairs):
            text.write(f"{random.choice(sentences)}\t{random.choice(sentences)}\n")


def made_up_recipe(file: Path) -> Recipe:
    """Return a recipe that drops none of the pairs."""
    corpus = {"name": "made up", "train": [file.name], "columns": ["de", "en"], "tasks": ["translate:de:en"]}
    limits = {"max_source_pieces": 200, "max_target_pieces": 200, "max_length_ratio": 100}
    tokenizer = {"vocabulary_size": 3000}
    return Recipe.model_validate({"name": "streaming", "corpus": [corpus], "filter": limits, "tokenizer": tokenizer})


def measure(pairs: int) -> list[Row]:
    """Return what each stage took: its name, seconds, and the process's peak so far in MB."""
    rows = []

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        rows.append((name, time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))

    with TemporaryDirectory() as name:
        folder, random = Path(name), Random(1)
        recipe = made_up_recipe(folder / "pairs.tsv")
        with stage("sentences and tokenizer"):
            sentences = made_up_sentences(random)
            tokenizer = Tokenizer.train(sentences, recipe.tasks, recipe.tokenizer)
        with stage("text"):
            write_pairs(folder / "pairs.tsv", sentences, pairs, random)
        with stage("cache, written"):
            open_training_set(recipe, tokenizer, texts=folder, cache=folder / "cache")
        with stage("cache, found again"):
            training_set = open_training_set(recipe, tokenizer, texts=folder, cache=folder / "cache")
        batches = 0
        with stage("an epoch"):
            for batch in training_set.batches(0, recipe.training):
                collate(batch.examples, recipe.training.length_multiple)
                batches += 1
        with stage(f"the last of {batches:,} batches"):
            (_,) = training_set.batches(0, recipe.training, start=batches - 1)
    return rows


def main() -> None:
    """Print a table for each number of pairs."""
    counts = [int(count) for count in sys.argv[1:]] or [1_000_000, 10_000_000]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as process:
        for pairs, rows in zip(counts, process.map(measure, counts), strict=True):
            table = Table("stage", "seconds", "peak memory so far, MB", title=f"{pairs:,} pairs")
            for name, seconds, megabytes in rows:
                table.add_row(name, f"{seconds:.1f}", f"{megabytes:,}")
            console.print(table)


if __name__ == "__main__":
    main()
