"""Whether the same text gets the same answer whatever shares its batch: alone, in a list of 64, in flight.

    .venv/bin/python benchmarks/identical.py BUNDLE TEXTS.de-en.tsv [TASK [DTYPE]]

For one type of number, or every one that this device computes in. Bits are pieces, scores and log-probabilities
altogether; a text whose pieces differ is a tie, and is shown with how far apart the scores of its two answers are.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import cast

import torch
from rich.console import Console
from rich.table import Table

from model.bundle import Bundle, load_bundle
from model.config import DecodingConfig, DType, Task
from model.data import read_rows
from model.hypothesis import Hypothesis
from model.precision import available
from model.search import Sentence

SENTENCES = 2000
LIST = 64
IN_FLIGHT = 24
CPU = torch.device("cpu")

console = Console(width=120)


def in_lists(bundle: Bundle, sources: Sequence[list[int]]) -> list[Hypothesis]:
    """Decode in batches of LIST, as one request of so many sentences."""
    config = bundle.manifest.decoding
    parts = [sources[first : first + LIST] for first in range(0, len(sources), LIST)]
    return [best for part in parts for best, *_ in bundle.search.search(part, config)]


def in_flight(bundle: Bundle, sources: Sequence[list[int]]) -> list[Hypothesis]:
    """Decode in a random order, a few joining between steps beside others that are searched otherwise."""
    random, usual = Random(1), bundle.manifest.decoding
    others = [DecodingConfig(beam_size=size, n_best=min(size, 3), length_penalty=0.5) for size in (1, 3, 8)]
    waiting = random.sample(range(len(sources)), len(sources))
    batch, found, of_ticket = bundle.search.batch(), {}, {}
    while waiting or batch:
        joining = [waiting.pop() for _ in range(random.randint(0, 3)) if waiting and len(batch) < IN_FLIGHT]
        company = [random.choice(sources) for _ in joining if random.random() < 0.3]
        sentences = [Sentence(sources[i], usual) for i in joining] + [
            Sentence(source, random.choice(others), attention=True) for source in company
        ]
        if sentences:
            of_ticket |= dict(zip(batch.admit(sentences), joining, strict=False))
        for ticket, hypotheses in batch.step() if batch else []:
            if ticket in of_ticket:
                found[of_ticket[ticket]] = hypotheses[0]
    return [found[i] for i in range(len(sources))]


def main() -> None:
    """Print how many answers are the same, and every one that is not."""
    torch.set_num_threads(1)
    file, task = Path(sys.argv[2]), Task.parse(sys.argv[3] if len(sys.argv) > 3 else "translate:de:en")
    texts = [row[0] for row in read_rows(file.name, file.parent)][:SENTENCES]
    table = Table("served in", "sentences", "company", "same pieces", "same bits")
    ties = []
    for dtype in sys.argv[4:5] or available(CPU):
        bundle = load_bundle(Path(sys.argv[1]), CPU, cast(DType, dtype))
        sources = [bundle.tokenizer.encode_source(text, task) for text in texts]
        alone = [bundle.search.search([source], bundle.manifest.decoding)[0][0] for source in sources]
        for company, found in (("a list of 64", in_lists(bundle, sources)), ("in flight", in_flight(bundle, sources))):
            pairs = list(zip(alone, found, strict=True))
            same = sum(one.pieces == other.pieces for one, other in pairs)
            bits = sum(one[:4] == other[:4] for one, other in pairs)
            table.add_row(dtype, str(len(texts)), company, str(same), str(bits))
            ties += [
                f"{dtype}, {company}, scores {abs(one.score - other.score):.1e} apart: "
                f"{bundle.tokenizer.decode(one.pieces)!r} and {bundle.tokenizer.decode(other.pieces)!r}"
                for one, other in pairs
                if one.pieces != other.pieces
            ]
    console.print(table)
    for tie in ties:
        console.print(tie)


if __name__ == "__main__":
    main()
