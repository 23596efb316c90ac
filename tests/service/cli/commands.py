"""What tests of the command line share: how a command ended, and a recipe."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

RECIPE = """
name = "tiny"

[[corpus]]
name = "translate"
train = ["train.translate.tsv"]
dev = "dev.translate.tsv"
columns = ["de", "en"]
tasks = ["translate:de:en"]

[[corpus]]
name = "summarize"
train = ["train.summarize.tsv"]
dev = "dev.summarize.tsv"
columns = ["en", "en"]
tasks = ["summarize:en"]

[tokenizer]
vocabulary_size = 300

[network]
embedding_size = 8
hidden_size = 8
encoder_layers = 1

[training]
steps = {steps}
batch_pieces = 300
warmup_steps = 1
decay_steps = 1
bf16 = false
validation_pairs = 2
"""


class Ended(NamedTuple):
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str


Dragoman = Callable[..., Ended]


def assert_one_sentence(ended: Ended, message: str) -> None:
    assert ended.status == 1
    assert ended.out == ""
    *before, sentence = ended.err.splitlines()
    assert sentence.startswith("dragoman: ")
    assert message in sentence
    assert [line for line in before if not line.startswith("reading ")] == []


def translate(dragoman: Dragoman, models: Path, stdin: bytes, source: str = "de", target: str = "en") -> Ended:
    return dragoman("translate", "--from", source, "--to", target, "--models", models, stdin=stdin)
