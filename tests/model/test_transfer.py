import re
from pathlib import Path

import pytest
import torch

from model.bundle import BundleError
from model.checkpoint import CheckpointError, load_checkpoint
from model.network import Seq2Seq
from model.recipe import Recipe, RecipeError
from model.tokenizer import Tokenizer
from model.training import open_training
from model.transfer import Taken, load_start, suits, take
from tests import reversal
from tests.reversal import Trained
from tests.runs import run_training, with_table

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def other_recipe(tiny_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """Return a recipe of another language, and its text: it shares some words, and a task, with the tiny one."""
    folder = tmp_path_factory.mktemp("other")
    reversal.write_corpora(folder, sizes={"train": 100, "dev": 2})
    path = folder / "train.translate.tsv"
    text = path.read_text(encoding="utf-8")
    for word in reversal.WORDS[:7]:
        text = re.sub(rf"\b{word}\b", word[::-1], text)
    path.write_text(text, encoding="utf-8")
    (corpus, summaries) = tiny_recipe.corpus
    french = corpus.model_validate(
        {**corpus.model_dump(mode="json"), "columns": ("fr", "en"), "tasks": ["translate:fr:en"]}
    )
    return tiny_recipe.model_copy(update={"corpus": [french, summaries]}), folder


def state(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).network_state


def test_an_own_text_is_learnt_from_where_a_bundle_stands(
    trained_reversal: Trained, tiny_corpora: Path, tmp_path: Path
) -> None:
    recipe = with_table(trained_reversal.recipe, "training", steps=1, warmup_steps=1, decay_steps=0, learning_rate=1e-9)
    trainer = run_training(recipe, tiny_corpora, tmp_path, start=trained_reversal.bundle)
    assert trainer.tokenizer.model == load_checkpoint(trained_reversal.checkpoint).tokenizer.model
    taken = trainer.taken
    assert taken is not None
    assert (taken.weights, taken.pieces, taken.missing, taken.keeps_tokenizer) == (taken.all_weights, 300, [], True)
    assert min(trainer.scores.values()) > 90
    # A bundle's weights are rounded to bfloat16.
    torch.testing.assert_close(state(tmp_path / "best.pt"), state(trained_reversal.checkpoint), rtol=1e-2, atol=1e-5)


def test_a_checkpoint_is_started_from_as_it_is(
    tiny_checkpoint: Path, tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    trainer = open_training(
        tiny_recipe, data=tiny_corpora, run=tmp_path, resume=False, device=CPU, start=tiny_checkpoint
    )
    torch.testing.assert_close(dict(trainer.network.state_dict()), state(tiny_checkpoint), rtol=0, atol=0)
    assert trainer.step == 0


def test_a_start_may_know_more_tasks_than_the_recipe_but_not_fewer_and_no_other_size(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, other_recipe: tuple[Recipe, Path]
) -> None:
    assert suits(tiny_tokenizer, tiny_recipe)
    assert suits(tiny_tokenizer, tiny_recipe.model_copy(update={"corpus": tiny_recipe.corpus[:1]}))
    assert not suits(tiny_tokenizer, other_recipe[0])
    assert not suits(tiny_tokenizer, with_table(tiny_recipe, "tokenizer", vocabulary_size=301))
    assert not suits(tiny_tokenizer, with_table(tiny_recipe, "tokenizer", masks=1))


def test_for_another_language_the_pieces_are_known_by_their_text(
    tiny_checkpoint: Path, other_recipe: tuple[Recipe, Path], tmp_path: Path
) -> None:
    recipe, data = other_recipe
    trainer = open_training(recipe, data=data, run=tmp_path, resume=False, device=CPU, start=tiny_checkpoint)
    old, new = load_checkpoint(tiny_checkpoint), trainer.network.state_dict()
    old_pieces = old.tokenizer.pieces(range(300))
    new_pieces = trainer.tokenizer.pieces(range(300))
    shared = set(old_pieces) & set(new_pieces)
    assert "<translate:fr:en>" in new_pieces
    assert "▁Mango" in shared
    assert len(shared) < 300
    for piece in new_pieces:
        row = new["embedding.weight"][new_pieces.index(piece)]
        was_taken = piece in shared and torch.equal(row, old.network_state["embedding.weight"][old_pieces.index(piece)])
        assert was_taken == (piece in shared)
    assert trainer.taken is not None
    assert (trainer.taken.pieces, trainer.taken.all_pieces) == (len(shared), 300)
    assert not trainer.taken.keeps_tokenizer
    torch.testing.assert_close(new["bridge.weight"], old.network_state["bridge.weight"], rtol=0, atol=0)


def test_what_does_not_fit_is_named_and_stays_as_it_was(
    tiny_checkpoint: Path, tiny_recipe: Recipe, tiny_tokenizer: Tokenizer
) -> None:
    deeper = with_table(tiny_recipe, "network", decoder_layers=3).network
    network = Seq2Seq(deeper, 300)
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    taken = take(network, tiny_tokenizer, load_start(tiny_checkpoint))
    assert {name.rpartition(".lstm.")[0] or name for name in taken.missing} == {
        "decoder.layers.2",
        "bridge.weight",
        "bridge.bias",
    }
    assert taken.weights + sum(before[name].numel() for name in taken.missing) == taken.all_weights
    for name in taken.missing:
        assert torch.equal(network.state_dict()[name], before[name])


def test_a_start_of_which_nothing_fits_is_refused(
    tiny_checkpoint: Path, tiny_recipe: Recipe, tiny_tokenizer: Tokenizer
) -> None:
    other = Seq2Seq(with_table(tiny_recipe, "network", embedding_size=6, hidden_size=6).network, 300)
    with pytest.raises(CheckpointError, match=r"best\.pt: nothing of its network fits the recipe's"):
        take(other, tiny_tokenizer, load_start(tiny_checkpoint))


def test_what_was_taken_is_said_in_a_line() -> None:
    assert str(Taken(1000, 2000, 10, 20, ["bridge.bias"], keeps_tokenizer=False)) == (
        "1,000 of 2,000 weights and 10 of 20 pieces, with a tokenizer learnt from this text; not taken: bridge.bias"
    )
    assert str(Taken(1, 1, 20, 20, [], keeps_tokenizer=True)) == (
        "1 of 1 weights and 20 of 20 pieces, with its tokenizer"
    )


def test_what_cannot_be_started_from_is_refused_before_anything_is_made(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    run = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    for start, error in ((tmp_path / "none.pt", CheckpointError), (tmp_path / "empty", BundleError)):
        with pytest.raises(error, match=r"No such file|missing"):
            run_training(tiny_recipe, tiny_corpora, run, start=start)
    assert not run.exists()
    run.mkdir()
    (run / "last.pt").write_bytes(tiny_checkpoint.read_bytes())
    with pytest.raises(CheckpointError, match="goes on from one or starts from the other"):
        run_training(tiny_recipe, tiny_corpora, run, start=tiny_checkpoint, resume=True)


def test_a_network_is_pruned_from_a_start_alone(
    tiny_recipe: Recipe, tiny_corpora: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    recipe = with_table(tiny_recipe, "training", steps=20, sparsity=0.6)
    with pytest.raises(RecipeError, match=r"training\.sparsity prunes a trained network: name one to start from"):
        run_training(recipe, tiny_corpora, tmp_path)
    run_training(recipe, tiny_corpora, tmp_path, start=tiny_checkpoint)
    run_training(with_table(recipe, "training", steps=25), tiny_corpora, tmp_path, resume=True)
    for weight in state(tmp_path / "best.pt").values():
        if weight.dim() > 1:
            assert (weight == 0).float().mean() == pytest.approx(0.6, abs=0.01)
