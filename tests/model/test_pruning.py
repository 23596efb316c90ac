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
