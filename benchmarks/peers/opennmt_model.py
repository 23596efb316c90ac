"""Write an untrained checkpoint of OpenNMT-py's LSTM, built and initialized by its own code.

    python opennmt_model.py PIECES.json CHECKPOINT --embedding 384 --hidden 480 --layers 2

Both directions of an encoder layer together have the hidden size, as ours. The output layer cannot share the
embeddings' matrix unless both have one size, so there are more parameters than in ours; and by its default, which we
keep, the decoder is fed its own last output, layer by layer.
"""

import argparse
import json
from pathlib import Path

import opennmt_shim  # noqa: F401

# isort: split
import onmt.opts
import pyonmttok
import torch
from onmt.inputters.inputter import vocabs_to_dict
from onmt.model_builder import build_model
from onmt.utils.parse import ArgumentParser

# Its own names for what our tokenizer calls likewise, but for the padding.
PADDING = {"<pad>": "<blank>"}


def vocabularies(pieces: list[str]) -> dict[str, object]:
    """Return its vocabularies of our pieces, one for both sides, in our order."""
    vocabulary = pyonmttok.build_vocab_from_tokens([PADDING.get(piece, piece) for piece in pieces])
    return {"src": vocabulary, "tgt": vocabulary, "data_task": "seq2seq", "decoder_start_token": "<s>"}


def training_options(*, embedding: int, hidden: int, layers: int) -> argparse.Namespace:
    """Return its options of a network and of a training, which the network's builder looks into as well."""
    parser = ArgumentParser()
    onmt.opts.train_opts(parser)
    sizes = {"word_vec_size": embedding, "hidden_size": hidden, "layers": layers}
    kinds = {"encoder_type": "brnn", "decoder_type": "rnn", "rnn_type": "LSTM", "global_attention": "general"}
    words = [f"--{name}={value}" for name, value in {**sizes, **kinds}.items()]
    options, _ = parser.parse_known_args(["--data={}", "--src_vocab=none", "--share_embeddings", *words])
    ArgumentParser.update_model_opts(options)
    ArgumentParser.validate_model_opts(options)
    return options


def main() -> None:
    """Write the checkpoint and, beside it, how many parameters it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pieces", type=Path)
    parser.add_argument("checkpoint", type=Path)
    for size in ("embedding", "hidden", "layers"):
        parser.add_argument(f"--{size}", type=int, required=True)
    sizes = vars(parser.parse_args())
    pieces, path = json.loads(sizes.pop("pieces").read_text(encoding="utf-8")), sizes.pop("checkpoint")
    torch.manual_seed(1)
    vocabs, options = vocabularies(pieces), training_options(**sizes)
    network = build_model(options, options, vocabs, None, -1)
    parameters = {name: value for name, value in network.state_dict().items() if "generator" not in name}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(
        {
            "model": parameters,
            "generator": network.generator.state_dict(),
            "vocab": vocabs_to_dict(vocabs),
            "opt": options,
            "optim": None,
        },
        path,
    )
    counts = sum(parameter.numel() for parameter in network.parameters())
    (path.parent / "parameters.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main()
