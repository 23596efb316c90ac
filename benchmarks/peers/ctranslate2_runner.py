"""CTranslate2 in int8, asked as the others are.

    python ctranslate2_runner.py FOLDER WORKERS THREADS

WORKERS batches at a time (its inter_threads), each on THREADS (its intra_threads).
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import ctranslate2
from protocol import Peer, serve

BEAM_SIZE = 5


def load() -> Peer:
    """Load the model; all batches are handed over at once, and as many as there are workers run side by side."""
    folder, workers, threads = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    translator = ctranslate2.Translator(str(folder), compute_type="int8", inter_threads=workers, intra_threads=threads)

    def translate(batches: Sequence[Sequence[list[str]]], length: int) -> int:
        lengths = {"min_decoding_length": length, "max_decoding_length": length}
        running = [
            translator.translate_batch(batch, asynchronous=True, beam_size=BEAM_SIZE, **lengths) for batch in batches
        ]
        return sum(len(result.result().hypotheses[0]) for results in running for result in results)

    parameters = json.loads((folder / "parameters.json").read_text())
    versions = {"ctranslate2": ctranslate2.__version__}
    return Peer({"versions": versions, "parameters": parameters, "beam_size": BEAM_SIZE}, translate)


if __name__ == "__main__":
    serve(load)
