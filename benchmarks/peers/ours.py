"""Dragoman's engine, asked as the peers are.

python ours.py BUNDLE WORKERS THREADS PRUNE_THRESHOLD
"""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from protocol import Peer, serve

from model.bundle import load_bundle
from service.admission import InFlight, Load
from service.engine import Engine
from service.metrics import Metrics
from service.settings import Threads


def load() -> Peer:
    """Load the bundle on the CPU; its own search, but for the length."""
    threads = Threads(workers=int(sys.argv[2]), for_each=int(sys.argv[3]))
    torch.set_num_threads(threads.for_each)
    bundle = load_bundle(Path(sys.argv[1]), torch.device("cpu"))
    decoding = bundle.manifest.decoding

    def translate(batches: Sequence[Sequence[list[int]]], length: int) -> int:
        """Decode with as many sentences in flight as a batch has."""
        in_flight = max(1, len(batches[0]) // threads.workers)
        limits = Load(in_flight, in_flight * decoding.beam_size, sys.maxsize)
        engine = Engine(Metrics(), policy=InFlight(), limits=limits, threads=threads, max_queued_pieces=sys.maxsize)
        forced = {"min_length": length, "max_length": length, "prune_threshold": float(sys.argv[4])}
        config = decoding.model_copy(update=forced)
        # Each a request of its own, as one request may not have all of the engine.
        futures = [engine.submit(bundle, [source], config)[0] for batch in batches for source in batch]
        engine.start()
        pieces = sum(len(future.result()[0].pieces) for future in futures)
        engine.close()
        return pieces

    versions = {"dragoman": version("dragoman"), "torch": torch.__version__}
    about = {"parameters": bundle.manifest.parameters, "beam_size": decoding.beam_size, "dtype": bundle.dtype}
    return Peer({"versions": versions, **about}, translate)


if __name__ == "__main__":
    serve(load)
