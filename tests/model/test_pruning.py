import pytest
import torch
from torch import nn

from model.pruning import prune, prune_again


def network() -> nn.Linear:
    linear = nn.Linear(3, 2)
    with torch.no_grad():
        linear.weight.copy_(torch.tensor([[3.0, -1.0, 0.5], [-4.0, 2.0, -0.1]]))
        linear.bias.copy_(torch.tensor([0.01, 0.02]))
    return linear


def test_the_smallest_weights_of_a_matrix_go_and_no_bias_does() -> None:
    pruned = network()
    prune(pruned, 0.5)
    assert pruned.weight.tolist() == [[3.0, 0.0, 0.0], [-4.0, 2.0, 0.0]]
    assert pruned.bias.count_nonzero() == 2


def test_what_is_pruned_stays_pruned_when_it_is_pruned_again_by_as_much() -> None:
    pruned = network()
    kept = prune(pruned, 0.5)
    again = prune(pruned, 0.5)
    assert [mask.tolist() for _, mask in again] == [mask.tolist() for _, mask in kept]
    prune(pruned, 0.7)
    assert pruned.weight.tolist() == [[3.0, 0.0, 0.0], [-4.0, 0.0, 0.0]]


def test_of_equal_weights_as_many_go_as_make_up_the_share_from_all_over_the_matrix() -> None:
    positions = nn.Embedding(100, 40)
    nn.init.zeros_(positions.weight)
    ((_, mask),) = prune(positions, 0.75)
    assert mask.sum() == 1000
    assert mask[:50].float().mean() == pytest.approx(0.25, abs=0.05)


def test_a_matrix_that_began_as_zeros_keeps_what_it_kept_when_it_is_pruned_again_half_trained() -> None:
    positions = nn.Embedding(100, 40)
    nn.init.zeros_(positions.weight)
    kept = prune(positions, 0.75)
    with torch.no_grad():
        positions.weight[:50] += 1.0  # and the other positions were never seen
    prune_again(kept)
    ((_, mask),) = prune(positions, 0.75)
    assert torch.equal(mask, kept[0][1])


def test_what_an_update_moved_is_set_back_and_what_was_kept_is_not() -> None:
    pruned = network()
    kept = prune(pruned, 0.5)
    with torch.no_grad():
        pruned.weight.add_(1.0)
    prune_again(kept)
    assert pruned.weight.tolist() == [[4.0, 0.0, 0.0], [-3.0, 3.0, 0.0]]


def test_without_sparsity_nothing_is_pruned() -> None:
    pruned = network()
    assert prune(pruned, 0.0) == []
    assert torch.equal(pruned.weight, network().weight)
