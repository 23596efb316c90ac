"""The steps of a training: schedule, losses of a batch, and the weights on their way."""

import math
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from model.batches import Share
from model.copying import coverage_loss
from model.data import Batch
from model.loss import Losses, cross_entropy
from model.network import Seq2Seq
from model.pruning import prune, prune_again
from model.recipe import TrainingConfig
from model.tokenizer import PAD


class Update(NamedTuple):
    """What one step did, over all processes."""

    loss: float
    """Cross-entropy, summed over the pieces, in nats."""
    pieces: int
    """Target pieces, padding not counted."""
    is_finite: bool
    """Whether loss and gradient were; the step is skipped if not."""


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Return the rate of a step counted from 0: linear warm-up, constant, linear decay to zero at ``steps``."""
    warmup = (step + 1) / config.warmup_steps
    decay = (config.steps - step) / (config.decay_steps + 1)
    return config.learning_rate * min(1.0, warmup, decay)


class NetworkWithLosses(nn.Module):
    """A network and the losses of its batches.

    Both are one module for Fabric, which makes float32 of all that leaves a module in mixed precision: of logits, that
    would be a copy of twice their size, and the same again for their gradient.
    """

    def __init__(self, network: Seq2Seq, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, batch: Batch) -> Losses:
        """Run the network over the batch."""
        logits, weights = self.network(batch.source, batch.lengths, batch.target_inputs)
        losses = cross_entropy(logits, batch.target_outputs, self.config.label_smoothing)
        if self.config.coverage_loss:
            again = coverage_loss(weights, batch.target_outputs != PAD)
            losses = losses._replace(objective=losses.objective + self.config.coverage_loss * again)
        return losses


def moving_average(network: Seq2Seq, decay: float) -> AveragedModel:
    """Return the average of the weights over about 1 / (1 - decay) steps, fewer at first; the network is copied."""

    def update(averaged: Any, current: Any, steps: Any) -> None:
        kept = min(decay, (1 + int(steps)) / (10 + int(steps)))  # or the first weights would stay for long
        torch._foreach_lerp_(averaged, current, 1 - kept)

    average = AveragedModel(network, multi_avg_fn=torch.no_grad()(update))
    average.module.to(network.output_bias.device)  # a copy's weights are not laid out as cuDNN wants them
    return average


class Optimization:
    """A network's weights on their way: optimizer, moving average, and what pruning keeps."""

    def __init__(self, network: Seq2Seq, config: TrainingConfig, fabric: Fabric) -> None:
        self.network = network.to(fabric.device)
        self.config = config
        self.fabric = fabric
        self.kept = prune(self.network, config.sparsity)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.average = moving_average(self.network, config.ema_decay) if config.ema_decay else None
        self._parallel = fabric.setup_module(NetworkWithLosses(self.network, config))

    @property
    def result(self) -> Seq2Seq:
        """The network to validate and to export: of averaged weights, where the recipe asks for it."""
        if not self.average:
            return self.network
        assert isinstance(self.average.module, Seq2Seq)
        return self.average.module

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs besides the weights of ``result``."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "weights": self.network.state_dict() if self.average else None,
            "averaged_steps": int(self.average.n_averaged) if self.average else 0,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state; the network has the weights of the ``result`` it was saved beside."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.n_averaged.fill_(state["averaged_steps"])
        if state["weights"] is not None:
            self.network.load_state_dict(state["weights"])

    def update(self, share: Share, step: int) -> Update:
        """Take a step, counted from 0, with this process's share of a batch; none if it would not be finite."""
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.fabric.device)
        for number, part in enumerate(share.parts, 1):
            batch = Batch(*(tensor.to(self.fabric.device, non_blocking=True) for tensor in part))
            with self.fabric.no_backward_sync(self._parallel, enabled=number < len(share.parts)):
                losses: Losses = self._parallel(batch)
                # Processes average their gradients, and the sum over all pieces is asked for.
                self.fabric.backward(losses.objective * (self.fabric.world_size / share.pieces))
            loss += losses.plain
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.config.max_gradient_norm)
        total = torch.stack((self._summed(loss), norm)).tolist()
        is_finite = all(map(math.isfinite, total))
        if is_finite:
            self._apply(learning_rate(step, self.config))
        return Update(total[0], share.pieces, is_finite)

    def _summed(self, loss: Tensor) -> Tensor:
        total: Tensor = self.fabric.all_reduce(loss, reduce_op="sum")  # type: ignore[assignment]
        return total

    def _apply(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        prune_again(self.kept)
        if self.average:
            self.average.update_parameters(self.network)
