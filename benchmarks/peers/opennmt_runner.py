"""OpenNMT-py's LSTM through its Python translator, asked as the others are.

python opennmt_runner.py CHECKPOINT THREADS
"""

import io
import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import opennmt_shim  # noqa: F401

# isort: split
import onmt.opts
import torch
from onmt.inputters.text_utils import textbatch_to_tensor
from onmt.translate.translator import build_translator
from onmt.utils.parse import ArgumentParser
from protocol import Peer, serve

BEAM_SIZE = 5
CPU = torch.device("cpu")


def load() -> Peer:
    """Load the checkpoint; each batch is one call, put into tensors by the function that its REST server uses."""
    path = Path(sys.argv[1])
    torch.set_num_threads(int(sys.argv[2]))
    parser = ArgumentParser()
    onmt.opts.translate_opts(parser)
    # Its own limit on the length by that of the source is switched off: the length is forced.
    words = ["--model", str(path), "--src", os.devnull, "--beam_size", str(BEAM_SIZE), "--max_length_ratio", "0"]
    translator = build_translator(parser.parse_args(words), -1, report_score=False, out_file=io.StringIO())

    def translate(batches: Sequence[Sequence[list[str]]], length: int) -> int:
        translator.min_length = translator.max_length = length
        total = 0
        for batch in batches:
            examples = [{"src": {"src": " ".join(pieces)}, "tgt": None} for pieces in batch]
            _, predictions = translator._translate(textbatch_to_tensor(translator.vocabs, examples, CPU))
            total += sum(len(best.split(" ")) for best, *_ in predictions)
        return total

    versions = {"OpenNMT-py": version("OpenNMT-py"), "torch": torch.__version__}
    parameters = json.loads((path.parent / "parameters.json").read_text())
    return Peer({"versions": versions, "parameters": parameters, "beam_size": BEAM_SIZE}, translate)


if __name__ == "__main__":
    serve(load)
