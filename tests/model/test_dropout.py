import torch

from model.dropout import Dropout, WordDropout


def test_dropout_is_drawn_anew_at_each_position_and_variational_dropout_once_a_sentence() -> None:
    torch.manual_seed(0)
    inputs = torch.ones(3, 7, 64)
    anew, once = Dropout(0.5, False)(inputs), Dropout(0.5, True)(inputs)
    assert not torch.equal(anew[:, 0], anew[:, 1])
    assert torch.equal(once, once[:, :1].expand_as(once))
    assert not torch.equal(once[0], once[1])
    for dropped in (anew, once):
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
        assert 0.3 < (dropped == 0).float().mean() < 0.7


def test_a_piece_that_is_dropped_is_so_wherever_it_stands_in_its_sentence() -> None:
    torch.manual_seed(0)
    pieces = torch.tensor([[5, 6, 7, 5, 6, 7, 8, 9]] * 50)
    dropped = WordDropout(0.5, 10)(torch.ones(50, 8, 4), pieces)
    assert torch.equal(dropped[:, :3], dropped[:, 3:6])
    assert torch.equal(dropped[..., 0], dropped[..., 3])
    assert not torch.equal(dropped[0], dropped[1])
    assert 0.3 < (dropped == 0).float().mean() < 0.7


def test_no_dropout_changes_anything_but_in_training() -> None:
    inputs = torch.randn(2, 3, 4)
    assert torch.equal(Dropout(0.5, True).eval()(inputs), inputs)
    assert torch.equal(WordDropout(0.5, 10).eval()(inputs, torch.zeros(2, 3, dtype=torch.long)), inputs)
