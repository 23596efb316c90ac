"""BLEU of a bundle on TVsub's test, whose three references are in lower case and tokenized by Moses' script.

    .venv/bin/pip install sacremoses
    .venv/bin/python benchmarks/tvsub.py BUNDLE DATA/tvsub

Its training text is not tokenized, so outputs are, likewise. 17.7 % of the test's Chinese lines stand in the training
text: the others are scored by themselves, too.
"""

import re
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from sacrebleu import corpus_bleu

from model.config import Task
from model.data import read_rows
from service.catalogue import Catalogue, Entry
from service.console import one_sentence_errors
from service.evaluate import load_alone
from service.offline import open_translator, run_in_bulk
from service.settings import load_settings

TASK = Task.parse("translate:zh:en")
_STOP = re.compile(r"(?<!\bmr)(?<!\bmrs)(?<!\bdr)(?<!\bms)(?<!\.)\.(?= )")
"""Within a line, where Moses' script leaves it at its word and the references do not."""


def tokenized(text: str, moses: Any) -> str:
    """Return a text as the references are written."""
    return _STOP.sub(" .", moses.tokenize(text.lower(), aggressive_dash_splits=True, return_str=True, escape=True))


def bleu(outputs: list[str], rows: list[list[str]]) -> float:
    """Return BLEU against all columns but the first."""
    references = [list(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    return float(corpus_bleu(outputs, references, tokenize="none", lowercase=True, force=True).score)


def main(bundle: Annotated[Path, typer.Argument()], data: Annotated[Path, typer.Argument()]) -> None:
    """Print both scores."""
    from sacremoses import MosesTokenizer  # is no part of the project's environment

    moses = MosesTokenizer(lang="en")
    with one_sentence_errors():
        settings = load_settings()
        (loaded,) = load_alone(bundle, settings).bundles
        rows = [list(row) for row in read_rows("test.zh-en.tsv", data, at_least=4)]
        seen = {row[0].strip() for row in read_rows("train.zh-en.tsv.xz", data, at_least=1)}
    catalogue = Catalogue([Entry(loaded.manifest.name, loaded, None)], {TASK: loaded})
    with open_translator(catalogue, settings) as translator:
        answers = run_in_bulk(translator, TASK, [row[0] for row in rows])
    outputs = [tokenized(answer.texts[0], moses) for answer in answers]
    new = [i for i, row in enumerate(rows) if row[0].strip() not in seen]
    of_new = bleu([outputs[i] for i in new], [rows[i] for i in new])
    Console().print(f"{bleu(outputs, rows):.1f} BLEU; {of_new:.1f} on the {len(new)} lines that were not learnt from")


if __name__ == "__main__":
    typer.run(main)
