"""JoeyNMT's training of an LSTM, by its own command, asked as the others are.

    python joeynmt_training.py SETTINGS.json

It has no buckets: a batch is of sentences of any length, padded to the longest.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joeynmt.__main__
import joeynmt.training
import torch
from training_protocol import Meter, Settings, read_settings

NEVER = 10_000_000


def options_of(settings: Settings) -> dict[str, Any]:
    """Return what its configuration file says; "luong" is its name for general attention."""
    pieces = Path(settings.pieces)
    sides = {
        side: {"lang": lang, "level": "word", "voc_file": str(pieces / "pieces.txt")}
        for side, lang in (("src", "source"), ("trg", "target"))
    }
    common = {
        "type": "recurrent",
        "rnn_type": "lstm",
        "embeddings": {"embedding_dim": settings.embedding, "scale": False},
        "num_layers": settings.layers,
        "dropout": settings.dropout,
    }
    return {
        "name": "training-speed",
        "model_dir": str(Path(settings.scratch) / "model"),
        "use_cuda": False,
        "random_seed": 1,
        "data": {"train": str(pieces / "train"), "dev": str(pieces / "dev"), "dataset_type": "plain", **sides},
        "testing": {"eval_metrics": []},
        "training": {
            "optimizer": "adam",
            "scheduling": "warmupinversesquareroot",
            "learning_rate": settings.learning_rate,
            "learning_rate_warmup": settings.warmup_steps,
            "learning_rate_min": 0.0,
            "clip_grad_norm": settings.max_gradient_norm,
            "label_smoothing": settings.label_smoothing,
            "batch_type": "token",
            "normalization": "tokens",
            "batch_size": settings.batch_pieces,
            "epochs": NEVER,
            "validation_freq": NEVER,
        },
        "model": {
            "tied_embeddings": True,
            "encoder": {**common, "hidden_size": settings.hidden // 2, "bidirectional": True},
            "decoder": {
                **common,
                "hidden_size": settings.hidden,
                "hidden_dropout": settings.dropout,
                "attention": "luong",
                "init_hidden": "bridge",
                "input_feeding": settings.variant,
            },
        },
    }


def count_updates(meter: Meter) -> None:
    """Have its trainer tell the meter of every update, when the next one begins: only then has it been taken."""
    forward_and_backward = joeynmt.training.TrainManager._train_step
    pieces = 0

    def counted(trainer: Any, batch: Any) -> Any:
        nonlocal pieces
        meter.taken(pieces, trainer.model)
        pieces = batch.ntokens
        return forward_and_backward(trainer, batch)

    joeynmt.training.TrainManager._train_step = counted


def main() -> None:
    """Train until nobody asks any more."""
    settings = read_settings()
    torch.set_num_threads(settings.threads)
    count_updates(Meter({"JoeyNMT": version("joeynmt"), "torch": torch.__version__}))
    path = Path(settings.scratch) / "options.yaml"
    path.write_text(json.dumps(options_of(settings)), encoding="utf-8")
    sys.argv = ["joeynmt", "train", str(path), "--skip-test"]
    joeynmt.__main__.main()


if __name__ == "__main__":
    main()
