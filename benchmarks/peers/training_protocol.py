"""How every peer is asked to train: a line of JSON in, so many seconds of training, a line of JSON out.

A peer runs its own training command, which calls a Meter after every update. The Meter halts the training there until
it is asked, counts while the time lasts, answers, and halts it again: so rounds of all peers can be interleaved in one
run. Standard library only, for each peer's environment holds that peer and little else.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple


class Settings(NamedTuple):
    """What a peer is to train: a network of these sizes, on these texts, in batches of this size."""

    scratch: str
    """An empty folder of its own."""
    pairs: str
    """The TSV that ours reads by itself."""
    pieces: str
    """A folder with the same pairs cut into pieces (train.source, train.target), and with the pieces (pieces.txt)."""
    task: str
    vocabulary_size: int
    max_pieces: int
    """Of either side; pairs with more of them are in none of the texts."""
    threads: int
    batch_pieces: int
    """Padded positions of the longer side of a batch."""
    embedding: int
    hidden: int
    """Of the decoder, and of both directions of an encoder layer together."""
    layers: int
    """Of the encoder, and as many of the decoder."""
    dropout: float
    label_smoothing: float
    learning_rate: float
    warmup_steps: int
    max_gradient_norm: float
    variant: bool
    """Input feeding, of a peer; bfloat16 where the processor has it, of ours."""


def read_settings() -> Settings:
    """Read the file that the command line names."""
    return Settings(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))


class Meter:
    """Counts the target pieces of updates, while it is asked to, and halts the training between."""

    def __init__(self, versions: dict[str, str]) -> None:
        self._versions = versions
        self._channel = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # what a peer itself writes must not get among the answers
        self._is_described = False
        self._asked_seconds = self._begun = 0.0
        self._updates = self._pieces = 0.0

    def taken(self, pieces: float, network: Any, updates: int = 1) -> None:
        """Note updates with that many target pieces, ends of sentence included and padding not; wait if time is up.

        The first ones end the loading, and are in no answer. It leaves by SystemExit when nobody asks any more.
        """
        seconds = time.perf_counter() - self._begun
        if not self._is_described:
            parameters = sum(parameter.numel() for parameter in network.parameters())
            self._write({"versions": self._versions, "parameters": parameters})
            self._is_described = True
        else:
            self._updates += updates
            self._pieces += pieces
            if seconds < self._asked_seconds:
                return
            self._write({"seconds": seconds, "updates": self._updates, "target_pieces": self._pieces})
        self._wait()

    def _wait(self) -> None:
        line = sys.stdin.readline()
        if not line:
            raise SystemExit
        self._asked_seconds = json.loads(line)["seconds"]
        self._updates = self._pieces = 0
        self._begun = time.perf_counter()

    def _write(self, answer: dict[str, Any]) -> None:
        self._channel.write(json.dumps(answer) + "\n")
