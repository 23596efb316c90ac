"""Noise on the source, so that a network leans on the whole of it (Lample et al. 2018, section 2.3)."""

from random import Random

from model.data import Example
from model.recipe import TrainingConfig


def add_noise(example: Example, config: TrainingConfig, random: Random) -> Example:
    """Leave out pieces of the source and move others by a few places; tag and end stay, and so does one piece."""
    tag, *pieces, end = example.source
    if config.source_drop:
        pieces = [piece for piece in pieces if random.random() >= config.source_drop] or [random.choice(pieces)]
    if config.source_shuffle:
        # A piece passes another only where their random keys cross, so none moves further than this.
        keys = [place + random.random() * (config.source_shuffle + 1) for place in range(len(pieces))]
        pieces = [pieces[place] for place in sorted(range(len(pieces)), key=keys.__getitem__)]
    return example._replace(source=[tag, *pieces, end])
