"""OpenNMT-py's training of an LSTM, by its own command, asked as the others are.

    python opennmt_training.py SETTINGS.json

Batches are of sentences of like length, out of a bucket of 262,144, as by its default. They are made in the process
that trains: the two processes that it would start by default fill their queues while others are measured.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import opennmt_shim  # noqa: F401

# isort: split
import onmt.bin.train
import onmt.trainer
import torch
from training_protocol import Meter, Settings, read_settings

NEVER = 10_000_000


def options_of(settings: Settings) -> dict[str, Any]:
    """Return what its configuration file says."""
    pieces = Path(settings.pieces)
    return {
        "data": {"pairs": {"path_src": str(pieces / "train.source"), "path_tgt": str(pieces / "train.target")}},
        "src_vocab": str(pieces / "pieces.txt"),
        "share_vocab": True,
        "share_embeddings": True,
        "encoder_type": "brnn",
        "decoder_type": "rnn",
        "rnn_type": "LSTM",
        "global_attention": "general",
        "input_feed": int(settings.variant),
        "word_vec_size": settings.embedding,
        "hidden_size": settings.hidden,
        "layers": settings.layers,
        "dropout": [settings.dropout],
        "label_smoothing": settings.label_smoothing,
        "optim": "adam",
        "learning_rate": settings.learning_rate,
        "max_grad_norm": settings.max_gradient_norm,
        "batch_type": "tokens",
        "normalization": "tokens",
        "batch_size": settings.batch_pieces,
        "num_workers": 0,
        "train_steps": NEVER,
        "valid_steps": NEVER,
        "save_checkpoint_steps": NEVER,
        "save_model": str(Path(settings.scratch) / "model"),
        "seed": 1,
    }


def count_updates(meter: Meter) -> None:
    """Have its trainer tell the meter of every update."""
    update = onmt.trainer.Trainer._gradient_accumulation  # forward, backward and the optimizer's step

    def counted(trainer: Any, batches: list[dict[str, torch.Tensor]], *rest: Any) -> None:
        update(trainer, batches, *rest)
        padding = trainer.train_loss.padding_idx
        meter.taken(sum(int((batch["tgt"][:, 1:, 0] != padding).sum()) for batch in batches), trainer.model)

    onmt.trainer.Trainer._gradient_accumulation = counted


def main() -> None:
    """Train until nobody asks any more."""
    settings = read_settings()
    torch.set_num_threads(settings.threads)
    count_updates(Meter({"OpenNMT-py": version("OpenNMT-py"), "torch": torch.__version__}))
    path = Path(settings.scratch) / "options.yaml"
    path.write_text(json.dumps(options_of(settings)), encoding="utf-8")
    sys.argv = ["onmt_train", "--config", str(path)]
    onmt.bin.train.main()


if __name__ == "__main__":
    main()
