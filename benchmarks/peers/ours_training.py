"""Our own training, as `dragoman train` runs it, asked as the peers are.

python ours_training.py SETTINGS.json
"""

import time
from importlib.metadata import version
from pathlib import Path

import torch
from training_protocol import Meter, Settings, read_settings

from model.recipe import Recipe
from model.training import open_training
from model.training_log import Progress

NEVER = 10_000_000


def recipe_of(settings: Settings) -> Recipe:
    """Return the recipe: that of our starter, but for the sizes, and without validations."""
    pairs, (source, target) = Path(settings.pairs), settings.task.split(":")[1:]
    limits = {"max_source_pieces": settings.max_pieces, "max_target_pieces": settings.max_pieces}
    corpus = {"name": "pairs", "train": [pairs.name], "columns": (source, target), "tasks": [settings.task]}
    return Recipe.model_validate(
        {
            "name": "training-speed",
            "corpus": [corpus],
            "filter": {**limits, "max_length_ratio": settings.max_pieces + 1},
            "tokenizer": {"vocabulary_size": settings.vocabulary_size},
            "network": {
                "embedding_size": settings.embedding,
                "hidden_size": settings.hidden,
                "encoder_layers": settings.layers,
                "decoder_layers": settings.layers,
                "dropout": settings.dropout,
            },
            "training": {
                "steps": NEVER,
                "batch_pieces": 2 * settings.batch_pieces,  # of both sides
                "length_multiple": 4,
                "learning_rate": settings.learning_rate,
                "warmup_steps": settings.warmup_steps,
                "label_smoothing": settings.label_smoothing,
                "max_gradient_norm": settings.max_gradient_norm,
                "bf16": settings.variant,
                "validate_every_steps": NEVER,
                "checkpoint_every_minutes": NEVER,
            },
        }
    )


def main() -> None:
    """Train until nobody asks any more.

    Progress comes every few updates, with the pieces a second since the last one: our clock runs 2 ms longer than its
    own, in which a line of the log is written.
    """
    settings = read_settings()
    torch.set_num_threads(settings.threads)
    meter = Meter({"dragoman": version("dragoman"), "torch": torch.__version__})
    trainer = open_training(
        recipe_of(settings),
        data=Path(settings.pairs).parent,
        run=Path(settings.scratch) / "run",
        resume=False,
        device=torch.device("cpu"),
    )
    last_step, last_time = 0, time.perf_counter()

    def report(progress: Progress) -> None:
        nonlocal last_step, last_time
        pieces = progress.pieces_per_second * (time.perf_counter() - last_time)
        meter.taken(pieces, trainer.network, progress.step - last_step)
        last_step, last_time = progress.step, time.perf_counter()

    trainer.train(report)


if __name__ == "__main__":
    main()
