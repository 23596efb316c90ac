"""How every peer is asked: a line of JSON in, a line of JSON out, with the model loaded once.

So rounds of all peers can be interleaved in one run: who is not asked waits in a read of its standard input. Standard
library only, for each peer's environment holds that peer and little else.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Peer(NamedTuple):
    """A loaded peer."""

    description: dict[str, Any]
    """What is worth saying of it beside the times: versions, number of parameters."""
    translate: Callable[[Sequence[Sequence[Any]], int], int]
    """Decode batches of sources to a forced length; return the target pieces, without the ends of sentence."""


def serve(load: Callable[[], Peer]) -> None:
    """Load, describe, and answer requests until the input ends; times are of decoding alone."""
    with os.fdopen(os.dup(1), "w", buffering=1) as channel:
        os.dup2(2, 1)  # what a peer itself writes must not get among the answers
        peer = load()
        channel.write(json.dumps(peer.description) + "\n")
        for line in sys.stdin:
            channel.write(json.dumps(_measure(peer, json.loads(line))) + "\n")


def _measure(peer: Peer, request: dict[str, Any]) -> dict[str, float]:
    sources, size = request["sources"], request["batch_size"]
    batches = [sources[first : first + size] for first in range(0, len(sources), size)]
    started = time.perf_counter()
    pieces = peer.translate(batches, request["target_length"])
    return {"seconds": time.perf_counter() - started, "sentences": len(sources), "target_pieces": pieces}
