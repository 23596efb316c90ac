import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from model.checkpoint import load_checkpoint
from model.config import NetworkConfig
from model.recipe import Recipe
from model.recurrent import make_cell
from model.training import open_training
from tests.runs import with_table

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_in_mixed_precision_a_layer_gives_what_it_gives_in_float32_and_its_gradients_reach_the_weights(
    cell: str,
) -> None:
    torch.manual_seed(0)
    layer = make_cell(NetworkConfig.model_validate({"cell": cell}), 16, 24).cuda()
    inputs, state = torch.randn(5, 7, 16, device="cuda"), 0.3 * torch.randn(5, layer.state_size, device="cuda")
    expected, expected_state = layer(inputs, state)
    expected.square().sum().backward()
    gradients = [weight.grad.clone() for weight in layer.parameters() if weight.grad is not None]
    layer.zero_grad()
    with torch.autocast("cuda", torch.bfloat16):
        outputs, new_state = layer(inputs, state)
    assert outputs.dtype == new_state.dtype == torch.bfloat16
    outputs.float().square().sum().backward()
    torch.testing.assert_close(outputs.float(), expected, rtol=0, atol=0.03)
    torch.testing.assert_close(new_state.float(), expected_state, rtol=0, atol=0.03)
    for weight, gradient in zip(layer.parameters(), gradients, strict=True):
        assert weight.grad is not None
        assert weight.grad.dtype == torch.float32
        assert (weight.grad - gradient).norm() < 0.03 * gradient.norm()


def test_a_gradient_beyond_float16_stays_finite() -> None:
    layer = make_cell(NetworkConfig(), 8, 8).cuda()
    with torch.autocast("cuda", torch.bfloat16):
        outputs, _ = layer(torch.randn(2, 3, 8, device="cuda"), torch.zeros(2, 16, device="cuda"))
    (1e6 * outputs.float()).sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in layer.parameters())


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("bf16", [False, True])
def test_a_gpu_trains_validates_and_goes_on_as_if_it_had_not_stopped(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, bf16: bool
) -> None:
    """Warnings are errors: weights that are not laid out as cuDNN wants them would be one."""
    recipe = with_table(tiny_recipe, "training", bf16=bf16, workers=2, ema_decay=0.9, steps=32, validate_every_steps=16)
    device = torch.device("cuda")
    trainer = open_training(recipe, data=tiny_corpora, run=tmp_path / "run", resume=False, device=device)
    losses: list[float] = []
    trainer.train(lambda progress: losses.append(progress.loss))
    assert losses[-1] < losses[0]
    longer = with_table(recipe, "training", steps=48)
    resumed = open_training(longer, data=tiny_corpora, run=tmp_path / "run", resume=True, device=device)
    before = copy.deepcopy(resumed.network.state_dict())
    kept = load_checkpoint(tmp_path / "run" / "last.pt").training_state["optimization"]["weights"]
    torch.testing.assert_close({name: weight.cpu() for name, weight in before.items()}, dict(kept), rtol=0, atol=0)
    resumed.train(lambda progress: losses.append(progress.loss))
    assert resumed.step == 48
    assert losses[-1] < losses[0]
    assert any(isinstance(module, nn.LSTM) for module in resumed.optimization.result.modules())
