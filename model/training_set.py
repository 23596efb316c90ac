"""The pairs of a recipe as batches, epoch by epoch, with one window of them in memory.

Blocks of neighbours come in an order shuffled anew for each epoch; so many as make up a window are shuffled together,
pair by pair, and put into batches of like length. All of it follows from seed and epoch alone, so that a resumed run
needs only to know how many batches it has seen.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, repeat
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.cache import Cache, cache_key, find_cache, write_cache
from model.data import Example, corpus_pairs, tokenize_pairs
from model.masks import mask_names
from model.recipe import FilterConfig, Recipe, RecipeError, TrainingConfig
from model.tokenizer import Tokenizer

BLOCK_PAIRS = 1_000
"""Neighbours that are read together: few enough that a window has many blocks, enough to read a disk at its speed."""
EVERY_TURN = repeat(True)


class Numbered(NamedTuple):
    """A batch with its number in the epoch."""

    number: int
    examples: list[Example]


class TrainingSet:
    """All pairs of a cache, those of each corpus as often as it is repeated.

    ``dropped`` counts, by reason, those that were unfit for training.
    """

    def __init__(self, cache: Cache, repeats: Sequence[int], tokenizer: Tokenizer, limits: FilterConfig) -> None:
        self.tokenizer = tokenizer
        self.limits = limits
        self.dropped = cache.manifest.dropped
        self._cache = cache
        blocks: list[tuple[int, int]] = []
        first = 0
        for pairs, times in zip(cache.manifest.corpora, repeats, strict=True):
            end = first + pairs
            blocks += times * [(start, min(start + BLOCK_PAIRS, end)) for start in range(first, end, BLOCK_PAIRS)]
            first = end
        self._blocks = np.array(blocks, np.int64).reshape(-1, 2)

    def __len__(self) -> int:
        """Return the pairs of an epoch."""
        return int(np.diff(self._blocks).sum())

    def batches(
        self, epoch: int, config: TrainingConfig, start: int = 0, turns: Iterator[bool] = EVERY_TURN
    ) -> Iterator[Numbered]:
        """Yield the epoch's batches from number ``start`` on, each as an epoch from its beginning has it.

        Names are masked anew when the recipe asks for it. ``turns`` says of each batch in
        turn whether it is made: a worker makes its own alone.
        """
        generator = np.random.default_rng(Random(f"{config.seed} {epoch}").getrandbits(128))
        blocks = generator.permutation(self._blocks)
        first = 0  # the number of a window's first batch
        for window in np.array_split(blocks, min(len(blocks), -(-len(self) // config.window_pairs))):
            lengths = self._cache.lengths(window)
            plan = plan_batches(lengths, config, generator)
            if start < first + len(plan):
                missed = max(0, start - first)
                chosen = compress(enumerate(plan[missed:], first + missed), turns)
                for number, examples in self._read(window, lengths, chosen):
                    # What is drawn follows from the batch's place alone, so that a resumed run draws the same.
                    yield Numbered(number, self._masked(examples, config, f"{config.seed} {epoch} {number}"))
            first += len(plan)

    def _read(
        self, window: NDArray[np.int64], lengths: NDArray[np.int64], plan: Iterable[tuple[int, NDArray[np.int64]]]
    ) -> Iterator[Numbered]:
        """Yield the examples of each batch; by itself, so that a window's pieces go before the next one's come."""
        pieces = self._cache.pieces(window)
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        for number, members in plan:
            examples = [
                Example(pieces[first:middle].tolist(), pieces[middle:end].tolist())
                for first, middle, end in bounds[2 * members[:, None] + np.arange(3)].tolist()
            ]
            yield Numbered(number, examples)

    def _masked(self, examples: list[Example], config: TrainingConfig, seed: str) -> list[Example]:
        if not config.mask_share:
            return examples
        random = Random(seed)
        return [self._mask(one, random) if random.random() < config.mask_share else one for one in examples]

    def _mask(self, example: Example, random: Random) -> Example:
        """Mask the names of both sides, unless that makes them longer than any pair may be."""
        tag, *pieces, end = example.source
        decode, limits = self.tokenizer.decode, self.limits
        texts = mask_names(decode(pieces), decode(example.target), self.tokenizer.masks, random)
        source, target = self.tokenizer.encode_all(texts)
        fits = len(source) <= limits.max_source_pieces and len(target) <= limits.max_target_pieces
        return Example([tag, *source, end], target) if fits else example


def plan_batches(
    lengths: NDArray[np.int64], config: TrainingConfig, generator: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Return each batch as rows of ``lengths`` (source, target): like lengths together, batches in random order."""
    multiple = config.length_multiple
    positions = lengths + np.array([0, 1])  # a target has its end besides
    padded = -(-positions // multiple) * multiple
    buckets = padded @ (padded.max() + 1, 1)
    order = generator.permutation(len(buckets))
    order = order[np.argsort(buckets[order], kind="stable")]
    batches = []
    for members in np.split(order, np.flatnonzero(np.diff(buckets[order])) + 1):
        size = max(1, config.batch_pieces // int(padded[members[0]].sum()))
        size = size - size % 8 if size > 8 else size  # few batch sizes, few primitives
        batches += [members[i : i + size] for i in range(0, len(members), size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def open_training_set(recipe: Recipe, tokenizer: Tokenizer, *, texts: Path, cache: Path) -> TrainingSet:
    """Read the recipe's pairs from folder ``cache``, where they are put first if their text is new to it.

    DataError when a text cannot be read, RecipeError when it leaves no pair that is fit for training.
    """
    key = cache_key(recipe.corpus, recipe.filter, tokenizer, texts)
    found = find_cache(cache, key) or write_cache(
        cache,
        key,
        (
            tokenize_pairs(corpus_pairs(corpus, corpus.train, texts), tokenizer, recipe.filter)
            for corpus in recipe.corpus
        ),
        vocabulary_size=len(tokenizer),
    )
    training_set = TrainingSet(found, [corpus.repeat for corpus in recipe.corpus], tokenizer, recipe.filter)
    if not len(training_set):
        raise RecipeError(f"{recipe.name}: no pair is fit for training; dropped: {training_set.dropped}")
    return training_set
