from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.checkpoint import Checkpoint, CheckpointError, load_checkpoint, restore_network, save_checkpoint
from model.config import GONE
from model.network import Seq2Seq


@pytest.fixture
def checkpoint(tiny_checkpoint: Path) -> Checkpoint:
    loaded = load_checkpoint(tiny_checkpoint)
    state = {"step": 7, "random_state": torch.get_rng_state(), "nested": {0: [torch.ones(2)]}}
    return loaded._replace(scores={"translate:de:en": 12.5}, training_state=state)


def test_a_checkpoint_comes_back_as_it_was_saved(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last.pt", checkpoint)
    again = load_checkpoint(tmp_path / "last.pt")
    assert again.recipe == checkpoint.recipe
    assert again.tokenizer.model == checkpoint.tokenizer.model
    assert again.scores == checkpoint.scores
    torch.testing.assert_close(again.network_state, checkpoint.network_state, rtol=0, atol=0)
    torch.testing.assert_close(again.training_state, checkpoint.training_state, rtol=0, atol=0)


def test_a_restored_network_computes_what_the_saved_one_did(checkpoint: Checkpoint, tmp_path: Path) -> None:
    network = Seq2Seq(checkpoint.recipe.network, len(checkpoint.tokenizer)).eval()
    path = tmp_path / "last.pt"
    save_checkpoint(path, checkpoint._replace(network_state=network.state_dict()))
    restored = restore_network(load_checkpoint(path))
    arguments = (torch.tensor([[4, 9, 3]]), torch.tensor([3]), torch.tensor([[2, 9]]))
    assert not restored.training
    assert torch.equal(restored(*arguments)[0], network(*arguments)[0])


def test_a_write_that_breaks_off_leaves_the_old_checkpoint(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "last.pt"
    save_checkpoint(path, checkpoint)

    def write_half(_content: object, file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", write_half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, checkpoint._replace(scores={}))
    assert list(tmp_path.iterdir()) == [path]
    assert load_checkpoint(path).scores == checkpoint.scores


def assert_refused(path: Path, message: str) -> None:
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"not a checkpoint",
        lambda content: content[:100],
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[len(content) // 2 :],
        lambda content: b"\0" * len(content),
    ],
    ids=["empty", "text", "first bytes", "first half", "all but a byte", "second half", "zeros"],
)
def test_a_damaged_file_is_refused_in_one_sentence(
    tiny_checkpoint: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "damaged.pt"
    path.write_bytes(damage(tiny_checkpoint.read_bytes()))
    assert_refused(path, "not a checkpoint, or damaged")


def test_what_is_not_there_or_a_folder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere.pt", "No such file")
    assert_refused(tmp_path, "is a folder, and a checkpoint is a file: name one, as RUN/best.pt")


def change(content: dict[str, Any], key: str, value: object) -> dict[str, Any]:
    return {**content, key: value}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: [1, 2, 3], "not a checkpoint"),
        (lambda _: {"weights": torch.ones(1)}, "not a checkpoint"),
        (lambda content: change(content, "tokenizer", b"nonsense"), "its tokenizer: "),
        (lambda content: change(content, "recipe", {**content["recipe"], "dialect": 1}), "its recipe: dialect"),
        (lambda content: change(content, "recipe", {}), "its recipe: name: Field required; corpus"),
    ],
    ids=["a list", "other keys", "broken tokenizer", "unknown key in the recipe", "empty recipe"],
)
def test_a_file_that_torch_reads_but_is_no_checkpoint_is_refused_in_one_sentence(
    tiny_checkpoint: Path, tmp_path: Path, make: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = tmp_path / "other.pt"
    torch.save(make(torch.load(tiny_checkpoint, weights_only=True)), path)
    assert_refused(path, message)


def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (tmp_path / "touched",)

    path = tmp_path / "evil.pt"
    torch.save({"recipe": Touch()}, path)
    assert_refused(path, "not a checkpoint")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(("table", "key"), [(table, key) for table, keys in GONE.items() for key in keys])
def test_a_checkpoint_of_a_recipe_with_a_key_that_is_gone_is_read(
    tiny_checkpoint: Path, tmp_path: Path, table: str, key: str
) -> None:
    content = torch.load(tiny_checkpoint, weights_only=True)
    content["recipe"][table][key] = 3
    torch.save(content, tmp_path / "old.pt")
    assert load_checkpoint(tmp_path / "old.pt").recipe == load_checkpoint(tiny_checkpoint).recipe


def test_weights_that_do_not_fit_the_recipe_are_refused(checkpoint: Checkpoint) -> None:
    weights = {**checkpoint.network_state, "output_bias": torch.zeros(3)}
    with pytest.raises(CheckpointError, match=r"weights do not fit the recipe: .*output_bias") as caught:
        restore_network(checkpoint._replace(network_state=weights))
    assert "\n" not in str(caught.value)
