"""Hold out the longest sentences of a text, to see what a network makes of such as it has not learnt from.

    .venv/bin/python benchmarks/long_sentences.py DATA/tatoeba/train.de-en.tsv.xz OUT

OUT/long.de-en.tsv gets the pairs of more pieces than the starters learnt from, and OUT/train.de-en.tsv.xz those that
share no side with any of them.
"""

import lzma
from pathlib import Path

import typer
from sentencepiece import SentencePieceProcessor

from model.bundle import TOKENIZER
from model.data import read_rows
from service.console import one_sentence_errors
from service.settings import STARTERS

MORE_THAN, AT_MOST = 32, 64
"""Pieces of the longer side."""
WORDS = 15
"""Of the shorter side at least: what is long by its quotation marks, which are bytes, is not meant."""


def main(file: Path, out: Path) -> None:
    """Write both files."""
    tokenizer = SentencePieceProcessor(model_file=str(STARTERS / "translate-de-fr-en" / TOKENIZER))
    with one_sentence_errors():
        rows = [(row[0], row[1]) for row in read_rows(file.name, file.parent)]

    def is_long(row: tuple[str, str]) -> bool:
        is_of_words = min(len(text.split()) for text in row) >= WORDS
        return is_of_words and MORE_THAN < max(len(tokenizer.encode(text)) for text in row) <= AT_MOST

    long = [row for row in rows if is_long(row)]
    sides = {text for row in long for text in row}
    out.mkdir(parents=True, exist_ok=True)
    name = file.name.removesuffix(".xz")
    (out / name.replace("train", "long")).write_text("".join(f"{s}\t{t}\n" for s, t in long), encoding="utf-8")
    with lzma.open(out / f"{name}.xz", "wt", encoding="utf-8") as rest:
        rest.writelines(f"{s}\t{t}\n" for s, t in rows if s not in sides and t not in sides)
    typer.echo(f"{len(long)} of {len(rows)} pairs held out")


if __name__ == "__main__":
    typer.run(main)
