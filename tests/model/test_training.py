from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.batches import Share
from model.bundle import load_bundle
from model.checkpoint import load_checkpoint
from model.config import Task
from model.data import DataError
from model.optimization import Optimization, Update
from model.parallel import has_bf16
from model.recipe import Recipe, RecipeError
from model.search import search_all
from model.tokenizer import Tokenizer
from model.training import train_tokenizer
from model.training_log import Progress, TrainingLog
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
    rows, schedule = read_log(trained_reversal.run), trained_reversal.recipe.training
    assert [int(row["step"]) for row in rows if row["loss"]] == list(range(20, schedule.steps + 1, 20))
    assert [(int(row["step"]), row["task"]) for row in rows if row["score"]] == [
        (step, task) for step in (schedule.validate_every_steps, schedule.steps) for task in best.scores
    ]
    assert float(rows[0]["loss"]) > 10 * float(rows[-3]["loss"])
    assert (trained_reversal.run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_best_is_kept_when_a_later_one_is_worse_even_after_a_kill(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_in_turn(monkeypatch, [10.0, 30.0, 20.0])
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


# What ends a training before its last step, or is left out of it


def scores_in_turn(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Give these scores to the validations that come, and draw no curves, which takes longer than tiny steps."""
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)
    turn = iter(scores)
    monkeypatch.setattr("model.training.validate", lambda *_: {"summarize:en": next(turn)})


def test_a_training_ends_once_its_patience_has_but_not_without_scores(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_in_turn(monkeypatch, [10.0, 30.0, 20.0, 30.0, 40.0, 35.0])
    recipe = with_table(tiny_recipe, "training", steps=42, decay_steps=0, validate_every_steps=8, patience=2)
    trainer = run_training(recipe, tiny_corpora, tmp_path)
    assert (trainer.step, trainer.best, trainer.is_finished) == (32, 30.0, True)
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == 32
    patient = with_table(recipe, "training", patience=3)
    assert run_training(patient, tiny_corpora, tmp_path, resume=True).best == 40.0

    monkeypatch.setattr("model.training.validate", lambda *_: {})
    assert run_training(recipe, tiny_corpora, tmp_path / "without").step == 42


def test_the_networks_of_the_last_validations_are_kept(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores_in_turn(monkeypatch, [1.0, 2.0, 3.0, 4.0])
    recipe = with_table(tiny_recipe, "training", steps=32, validate_every_steps=8, keep_checkpoints=2)
    run_training(recipe, tiny_corpora, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-24.pt", "step-32.pt"]
    kept, last = (load_checkpoint(tmp_path / name) for name in ("step-32.pt", "last.pt"))
    assert (kept.scores, kept.training_state) == ({"summarize:en": 4.0}, {})
    torch.testing.assert_close(kept.network_state, last.network_state, rtol=0, atol=0)


def fail_at(monkeypatch: pytest.MonkeyPatch, steps: set[int]) -> None:
    """Let the gradient of these steps, counted from 0, not be finite."""
    update = Optimization.update

    def failing(self: Optimization, share: Share, step: int) -> Update:
        if step not in steps:
            return update(self, share, step)
        handle = self.network.output_bias.register_hook(lambda gradient: gradient * float("nan"))
        done = update(self, share, step)
        handle.remove()
        return done

    monkeypatch.setattr(Optimization, "update", failing)


def test_steps_that_are_not_finite_are_counted_and_training_goes_on(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, {3, 4, 25, *range(40, 60)})
    seen: list[Progress] = []
    recipe = with_table(tiny_recipe, "training", steps=64, max_bad_steps=21)
    trainer = run_training(recipe, tiny_corpora, tmp_path, report=seen.append)
    assert [(progress.step, progress.skipped) for progress in seen] == [(20, 2), (32, 1), (40, 0), (60, 20), (64, 0)]
    assert [row["skipped"] for row in read_log(tmp_path) if row["loss"]] == ["2", "1", "0", "20", "0"]
    assert seen[3].loss != seen[3].loss
    assert seen[4].loss < 6.0
    assert all(weight.isfinite().all() for weight in trainer.network.state_dict().values())


def test_a_run_of_steps_that_are_not_finite_ends_with_the_batch_named(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_at(monkeypatch, set(range(2, 100)))
    recipe = with_table(tiny_recipe, "training", max_bad_steps=5)
    message = (
        r"epoch 0, batch 6 \(\d+ sentences of up to \d+ source and \d+ target pieces\): "
        r"loss or gradient is not finite, for the 5th step in a row: training\.learning_rate 0\.001 may be too high"
    )
    with pytest.raises(RecipeError, match=message):
        run_training(recipe, tiny_corpora, tmp_path)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
    ids=["GPU", "CPU"],
)
def test_a_batch_that_does_not_fit_into_memory_is_named_with_the_keys_to_change(
    error: RuntimeError, tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Optimization, "update", fail)
    message = (
        r"epoch 0, batch 0 \(\d+ sentences of .*\): out of memory: lower training\.batch_pieces, now 300, "
        r"or raise training\.accumulate, now 1"
    )
    with pytest.raises(RecipeError, match=message):
        run_training(tiny_recipe, tiny_corpora, tmp_path)


def test_another_error_of_a_step_stays_what_it_is(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Optimization, "update", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_training(tiny_recipe, tiny_corpora, tmp_path)


def test_files_without_any_text_are_refused_with_the_name_of_their_corpus(tiny_recipe: Recipe, tmp_path: Path) -> None:
    for corpus in tiny_recipe.corpus:
        for file in corpus.train:
            (tmp_path / str(file)).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / str(file)).write_text("\n\n")
    with pytest.raises(DataError, match=f"{tiny_recipe.corpus[0].name}.*: no text to train on"):
        train_tokenizer(tiny_recipe, tmp_path)
