from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.bundle import load_bundle
from model.checkpoint import load_checkpoint
from model.config import Recipe, Task
from model.data import DataError
from model.parallel import has_bf16
from model.search import search_all
from model.tokenizer import Tokenizer
from model.training import load_training_set, train_tokenizer
from tests import reversal
from tests.reversal import Trained
from tests.runs import Killed, kill_at, read_log, run_training, with_table

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("task", "expected"),
    [(reversal.TRANSLATE, reversal.translation), (reversal.SUMMARIZE, reversal.summary)],
    ids=["translate", "summarize"],
)
def test_a_made_up_language_is_learnt_exported_and_decoded_near_perfectly(
    trained_reversal: Trained, task: Task, expected: Callable[[str], str]
) -> None:
    bundle = load_bundle(trained_reversal.bundle, CPU)
    sentences = reversal.random_sentences(200, seed=1234)
    sources = [bundle.tokenizer.encode_source(sentence, task) for sentence in sentences]
    right = sum(
        bundle.tokenizer.decode(hypotheses[0].pieces) == expected(sentences[index])
        for index, hypotheses in search_all(bundle.search, sources, bundle.manifest.decoding)
    )
    assert right >= 190


def test_a_finished_run_keeps_its_scores_its_log_and_its_curves(trained_reversal: Trained) -> None:
    best = load_checkpoint(trained_reversal.checkpoint)
    assert best.training_state == {}
    assert min(best.scores.values()) > 90
    assert set(best.scores) == {"translate:de:en", "summarize:en"}
    rows = read_log(trained_reversal.run)
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(20, 601, 20))
    assert [(row["step"], row["task"]) for row in rows if row["score"]] == [
        (step, task) for step in ("300", "600") for task in best.scores
    ]
    assert float(rows[0]["loss"]) > 10 * float(rows[-3]["loss"])
    assert (trained_reversal.run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_is_kept_when_a_later_one_is_worse_even_after_a_kill(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([10.0, 30.0, 20.0])
    monkeypatch.setattr("model.training.validate", lambda *_: {"summarize:en": next(scores)})
    recipe = with_table(tiny_recipe, "training", steps=24, validate_every_steps=8)
    with pytest.raises(Killed):
        run_training(recipe, tiny_corpora, tmp_path, report=kill_at(20))
    run_training(recipe, tiny_corpora, tmp_path, resume=True)
    assert load_checkpoint(tmp_path / "best.pt").scores == {"summarize:en": 30.0}
    assert load_checkpoint(tmp_path / "last.pt").scores == {"summarize:en": 20.0}


def test_a_processor_without_bf16_trains_in_float32_whatever_the_recipe_says(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    seen: list[float] = []
    for bf16 in (False, True):
        recipe = with_table(tiny_recipe, "training", steps=20, warmup_steps=5, decay_steps=5, bf16=bf16)
        run_training(recipe, tiny_corpora, tmp_path / str(bf16), report=lambda progress: seen.append(progress.loss))
    assert len(seen) == 2
    assert seen[0] == seen[1]


@pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no instructions for bfloat16")
def test_bf16_learns_what_float32_learns(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path) -> None:
    seen: list[float] = []
    for bf16 in (False, True):
        recipe = with_table(tiny_recipe, "training", steps=40, bf16=bf16)
        run_training(recipe, tiny_corpora, tmp_path / str(bf16), report=lambda progress: seen.append(progress.loss))
    assert seen[:3] == pytest.approx(seen[3:], rel=0.01)
    assert seen[:3] != seen[3:]
    weights = load_checkpoint(tmp_path / "True" / "last.pt").network_state.values()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_data_without_a_fit_pair_is_refused_with_the_reasons(
    tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, tmp_path: Path
) -> None:
    for kind in ("translate", "summarize"):
        (tmp_path / f"train.{kind}.tsv").write_text("\tApfel\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no pair is fit for training; dropped: \{'empty': 2\}"):
        load_training_set(tiny_recipe, tiny_tokenizer, tmp_path)


def test_data_that_is_missing_is_refused_before_anything_is_trained(tiny_recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train\.translate\.tsv: No such file"):
        run_training(tiny_recipe, tmp_path, tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_without_dev_text_a_training_has_no_scores_and_keeps_its_last_network(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    corpora = [corpus.model_copy(update={"dev": None}) for corpus in tiny_recipe.corpus]
    recipe = with_table(tiny_recipe.model_copy(update={"corpus": corpora}), "training", steps=40)
    run_training(recipe, tiny_corpora, tmp_path)
    best, last = (load_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert best.scores == {}
    torch.testing.assert_close(best.network_state, last.network_state, rtol=0, atol=0)


def test_the_tokenizer_follows_from_the_text(
    tiny_recipe: Recipe, tiny_corpora: Path, tiny_tokenizer: Tokenizer
) -> None:
    assert train_tokenizer(tiny_recipe, tiny_corpora).model == tiny_tokenizer.model
