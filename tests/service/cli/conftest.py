"""The command line, run in the tests' process."""

import sys
from pathlib import Path

import pytest

from model.checkpoint import Checkpoint, save_checkpoint
from model.export import export
from model.network import Seq2Seq
from model.recipe import Recipe
from model.training import train_tokenizer
from service import cli, cli_training
from tests.runs import with_table
from tests.service.cli.commands import RECIPE, Dragoman, Ended


@pytest.fixture
def dragoman(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> Dragoman:
    """Return what runs a command in this process, with bytes for a file that is its standard input.

    Networks are served in one type, as each command would try for itself which is fastest.
    """
    monkeypatch.setenv("DRAGOMAN_DTYPE", "float32")
    monkeypatch.setattr(cli_training, "keep_freed_memory", lambda: None)  # which nothing takes back

    def run(*arguments: object, stdin: bytes = b"") -> Ended:
        file = tmp_path_factory.mktemp("stdin") / "stdin"
        file.write_bytes(stdin)
        with file.open() as opened, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", opened)
            with pytest.raises(SystemExit) as ended:
                cli.app(list(map(str, arguments)))
        return Ended(ended.value.code or 0, *capfd.readouterr())

    return run


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.format(steps=3))
    return path


@pytest.fixture
def masking_bundle(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path) -> Path:
    """Return a bundle of random weights whose tokenizer has masks."""
    recipe = with_table(tiny_recipe, "tokenizer", masks=2)
    tokenizer = train_tokenizer(recipe, tiny_corpora)
    state = Seq2Seq(recipe.network, len(tokenizer)).state_dict()
    save_checkpoint(tmp_path / "masking.pt", Checkpoint(recipe, tokenizer, state, {}, {}))
    export([tmp_path / "masking.pt"], tmp_path / "masking", version="1")
    return tmp_path / "masking"
