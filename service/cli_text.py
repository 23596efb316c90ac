"""Commands that make text to train on: ``dragoman lexicon | phrases | join``."""

from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Annotated

import typer

from model.atomic import write_atomically
from model.data import read_rows
from model.joining import join as join_sentences
from model.lexicon import as_text, find_lexicon
from model.phrases import fill, read_phrases
from service.console import console, one_sentence_errors
from service.errors import InvalidRequest

app = typer.Typer()


@app.command()
def lexicon(
    file: Annotated[Path, typer.Argument(help="TSV (.xz, .gz): source, target")],
    out: Annotated[Path, typer.Argument(help="TSV to make")],
    reverse: Annotated[bool, typer.Option("--reverse", help="Words of the target first, with their sources")] = False,
    without: Annotated[
        Path | None, typer.Option(help="TSV of the same direction, as of phrases, whose sources are left out")
    ] = None,
) -> None:
    """Write the words of a text with their translations as it has them, for a network to learn what a word alone means.

    A recipe takes OUT as one more corpus, for that direction alone.
    """
    with one_sentence_errors():
        _check_new(out)
        known = {row[0].lower() for row in read_rows(without.name, without.parent, at_least=1)} if without else set()
        rows = read_rows(file.name, file.parent)
        found = find_lexicon((row[1], row[0]) if reverse else (row[0], row[1]) for row in rows)
        if not found.entries:
            raise InvalidRequest(f"{file}: no word has a translation of its own: too little text, or none with spaces")
        entries = [entry for entry in found.entries if entry.source.lower() not in known]
        if not entries:
            raise InvalidRequest(f"{without}: has all words of {file} that have a translation")
        _write_pairs(out, as_text(entries))
    console.print(f"{out}: {len(entries):,} words, from the first {found.pairs:,} pairs")


@app.command()
def phrases(
    file: Annotated[Path, typer.Argument(help="TSV whose first line names the language of each column")],
    out: Annotated[Path, typer.Argument(help="TSV to make")],
    source: Annotated[str, typer.Option("--from", help="The column to translate from, as de")],
    target: Annotated[str, typer.Option("--to", help="The column to translate into, as en")],
    copies: Annotated[int, typer.Option(min=1, help="How often each phrase comes, with other values each time")] = 24,
    seed: Annotated[int, typer.Option(help="Of what is drawn")] = 0,
) -> None:
    """Write pairs of a table of phrases, with dates, times, numbers and amounts in the place of {date}, {time} ….

    A recipe takes OUT as one more corpus. model/recipes/phrases.tsv is the table of the starters.
    """
    with one_sentence_errors():
        _check_new(out)
        table = read_phrases(file, source, target)
        if not table:
            raise InvalidRequest(f"{file}: no row has both {source} and {target}")
        pairs = list(fill(table, source, target, copies=copies, random=Random(seed)))
        _write_pairs(out, pairs)
    console.print(f"{out}: {len(pairs):,} pairs, of {len(table):,} phrases")


@app.command()
def join(
    file: Annotated[Path, typer.Argument(help="TSV (.xz, .gz): source, target")],
    out: Annotated[Path, typer.Argument(help="TSV to make")],
    source: Annotated[str, typer.Option("--from", help="Language of the first column, as de")],
    target: Annotated[str, typer.Option("--to", help="Language of the second, as en")],
    count: Annotated[
        int, typer.Option("--pairs", min=1, help="At most so many, and some more of sentences with numbers")
    ] = 30_000,
    seed: Annotated[int, typer.Option(help="Of what is drawn")] = 0,
) -> None:
    """Write pairs of two sentences of a text joined into one, for a network to learn to read long ones.

    A recipe takes OUT as one more corpus. FILE is read into memory.
    """
    with one_sentence_errors():
        _check_new(out)
        rows = ((row[0], row[1]) for row in read_rows(file.name, file.parent))
        pairs = list(join_sentences(rows, source, target, count=count, random=Random(seed)))
        if not pairs:
            raise InvalidRequest(f"{file}: no two rows are one plain sentence each, with a full stop")
        _write_pairs(out, pairs)
    console.print(f"{out}: {len(pairs):,} pairs")


def _check_new(out: Path) -> None:
    if out.suffix in {".xz", ".gz"}:
        raise InvalidRequest(f"{out}: is written plainly; compress it when it is done")
    if out.exists():
        raise InvalidRequest(f"{out} exists: name another file")
    if not out.parent.is_dir():
        raise InvalidRequest(f"{out.parent}: No such folder")


def _write_pairs(out: Path, pairs: Iterable[tuple[str, str]]) -> None:
    write_atomically(out, "".join(f"{source}\t{target}\n" for source, target in pairs).encode())
