"""Several networks that decode as one: the mean of what each holds for probable.

R rows, V pieces, B sentences, S source positions, M size of the memory, Z state size.

Memories and states stand side by side in one tensor each, so that a search copies, keeps and drops them as those of
one network.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.network import Seq2Seq
from model.tokenizer import END


class Ensemble(nn.Module):
    """Networks, of any sizes, that read and write the same pieces; shapes as in Seq2Seq."""

    def __init__(self, networks: Sequence[Seq2Seq]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        with torch.no_grad():
            encoded = [network.encode(torch.tensor([[END]]), torch.tensor([1])) for network in networks]
        self.memory_sizes = [memory.size(-1) for memory, _ in encoded]
        self.state_sizes = [state.size(-1) for _, state in encoded]

    def quantize(self) -> None:
        """Multiply in int8 from now on."""
        for network in self.networks:
            network.quantize()  # type: ignore[operator]

    def forward(self, source: Tensor, lengths: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher forcing as in Seq2Seq → log-probabilities (B, T, V) and mean attention weights (B, T, S)."""
        log_probabilities: list[Tensor] = []
        weights: list[Tensor] = []
        for network in self.networks:
            logits, weight = network(source, lengths, target)
            log_probabilities.append(torch.log_softmax(logits.float(), dim=-1))
            weights.append(weight)
        return self._mean(log_probabilities), torch.stack(weights).mean(dim=0)

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Read source (B, S) with lengths (B) → memory (B, S, M), first decoder state (B, Z)."""
        memories: list[Tensor] = []
        states: list[Tensor] = []
        for network in self.networks:
            memory, state = network.encode(source, lengths)  # type: ignore[operator]
            memories.append(memory)
            states.append(state)
        return torch.cat(memories, dim=-1), torch.cat(states, dim=-1)

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance every row by one piece → log-probabilities (R, V), state (R, Z) and mean attention weights (R, S).

        Log-probabilities are logits too: log_softmax leaves them as they are.
        """
        memories = torch.split(memory, self.memory_sizes, dim=-1)
        states = torch.split(state, self.state_sizes, dim=-1)
        log_probabilities: list[Tensor] = []
        new_states: list[Tensor] = []
        weights: list[Tensor] = []
        for i, network in enumerate(self.networks):
            logits, new_state, weight = network.decode_step(pieces, states[i], memories[i], source, places, width)  # type: ignore[operator]
            log_probabilities.append(torch.log_softmax(logits.float(), dim=-1))
            new_states.append(new_state)
            weights.append(weight)
        mean = self._mean(log_probabilities)
        return mean, torch.cat(new_states, dim=-1), torch.stack(weights).mean(dim=0)

    def _mean(self, log_probabilities: list[Tensor]) -> Tensor:
        """Return the logarithm of the mean probability."""
        return torch.logsumexp(torch.stack(log_probabilities), dim=0) - math.log(len(self.networks))
