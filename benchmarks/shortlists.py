"""Whether a shortlist of output pieces would pay: what it could save of a step, and what making one costs.

    .venv/bin/python benchmarks/shortlists.py

A lexical shortlist (Jean et al. 2015) leaves the pieces that a sentence's words were aligned with in training. In
flight the list of a batch changes whenever somebody joins, and the int8 weights of the output layer are packed anew.
"""

import torch
from rich.console import Console
from rich.table import Table
from timing import median_ms

from model.int8 import Int8Product
from model.step import top_pieces
from model.torchscript import without_deprecation_warnings

PIECES, FEATURES, BEAM = 8000, 384, 5
ROUNDS = 40

console = Console(width=120)


@torch.inference_mode()
def main() -> None:
    """Print, for lists of several sizes, the time of the output layer with its softmax and top k, and of packing."""
    torch.set_num_threads(1)
    torch.backends.quantized.engine = "fbgemm"
    weight, bias = torch.randn(PIECES, FEATURES) * 0.05, torch.randn(PIECES)
    table = Table("pieces", "1 sentence, ms a step", "8 sentences, ms a step", "to pack, ms")
    for size in (PIECES, 2000, 1000, 500):
        product = Int8Product()
        listed = torch.randperm(PIECES)[:size]
        packing = median_ms(
            lambda product=product, listed=listed: product.pack(weight[listed], bias[listed], 1.0), ROUNDS
        )
        steps = []
        for rows in (BEAM, 8 * BEAM):
            features = torch.rand(rows, FEATURES) * 2 - 1
            step = median_ms(
                lambda product=product, features=features: top_pieces(torch.log_softmax(product(features), -1), BEAM),
                ROUNDS,
            )
            steps.append(f"{step:.2f}")
        table.add_row(f"{size:,}", *steps, f"{packing:.2f}")
    console.print(table)


if __name__ == "__main__":
    with without_deprecation_warnings():
        main()
