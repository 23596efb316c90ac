"""OpenNMT-py's REST server, on loopback, with an untrained checkpoint whose lengths are forced.

    python opennmt_server.py PORT TARGET_LENGTH CHECKPOINT TOKENIZER THREADS

POST /translator/translate [{"id": 1, "src": "…"}, …]: the texts of a request are one batch. Requests wait for each
other: it decodes one at a time.
"""

import json
import sys
import tempfile
from pathlib import Path

import opennmt_shim  # noqa: F401

# isort: split
import torch
from onmt.bin.server import start

BEAM_SIZE = 5
MODEL_ID = 1


def configuration(checkpoint: Path, tokenizer: Path, length: int) -> dict[str, object]:
    """Return what its server reads: its own limit on the length by that of the source is switched off."""
    lengths = {"min_length": length, "max_length": length, "max_length_ratio": 0}
    model = {
        "id": MODEL_ID,
        "model": str(checkpoint),
        "load": True,
        "timeout": -1,
        "tokenizer": {"type": "sentencepiece", "model": str(tokenizer)},
        "opt": {"beam_size": BEAM_SIZE, **lengths},
    }
    return {"models_root": "/", "models": [model]}


def main() -> None:
    """Serve until terminated."""
    port, length, checkpoint, tokenizer, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(configuration(Path(checkpoint).resolve(), Path(tokenizer).resolve(), int(length)), file)
        file.flush()
        start(file.name, url_root="/translator", host="127.0.0.1", port=int(port))


if __name__ == "__main__":
    main()
