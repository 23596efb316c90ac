"""What several test modules share: a made-up language, a network of random weights, and one that was trained."""

import fcntl
import functools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from model.checkpoint import Checkpoint, save_checkpoint
from model.export import export
from model.network import Seq2Seq
from model.recipe import Recipe
from model.tokenizer import Tokenizer
from model.training import open_training, train_tokenizer
from tests import reversal
from tests.keys import KeyPair, make_pair

CPU = torch.device("cpu")

REVERSAL = reversal.recipe(
    network={"embedding_size": 48, "hidden_size": 96, "dropout": 0.0},
    training={
        "steps": 440,
        "batch_pieces": 1000,
        "learning_rate": 6e-3,
        "warmup_steps": 50,
        "decay_steps": 240,
        "label_smoothing": 0.05,
        "validate_every_steps": 220,
    },
)

torch.set_num_threads(1)  # tiny tensors, on a machine that has other work

# To script a network, PyTorch parses the file of nn.LSTM anew for each layer, which took three quarters of the time.
torch._jit_internal.get_source_lines_and_file = functools.cache(torch._jit_internal.get_source_lines_and_file)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_from_outside() -> Iterator[None]:
    """Take away the variables that whoever runs the tests has set for a service of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("DRAGOMAN_", "OTEL_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def tiny_corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a few hundred pairs of the made-up language."""
    folder = tmp_path_factory.mktemp("tiny")
    reversal.write_corpora(folder, sizes={"train": 200, "dev": 5})
    return folder


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """Return a recipe that trains a useless network on ``tiny_corpora`` in a second, with all that is random on."""
    return reversal.recipe(
        network={"embedding_size": 8, "hidden_size": 8, "dropout": 0.3},
        training={
            "steps": 64,
            "batch_pieces": 300,
            "warmup_steps": 10,
            "decay_steps": 10,
            "validate_every_steps": 32,
            "validation_pairs": 3,
        },
    )


@pytest.fixture(scope="session")
def tiny_tokenizer(tiny_recipe: Recipe, tiny_corpora: Path) -> Tokenizer:
    """Return a tokenizer of 300 pieces, most of them bytes."""
    return train_tokenizer(tiny_recipe, tiny_corpora)


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint whose network has random weights."""
    torch.manual_seed(0)
    network = Seq2Seq(tiny_recipe.network, len(tiny_tokenizer))
    path = tmp_path_factory.mktemp("checkpoint") / "best.pt"
    save_checkpoint(path, Checkpoint(tiny_recipe, tiny_tokenizer, network.state_dict(), {}, {}))
    return path


@pytest.fixture(scope="session")
def pristine_bundle(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle of random weights that ``tiny_bundle`` copies."""
    folder = tmp_path_factory.mktemp("pristine") / "tiny"
    export([tiny_checkpoint], folder, version="1")
    return folder


@pytest.fixture
def tiny_bundle(pristine_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle of random weights that a test may break."""
    return shutil.copytree(pristine_bundle, tmp_path / "bundles" / "tiny")


@pytest.fixture
def key_pair(tmp_path: Path) -> KeyPair:
    return make_pair(tmp_path, "key")


@pytest.fixture
def other_pair(tmp_path: Path) -> KeyPair:
    return make_pair(tmp_path, "other")


@pytest.fixture(scope="session")
def trained_reversal(tmp_path_factory: pytest.TempPathFactory) -> reversal.Trained:
    """Train the made-up language to near-perfection, once for all tests of all workers, and export it."""
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "reversal"
    folder.mkdir(exist_ok=True)
    trained = reversal.Trained(REVERSAL, folder / "run", folder / "run" / "best.pt", folder / "bundle")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until it is closed
        if not trained.bundle.exists():
            train_reversal(trained)
    return trained


def train_reversal(trained: reversal.Trained) -> None:
    """Write what is said to be there."""
    folder = trained.run.parent
    # With fewer dev pairs, it is chance which checkpoint is best.
    reversal.write_corpora(folder, sizes={"train": 4000, "dev": 200})
    training = open_training(trained.recipe, data=folder, run=trained.run, resume=False, device=CPU)
    training.train(lambda _: None)
    export([trained.checkpoint], trained.bundle, version="1.0")
