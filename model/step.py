"""What a search does on the network's device at each step: the network's own step, and each row's best pieces.

One call, which is compiled where the network is: a search has few rows, and what Python takes to ask for a dozen small
products one by one, holding its lock, is then as much as they take.

A step knows its network by an interface alone, so that one code serves all networks: what is compiled for a module in
Python is kept by PyTorch for good, and each bundle that was loaded and left would have stayed, 14 MB of a starter.

R rows, V pieces, Z state size, B sentences, S source positions, M size of the memory, C best pieces.
"""

from typing import Final, Protocol, cast

import torch
from torch import Tensor, nn

from model.tokenizer import END

BLOCK = 64  # pieces of which the best is looked up first: much faster than to rank all


class Network(Protocol):
    """What a search needs of a network, eager or scripted; shapes as in model.network."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]: ...

    def decode_step(
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]: ...


class Scripted(nn.Module):
    """Network, as TorchScript has to be told of it: model.torchscript makes it an interface."""

    def encode(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[empty-body]
        pass

    def decode_step(  # type: ignore[empty-body]
        self, pieces: Tensor, state: Tensor, memory: Tensor, source: Tensor, places: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        pass


def top_pieces(values: Tensor, count: int, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """Return the ``count`` best of each row (R, V), best first, and their pieces.

    The best pieces are in the blocks whose own best are the best: to rank those alone takes a third of the time.
    """
    rows, size = values.size(0), values.size(1)
    blocks = size // block
    if blocks <= 2 * count:
        best, pieces = values.topk(min(count, size), dim=1)
        return best, pieces
    blocked = values[:, : blocks * block].view(rows, blocks, block)
    best_blocks = blocked.amax(dim=-1).topk(count, dim=1)[1]  # (R, count)
    within = torch.arange(block, device=values.device)
    numbers = (best_blocks.unsqueeze(-1) * block + within).flatten(1)  # (R, count * block)
    if blocks * block < size:
        rest = torch.arange(blocks * block, size, device=values.device)
        numbers = torch.cat((numbers, rest.expand(rows, -1)), dim=1)
    best, places = values.gather(1, numbers).topk(count, dim=1)
    return best, numbers.gather(1, places)


class Step(nn.Module):
    """The step of a search with one network; ``special`` are the pieces that no hypothesis may hold."""

    END: Final[int] = END  # TorchScript sees constants of the class alone
    network: Scripted

    def __init__(self, network: Network, special: Tensor) -> None:
        super().__init__()
        self.network = cast(Scripted, network)
        self.special = special

    def forward(
        self, rows: Tensor, state: Tensor, memory: Tensor, source: Tensor, width: int, count: int
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Advance rows; return what ``candidates`` finds, then the state and the weights of ``advance``."""
        log_probabilities, state, weights = self.advance(rows, state, memory, source, width)
        values, pieces = self.candidates(log_probabilities, count)
        return values, pieces, state, weights

    def advance(
        self, rows: Tensor, state: Tensor, memory: Tensor, source: Tensor, width: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Advance every row by its piece.

        rows (3, R): piece, row of the state that it continues, place in attention's grid; state (any, Z), the rest as
        in Seq2Seq.decode_step → log-probabilities (R, V), state (R, Z), weights (R, S).
        """
        state = state.index_select(0, rows[1])
        logits, state, weights = self.network.decode_step(rows[0], state, memory, source, rows[2], width)
        if logits.dtype != torch.float32:
            return torch.log_softmax(logits, dim=-1, dtype=torch.float32), state, weights
        # In place: at 160 rows each of them is 5 MB, and to write as much elsewhere takes longer than to compute it.
        return torch.log_softmax(logits, dim=-1, out=logits), state, weights

    def candidates(self, log_probabilities: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Return of each row (R, V) the end and its ``count`` best others: values (R, 1 + C) and pieces (R, 1 + C).

        The special pieces are impossible from then on.
        """
        ends = log_probabilities[:, self.END].unsqueeze(1).clone()
        values, pieces = top_pieces(log_probabilities.index_fill_(1, self.special, float("-inf")), count)
        end_pieces = torch.full_like(pieces[:, :1], self.END)
        return torch.cat((ends, values), dim=1), torch.cat((end_pieces, pieces), dim=1)
