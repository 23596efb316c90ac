"""What a training process works through: its share of each batch, epoch after epoch, padded and ready to be copied.

Worker processes make batches in turn, so that all come in the order in which one process makes them: what a batch gets
follows from its place alone. They are those of PyTorch's DataLoader.
"""

import signal
from collections.abc import Generator, Iterator, Sequence
from itertools import count, cycle
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from model.data import Batch, Example, collate
from model.recipe import TrainingConfig
from model.tokenizer import PAD
from model.training_set import EVERY_TURN, TrainingSet


class Place(NamedTuple):
    """Which batch it is."""

    epoch: int
    number: int


class Rank(NamedTuple):
    """Which one of how many processes that train together."""

    number: int
    processes: int


class Share(NamedTuple):
    """A process's share of a batch."""

    place: Place
    parts: list[Batch]
    """In which it is worked through."""
    pieces: int
    """Target pieces of the whole batch, padding not counted."""
    description: str
    """Of the whole batch: its size and lengths in words."""


def share_of(examples: Sequence[Example], config: TrainingConfig, place: Place, rank: Rank) -> Share:
    """Return what the process of that rank has to do of a batch."""
    share = examples[rank.number :: rank.processes]
    parts = [share[i :: config.accumulate] for i in range(min(config.accumulate, len(share)))]
    batches = [collate(part, config.length_multiple) for part in parts]
    if not batches:
        # The others wait for this process's gradient: one of nothing but padding is 0.
        empty = collate(examples[:1], config.length_multiple)
        batches = [empty._replace(target_outputs=torch.full_like(empty.target_outputs, PAD))]
    source, target = (max(map(len, side)) for side in zip(*examples, strict=True))
    return Share(
        place=place,
        parts=batches,
        pieces=sum(len(example.target) + 1 for example in examples),
        description=f"{len(examples)} sentences of up to {source} source and {target + 1} target pieces",
    )


class Shares(IterableDataset[Share]):
    """The shares of the process of a rank, from a place on and without end; in a worker, those that are its turn."""

    def __init__(self, training_set: TrainingSet, config: TrainingConfig, rank: Rank, start: Place) -> None:
        self.training_set = training_set
        self.config = config
        self.rank = rank
        self.start = start

    def __iter__(self) -> Iterator[Share]:
        worker = get_worker_info()
        turns = cycle([number == worker.id for number in range(worker.num_workers)]) if worker else EVERY_TURN
        start = self.start.number
        for epoch in count(self.start.epoch):
            for number, examples in self.training_set.batches(epoch, self.config, start, turns):
                yield share_of(examples, self.config, Place(epoch, number), self.rank)
            start = 0


def open_shares(
    training_set: TrainingSet, config: TrainingConfig, fabric: Fabric, start: Place
) -> Generator[Share, None, None]:
    """Yield the shares of this process from a place on, without end; to close it ends the workers."""
    shares = Shares(training_set, config, Rank(fabric.global_rank, fabric.world_size), start)
    yield from DataLoader(
        shares,
        batch_size=None,
        num_workers=config.workers,
        pin_memory=fabric.device.type == "cuda",
        worker_init_fn=_leave_signals_to_the_training,
        generator=torch.Generator(),  # or it would draw from the one that dropout draws from
    )


def _leave_signals_to_the_training(_worker: int) -> None:
    """Have it save and end the workers when all processes are told to stop, as by Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
