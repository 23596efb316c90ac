import pytest
import torch

from model.products import Products


@pytest.mark.parametrize("bound", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("keys_std", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize(("size", "positions"), [(7, 3), (480, 40), (1024, 900)])
def test_quantized_products_are_exact_so_that_no_order_of_adding_changes_a_bit(
    size: int, positions: int, keys_std: float, bound: float
) -> None:
    torch.manual_seed(0)
    products = Products()
    products.quantize(bound)
    queries = torch.empty(2, 5, size).uniform_(-1, 1)
    queries[0, 0] = 1.0
    given_keys = torch.randn(2, positions, size) * keys_std
    given_values = torch.empty(2, positions, size).uniform_(-bound, bound)
    given_keys[0, 0], given_values[0] = keys_std, bound  # all sums as large as they can be
    keys, values = products.keys(given_keys), products.values(given_values)
    weights = torch.softmax(torch.randn(2, 5, positions), dim=-1)

    rounded_queries, rounded_weights = (queries * 2**7).round() / 2**7, (weights * 2**12).round() / 2**12
    scores = products.scores(queries, keys)
    assert torch.equal(scores.double(), rounded_queries.double() @ keys.double().transpose(1, 2))
    context = products.read(values, weights)
    assert torch.equal(context.double(), rounded_weights.double() @ values.double())

    largest = given_keys.abs().sum(dim=-1, keepdim=True)
    assert ((keys - given_keys).abs() <= largest / 2**16).all()
    assert ((values - given_values).abs() <= bound / 2**11).all()
