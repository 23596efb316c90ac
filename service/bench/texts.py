"""The texts that are measured with."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from model.data import open_text, read_rows
from service.bench.errors import BenchError


def read_texts(files: Sequence[Path], *, limit: int, seed: int) -> list[str]:
    """Return at most ``limit`` random texts: the first column of a TSV (.tsv, .tsv.xz, .tsv.gz), the lines of others.

    BenchError when there is none; DataError when a file cannot be read.
    """
    texts = [text for file in files for text in _texts_of(file) if text.strip()]
    if not texts:
        raise BenchError(f"there is no text in {', '.join(map(str, files))}")
    Random(seed).shuffle(texts)
    return texts[:limit]


def _texts_of(file: Path) -> Iterator[str]:
    if ".tsv" in file.suffixes:
        for row in read_rows(file.name, file.parent):
            yield row[0]
        return
    try:
        with open_text(file) as lines:
            for line in lines:
                yield line.strip()
    except UnicodeDecodeError as error:
        raise BenchError(f"{file}: is not UTF-8") from error
