"""How hypotheses came about: a layer of nodes for each step, each node with its piece and the node it extends.

R rows of a step, S source positions.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

ROOT = -1
"""Parent of a node that begins a sentence."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Layer(NamedTuple):
    """The rows that one step extended."""

    pieces: Integers  # (R)
    parents: Integers  # (R) rows of the layer before, or ROOT
    totals: Floats  # (R) log-probabilities of the hypotheses up to here
    weights: Tensor | None  # (R, S) what each row attended to in this step; None when nobody wants to know


class Node(NamedTuple):
    """One row of one layer."""

    step: int
    row: int


class Trellis:
    """The layers of the steps that are still of use, numbered from the first step there ever was."""

    def __init__(self) -> None:
        self._layers: deque[Layer] = deque()
        self._first = 0

    @property
    def steps(self) -> int:
        """How many layers there ever were: the number of the next one."""
        return self._first + len(self._layers)

    def push(self, layer: Layer) -> None:
        """Add the layer of the next step."""
        self._layers.append(layer)

    def attach(self, weights: Tensor) -> None:
        """Keep what the rows of the last layer attended to."""
        self._layers[-1] = self._layers[-1]._replace(weights=weights)

    def forget_before(self, step: int) -> None:
        """Drop the layers of earlier steps."""
        while self._first < step and self._layers:
            self._layers.popleft()
            self._first += 1

    def path(self, node: Node) -> Iterator[tuple[Layer, int]]:
        """Walk from a node back to its root: layers with the row in each."""
        step, row = node
        while row != ROOT:
            layer = self._layers[step - self._first]
            yield layer, row
            row = int(layer.parents[row])
            step -= 1

    def pieces(self, node: Node) -> list[int]:
        """Return the pieces from the root's, which is START, to the node's."""
        return [int(layer.pieces[row]) for layer, row in self.path(node)][::-1]
