from random import Random

import numpy as np
import pytest

from model.tokenizer import START
from model.trellis import ROOT, Layer, Node, Trellis


def layer(pieces: list[int], parents: list[int]) -> Layer:
    return Layer(np.array(pieces), np.array(parents), np.zeros(len(pieces)), None)


@pytest.fixture
def trellis() -> Trellis:
    """Return one in which a sentence begins, is joined by another, and branches."""
    trellis = Trellis()
    trellis.push(layer([START], [ROOT]))
    trellis.push(layer([5, 6, START], [0, 0, ROOT]))
    trellis.push(layer([7, 8, 9], [1, 0, 2]))
    return trellis


def test_the_pieces_of_a_node_are_those_on_its_way_from_the_root(trellis: Trellis) -> None:
    assert [trellis.pieces(Node(2, row)) for row in range(3)] == [[START, 6, 7], [START, 5, 8], [START, 9]]
    assert trellis.pieces(Node(1, 2)) == [START]


def test_a_path_leads_from_the_node_back_to_the_root(trellis: Trellis) -> None:
    assert [(int(layer.pieces[row]), row) for layer, row in trellis.path(Node(2, 0))] == [(7, 0), (6, 1), (START, 0)]


def test_steps_are_counted_on_when_layers_are_forgotten(trellis: Trellis) -> None:
    trellis.forget_before(1)
    assert trellis.steps == 3
    assert trellis.pieces(Node(2, 2)) == [START, 9]  # it began at step 1
    trellis.push(layer([5], [2]))
    assert trellis.steps == 4
    assert trellis.pieces(Node(3, 0)) == [START, 9, 5]


def test_what_is_forgotten_is_gone_and_no_more_than_that(trellis: Trellis) -> None:
    for step, kept in ((0, 3), (1, 2), (1, 2), (0, 2), (3, 0), (9, 0)):
        trellis.forget_before(step)
        assert len(trellis._layers) == kept
    assert trellis.steps == 3


def test_random_hypotheses_are_those_that_were_written_out() -> None:
    random, trellis = Random(0), Trellis()
    written: list[list[int]] = [[START]] * 3
    trellis.push(layer([START] * 3, [ROOT] * 3))
    for step in range(1, 30):
        parents = [random.randrange(len(written)) for _ in range(random.randint(1, 6))]
        pieces = [random.randint(5, 9) for _ in parents]
        written = [[*written[parent], piece] for parent, piece in zip(parents, pieces, strict=True)]
        trellis.push(layer(pieces, parents))
        assert [trellis.pieces(Node(step, row)) for row in range(len(written))] == written
