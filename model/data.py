"""Corpora → pairs of texts → pairs of pieces; examples → tensors."""

import gzip
import lzma
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.config import Task
from model.recipe import CorpusConfig, FilterConfig
from model.tokenizer import END, PAD, START, Tokenizer

DAMAGE = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)
PAIRS_AT_ONCE = 1_000  # SentencePiece takes a fraction of the time for a list of texts
MIN_PIECES_FOR_RATIO = 10  # "Ja." may well be "Yes, I do."


class DataError(ValueError):
    """Text that cannot be read as pairs; the message names the file and the line."""


class Pair(NamedTuple):
    """A source text and its target for a task."""

    task: Task
    source: str
    target: str


class Example(NamedTuple):
    """A pair in pieces: the source framed by tag and end, the target bare."""

    source: list[int]
    target: list[int]


class Batch(NamedTuple):
    """Padded piece ids: source (B, S), lengths (B), target_inputs (B, T) and target_outputs (B, T)."""

    source: Tensor
    lengths: Tensor
    target_inputs: Tensor
    target_outputs: Tensor


def open_text(path: Path, errors: str = "strict") -> IO[str]:
    """Open a UTF-8 text file, decompressed by its suffix (.xz, .gz); DataError when there is none."""
    openers = {".xz": lzma.open, ".gz": gzip.open}
    try:
        if opener := openers.get(path.suffix):
            return opener(path, "rt", encoding="utf-8", errors=errors, newline="\n")  # type: ignore[operator, no-any-return]
        return path.open(encoding="utf-8", errors=errors, newline="\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def _not_utf8(file: str, folder: Path) -> Iterator[str]:
    """Say where a byte is not UTF-8; who reads a file has read ahead, and cannot tell the line."""
    with suppress(*DAMAGE), open_text(folder / file, errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            if byte := re.search("[\udc80-\udcff]", line):
                yield f"{file}, line {number}: a byte 0x{ord(byte[0]) - 0xDC00:02x} that is not UTF-8"


def read_rows(files: str | tuple[str, str], folder: Path, *, at_least: int = 2) -> Iterator[list[str]]:
    """Yield the columns of a TSV line by line (source, target, further references), or of two text files side by side.

    A blank line is an empty source with an empty target.
    DataError on a line of fewer columns than ``at_least`` (1 or 2), files of unequal length, and text not in UTF-8.
    """
    name = files if isinstance(files, str) else " and ".join(files)
    try:
        if isinstance(files, str):
            with open_text(folder / files) as lines:
                for number, line in enumerate(lines, 1):
                    columns = line.rstrip("\r\n").split("\t") if line.strip() else ["", ""]
                    if len(columns) < at_least:
                        raise DataError(f"{name}, line {number}: no tab between source and target")
                    yield columns
        else:
            with open_text(folder / files[0]) as sources, open_text(folder / files[1]) as targets:
                for number, (source, target) in enumerate(zip_longest(sources, targets), 1):
                    if source is None or target is None:
                        raise DataError(f"{name}: one ends at line {number - 1}, the other goes on")
                    yield [source.rstrip("\r\n"), target.rstrip("\r\n")]
    except UnicodeDecodeError as error:
        both = [files] if isinstance(files, str) else files
        found = (line for file in both for line in _not_utf8(file, folder))
        raise DataError(next(found, f"{name}: is damaged")) from error
    except DAMAGE as error:
        raise DataError(f"{name}: {error}") from error


def corpus_pairs(corpus: CorpusConfig, files: Sequence[str | tuple[str, str]], folder: Path) -> Iterator[Pair]:
    """Yield each row of the files once for each task of the corpus, in the direction of the task."""
    for file in files:
        for row in read_rows(file, folder):
            for task in corpus.tasks:
                forwards = task.source == corpus.columns[0]
                yield Pair(task, *(row[:2] if forwards else row[1::-1]))


def tokenize_pairs(pairs: Iterable[Pair], tokenizer: Tokenizer, limits: FilterConfig) -> Iterator[Example | str]:
    """Yield each pair in pieces, or the reason for which it is dropped."""
    pairs = iter(pairs)
    while chunk := list(islice(pairs, PAIRS_AT_ONCE)):
        sources = tokenizer.encode_all([pair.source for pair in chunk])
        targets = tokenizer.encode_all([pair.target for pair in chunk])
        for pair, source, target in zip(chunk, sources, targets, strict=True):
            if limits.overlong_source == "cut":
                source = source[: limits.max_source_pieces]
            yield _unfitness(source, target, limits) or Example(tokenizer.frame_source(source, pair.task), target)


def _unfitness(source: Sequence[int], target: Sequence[int], limits: FilterConfig) -> str:
    """Return the reason for which a pair is dropped; "" when there is none."""
    if not source or not target:
        return "empty"
    if len(source) > limits.max_source_pieces or len(target) > limits.max_target_pieces:
        return "too long"
    shorter, longer = sorted((len(source), len(target)))
    if longer > MIN_PIECES_FOR_RATIO and longer > limits.max_length_ratio * shorter:
        return "length ratio"
    return ""


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def pad(sequences: Sequence[Sequence[int]], multiple: int = 1) -> Tensor:
    """Return the sequences as one tensor (B, longest rounded up to ``multiple``), padded with PAD."""
    width = _round_up(max(map(len, sequences)), multiple)
    rows = [[*sequence, *[PAD] * (width - len(sequence))] for sequence in sequences]
    return torch.from_numpy(np.array(rows, np.int64))  # torch.tensor takes three times as long


def collate(examples: Sequence[Example], multiple: int) -> Batch:
    """Pad examples to a batch whose lengths are multiples of ``multiple``."""
    return Batch(
        source=pad([e.source for e in examples], multiple),
        lengths=torch.tensor([len(e.source) for e in examples]),
        target_inputs=pad([[START, *e.target] for e in examples], multiple),
        target_outputs=pad([[*e.target, END] for e in examples], multiple),
    )
