"""What the starters make of words alone: how many are answered with one word, and with one that translates them.

    .venv/bin/python benchmarks/words.py DATA [--bundle FOLDER]

DATA holds tatoeba/. Taken are the words that stand in five to fifty sentences of a test file, at most 300 of each
language whose words have spaces between them. A word is held to be translated by what stands in at least a third of
the references of its sentences, whatever its capitals.
"""

from collections import Counter, defaultdict
from pathlib import Path
from random import Random
from typing import Annotated, NamedTuple

import typer
from rich.table import Table

from model.config import Task
from model.data import read_rows
from model.words import words
from service.console import one_sentence_errors, print_table
from service.evaluate import load_alone
from service.offline import open_translator, run_in_bulk
from service.settings import STARTERS, load_settings
from service.translator import Translator

FILES = {
    "translate-de-fr-en": (("de", "en"), ("fr", "en")),
    "translate-zh-en": (("zh", "en"),),
}
SENTENCES = range(5, 51)
MOST = 300
SHARE = 1 / 3
SHOWN = 12


class Word(NamedTuple):
    """A word, and the references of the sentences that hold it."""

    text: str
    references: list[str]

    def is_translated_by(self, output: str) -> bool:
        """Say whether enough references hold the output."""
        held = [f" {output.lower()} " in f" {' '.join(words(one.lower()))} " for one in self.references]
        return sum(held) >= SHARE * len(held)


def words_of(rows: list[tuple[str, str]]) -> list[Word]:
    """Return the words to ask for, of (source, reference) rows."""
    references: defaultdict[str, list[str]] = defaultdict(list)
    for source, reference in rows:
        for word in dict.fromkeys(words(source)[1:]):  # the first has its capital from the sentence
            references[word].append(reference)
    found = [Word(*one) for one in references.items() if len(one[0]) > 2 and one[0].isalpha()]
    found = [word for word in found if len(word.references) in SENTENCES]
    return Random(1).sample(found, min(MOST, len(found)))


def in_words(output: str, language: str) -> int:
    """Return how many words an output has; of Chinese, whose words have no ends, one if it may be one."""
    if language == "zh":
        return 1 if len(output) <= 4 and output.isalpha() else 2
    return len(output.split())


def measure(translator: Translator, task: Task, rows: list[tuple[str, str]], table: Table) -> None:
    """Add a row on a task."""
    asked = words_of(rows)
    outputs = [answer.texts[0] for answer in run_in_bulk(translator, task, [word.text for word in asked])]
    lengths = Counter(in_words(output, task.target) for output in outputs)
    # A reference in Chinese is a row of characters, which the output may stand in anywhere.
    right = [
        any(output in one for one in word.references) if task.target == "zh" else word.is_translated_by(output)
        for word, output in zip(asked, outputs, strict=True)
    ]
    examples = ", ".join(f"{w.text} → {output}" for w, output in list(zip(asked, outputs, strict=True))[:SHOWN])
    share = len(asked) / 100
    table.add_row(
        f"{task.source} → {task.target}",
        str(len(asked)),
        f"{lengths[1] / share:.0f} %",
        f"{sum(right) / share:.0f} %",
        examples,
    )


def main(
    data: Path,
    bundle: Annotated[Path | None, typer.Option(help="Another than the starters")] = None,
) -> None:
    """Print a table of all directions."""
    if bundle and bundle.name not in FILES:
        raise typer.BadParameter(f"its folder has to be called as a starter is: {', '.join(FILES)}")
    settings = load_settings()
    table = Table("", "words", "answered with one", "with one that translates it", "the first")
    for name in [bundle.name] if bundle else FILES:
        folder = bundle or STARTERS / name
        with one_sentence_errors(), open_translator(load_alone(folder, settings), settings) as translator:
            for first, second in FILES[name]:
                rows = [(row[0], row[1]) for row in read_rows(f"tatoeba/test.{first}-{second}.tsv", data)]
                for task, of in (
                    (f"translate:{first}:{second}", rows),
                    (f"translate:{second}:{first}", [(t, s) for s, t in rows]),
                ):
                    if not task.startswith("translate:zh"):
                        measure(translator, Task.parse(task), of, table)
    print_table(table)


if __name__ == "__main__":
    typer.run(main)
