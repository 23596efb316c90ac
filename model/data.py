"""Corpora → pairs of texts → pairs of pieces → batches of like length.

The order of an epoch follows from the seed and the epoch's number alone, so that a resumed run needs only to know how
many batches it has seen.
"""

import gzip
import lzma
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, zip_longest
from pathlib import Path
from random import Random
from typing import IO, NamedTuple

import torch
from torch import Tensor

from model.config import CorpusConfig, FilterConfig, Task, TrainingConfig
from model.tokenizer import END, PAD, START, Tokenizer

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


def open_text(path: Path) -> IO[str]:
    """Open a UTF-8 text file, decompressed by its suffix (.xz, .gz); DataError when there is none."""
    openers = {".xz": lzma.open, ".gz": gzip.open}
    try:
        if opener := openers.get(path.suffix):
            return opener(path, "rt", encoding="utf-8", newline="\n")  # type: ignore[operator, no-any-return]
        return path.open(encoding="utf-8", newline="\n")
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def read_rows(files: str | tuple[str, str], folder: Path) -> Iterator[list[str]]:
    """Yield the columns of a TSV line by line (source, target, further references), or of two text files side by side.

    A blank line is an empty source with an empty target.
    DataError on a line of fewer than two columns, files of unequal length, and text that is not UTF-8.
    """
    name = files if isinstance(files, str) else " and ".join(files)
    try:
        if isinstance(files, str):
            with open_text(folder / files) as lines:
                for number, line in enumerate(lines, 1):
                    columns = line.rstrip("\r\n").split("\t") if line.strip() else ["", ""]
                    if len(columns) < 2:
                        raise DataError(f"{name}, line {number}: no tab between source and target")
                    yield columns
        else:
            with open_text(folder / files[0]) as sources, open_text(folder / files[1]) as targets:
                for number, (source, target) in enumerate(zip_longest(sources, targets), 1):
                    if source is None or target is None:
                        raise DataError(f"{name}: one ends at line {number - 1}, the other goes on")
                    yield [source.rstrip("\r\n"), target.rstrip("\r\n")]
    except (UnicodeDecodeError, EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{name}: {error}") from error


def corpus_pairs(corpus: CorpusConfig, files: Sequence[str | tuple[str, str]], folder: Path) -> Iterator[Pair]:
    """Yield each row of the files once for each task of the corpus, in the direction of the task."""
    for file in files:
        for row in read_rows(file, folder):
            for task in corpus.tasks:
                forwards = task.source == corpus.columns[0]
                yield Pair(task, *(row[:2] if forwards else row[1::-1]))


def tokenize_pair(pair: Pair, tokenizer: Tokenizer, limits: FilterConfig) -> Example | str:
    """Return the pair in pieces, or the reason for which it is dropped."""
    source, target = tokenizer.encode(pair.source), tokenizer.encode(pair.target)
    if not source or not target:
        return "empty"
    if limits.overlong_source == "cut":
        source = source[: limits.max_source_pieces]
    if len(source) > limits.max_source_pieces or len(target) > limits.max_target_pieces:
        return "too long"
    shorter, longer = sorted((len(source), len(target)))
    if longer > MIN_PIECES_FOR_RATIO and longer > limits.max_length_ratio * shorter:
        return "length ratio"
    return Example(tokenizer.frame_source(source, pair.task), target)


class TrainingSet:
    """All pairs of a recipe in pieces, those unfit for training dropped.

    ``dropped`` counts them by reason.
    """

    def __init__(self, tokenizer: Tokenizer, limits: FilterConfig) -> None:
        self.tokenizer = tokenizer
        self.limits = limits
        self.pairs: list[Pair] = []
        self.examples: list[Example] = []
        self.dropped: Counter[str] = Counter()

    def add(self, pairs: Iterator[Pair], repeat: int) -> None:
        """Add pairs, each ``repeat`` times."""
        for pair in pairs:
            match tokenize_pair(pair, self.tokenizer, self.limits):
                case str(reason):
                    self.dropped[reason] += 1
                case example:
                    self.pairs += [pair] * repeat
                    self.examples += [example] * repeat

    def epoch(self, number: int, config: TrainingConfig) -> list[list[int]]:
        """Return the epoch's batches as indices of examples: like lengths together, batches in random order."""
        random = Random(f"{config.seed} {number}")
        buckets = [
            (_round_up(len(e.source), config.length_multiple), _round_up(len(e.target) + 1, config.length_multiple))
            for e in self.examples
        ]
        order = list(range(len(buckets)))
        random.shuffle(order)
        order.sort(key=buckets.__getitem__)
        batches = []
        for (source, target), group in groupby(order, key=buckets.__getitem__):
            members = list(group)
            size = max(1, config.batch_pieces // (source + target))
            size = size - size % 8 if size > 8 else size  # few batch sizes, few primitives
            batches += [members[i : i + size] for i in range(0, len(members), size)]
        random.shuffle(batches)
        return batches

    def batches(self, epoch: int, config: TrainingConfig, start: int) -> Iterator[list[Example]]:
        """Yield the epoch's batches from number ``start`` on, with segmentations sampled if the recipe asks for it."""
        for number, indices in enumerate(self.epoch(epoch, config)[start:], start):
            # The segmentations of a batch follow from its place alone, so a resumed run draws the same.
            random = Random(f"{config.seed} {epoch} {number}")
            is_sampled = config.sampling_alpha > 0
            yield [self._sample(i, config, random) if is_sampled else self.examples[i] for i in indices]

    def batch(self, indices: Sequence[int], config: TrainingConfig, random: Random) -> Batch:
        """Pad the examples to a batch, with segmentations sampled anew when the recipe asks for it."""
        if config.sampling_alpha == 0:
            return collate([self.examples[i] for i in indices], config.length_multiple)
        return collate([self._sample(i, config, random) for i in indices], config.length_multiple)

    def _sample(self, index: int, config: TrainingConfig, random: Random) -> Example:
        pair, example = self.pairs[index], self.examples[index]
        source, target = (
            self.tokenizer.sample(
                text, alpha=config.sampling_alpha, candidates=config.sampling_candidates, random=random
            )
            for text in (pair.source, pair.target)
        )
        # A segmentation may be much longer than the best one, and the batch was made for that.
        source = source[: self.limits.max_source_pieces]
        return Example([example.source[0], *source, END], target[: self.limits.max_target_pieces])


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def pad(sequences: Sequence[Sequence[int]], multiple: int = 1) -> Tensor:
    """Return the sequences as one tensor (B, longest rounded up to ``multiple``), padded with PAD."""
    width = _round_up(max(map(len, sequences)), multiple)
    return torch.tensor([[*sequence, *[PAD] * (width - len(sequence))] for sequence in sequences])


def collate(examples: Sequence[Example], multiple: int) -> Batch:
    """Pad examples to a batch whose lengths are multiples of ``multiple``."""
    return Batch(
        source=pad([e.source for e in examples], multiple),
        lengths=torch.tensor([len(e.source) for e in examples]),
        target_inputs=pad([[START, *e.target] for e in examples], multiple),
        target_outputs=pad([[*e.target, END] for e in examples], multiple),
    )
