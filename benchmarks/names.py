"""What a bundle makes of sentences with names and identifiers, with the words that its network has met and without.

    .venv/bin/python benchmarks/names.py [BUNDLE] [--sentences FILE]

The 120 sentences of benchmarks/names.tsv, and as many of benchmarks/names-unseen.tsv, were written without a look at
any other text: 60 with people and places, 30 with companies, products and acronyms, 30 with identifiers, files and
paths. Kept are all names of a sentence when what is spelled alike in all four languages comes out as it went in.
"""

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from sacrebleu import corpus_bleu, corpus_chrf

from model.bundle import Bundle
from model.config import Task
from model.data import read_rows
from model.known_words import KnownWords
from model.phrases import read_phrases
from service.catalogue import Catalogue, Entry
from service.console import one_sentence_errors, print_table
from service.evaluate import load_alone
from service.languages import is_spaceless
from service.offline import open_translator, run_in_bulk
from service.settings import STARTERS, Settings, load_settings

NAMES = Path(__file__).with_name("names.tsv")
STARTER = STARTERS / "translate-de-fr-en"
_WORD = re.compile(r"[A-Za-zÀ-ɏ0-9_/\\:~.-]*[A-Za-zÀ-ɏ0-9_]")


def shared_words(sentences: Path) -> list[set[str]]:
    """Return what each row has in all its columns but words in small letters, which may be there by chance."""
    rows = list(read_rows(sentences.name, sentences.parent))[1:]
    shared = (set.intersection(*(set(_WORD.findall(text)) for text in row)) for row in rows)
    return [{word for word in words if not (word.isalpha() and word.islower())} for words in shared]


def measure(bundle: Bundle, task: Task, settings: Settings, sentences: Path) -> list[str]:
    """Return the BLEU, the chrF2 and the share of sentences with all their names."""
    catalogue = Catalogue([Entry(bundle.manifest.name, bundle, None)], {task: bundle})
    pairs = read_phrases(sentences, task.source, task.target)
    with open_translator(catalogue, settings) as translator:
        outputs = [answer.texts[0] for answer in run_in_bulk(translator, task, [source for source, _ in pairs])]
    references = [[reference for _, reference in pairs]]
    rows = zip(outputs, shared_words(sentences), strict=True)
    kept = [all(name in output for name in names) for output, names in rows if names]
    bleu = corpus_bleu(outputs, references, tokenize="zh" if is_spaceless(task.target) else "13a")
    return [f"{bleu.score:.1f}", f"{corpus_chrf(outputs, references).score:.1f}", f"{sum(kept) / len(kept):.0%}"]


def main(bundle: Annotated[Path, typer.Argument()] = STARTER, sentences: Path = NAMES) -> None:
    """Print a table of all directions."""
    settings = load_settings()
    table = Table("", "", "BLEU", "chrF2", "all names kept")
    with one_sentence_errors():
        (loaded,) = load_alone(bundle, settings).bundles
        for task in loaded.manifest.tasks:
            for words, without in ((loaded.words, False), (KnownWords(), True)):
                cells = measure(loaded._replace(words=words), task, settings, sentences)
                table.add_row(f"{task.source} → {task.target}", "without words" if without else "", *cells)
    print_table(table)


if __name__ == "__main__":
    typer.run(main)
