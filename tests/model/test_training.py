import csv
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.bundle import load_bundle
from model.checkpoint import CheckpointError, load_checkpoint, restore_network
from model.config import Config, Recipe, Task, TrainingConfig
from model.data import DataError
from model.search import search_all
from model.tokenizer import PAD, Tokenizer
from model.training import (
    Progress,
    Trainer,
    cross_entropy,
    has_bf16,
    learning_rate,
    load_dev_set,
    load_training_set,
    open_training,
    train_tokenizer,
)
from model.training_log import TrainingLog
from tests import reversal
from tests.reversal import Trained

CPU = torch.device("cpu")


class Killed(BaseException):
    """Stands for the end of the process."""


def kill_at(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step >= step:
            raise Killed

    return report


def run_training(
    recipe: Recipe, data: Path, run: Path, *, resume: bool = False, report: Callable[[Progress], None] = lambda _: None
) -> Trainer:
    trainer = open_training(recipe, data=data, run=run, resume=resume, device=CPU)
    trainer.train(report)
    return trainer


def read_log(run: Path) -> list[dict[str, str]]:
    """Return the log's rows, without what depends on the clock."""
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key not in {"seconds", "pieces_per_second"}}
            for row in csv.DictReader(file)
        ]


def with_table(recipe: Recipe, table: str, **changes: object) -> Recipe:
    """Return the recipe with entries of one of its tables changed."""
    part: Config = getattr(recipe, table)
    return recipe.model_copy(update={table: part.model_copy(update=changes)})


# What is learnt


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


# Going on


@pytest.fixture(scope="module")
def straight(tiny_recipe: Recipe, tiny_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a training with dropout and sampled segmentations that was never interrupted."""
    run = tmp_path_factory.mktemp("straight")
    trainer = run_training(tiny_recipe, tiny_corpora, run)
    assert trainer.epoch >= 1  # so that a place in the epoch is more than a number of steps
    assert tiny_recipe.network.dropout > 0
    assert tiny_recipe.training.sampling_alpha > 0
    return run


def assert_same_end(run: Path, straight: Path) -> None:
    ended, expected = load_checkpoint(run / "last.pt"), load_checkpoint(straight / "last.pt")
    torch.testing.assert_close(ended.network_state, expected.network_state, rtol=0, atol=0)
    for key in ("step", "epoch", "batches_seen", "best", "random_state"):
        assert torch.equal(torch.as_tensor(ended.training_state[key]), torch.as_tensor(expected.training_state[key]))
    assert ended.scores == expected.scores


def test_the_same_recipe_trains_the_same_network(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    run_training(tiny_recipe, tiny_corpora, tmp_path)
    assert_same_end(tmp_path, straight)
    assert read_log(tmp_path) == read_log(straight)


def test_a_killed_training_goes_on_as_if_it_had_never_stopped(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    with pytest.raises(Killed):
        run_training(tiny_recipe, tiny_corpora, tmp_path, report=kill_at(60))
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == 32
    assert [row["step"] for row in read_log(tmp_path)] == ["20", "32", "32", "32", "40"]
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)
    # The row of step 40, which had no checkpoint, is there once.
    assert read_log(tmp_path) == read_log(straight)


@pytest.mark.parametrize("killed_at", [20, 40])
def test_a_training_goes_on_from_a_checkpoint_between_validations(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path, killed_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)  # slow, and drawn at each checkpoint
    often = with_table(tiny_recipe, "training", checkpoint_every_minutes=1e-9)
    with pytest.raises(Killed):
        run_training(often, tiny_corpora, tmp_path, report=kill_at(killed_at))
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == killed_at - 1
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)


def test_a_training_killed_again_and_again_always_has_something_to_go_on_from(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    last = tmp_path / "last.pt"
    with pytest.raises(Killed):
        run_training(tiny_recipe, tiny_corpora, tmp_path, report=kill_at(20))
    assert not last.exists()
    for resume, killed_at, kept in ((False, 40, 32), (True, 40, 32), (True, 64, 32)):
        with pytest.raises(Killed):
            run_training(tiny_recipe, tiny_corpora, tmp_path, resume=resume, report=kill_at(killed_at))
        assert load_checkpoint(last).training_state["step"] == kept
        restore_network(load_checkpoint(tmp_path / "best.pt"))
    run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)
    assert_same_end(tmp_path, straight)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "curves.png", "last.pt", "log.csv"]


def test_a_finished_training_resumes_to_nothing_or_to_more_steps(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    short = with_table(tiny_recipe, "training", steps=20)
    run_training(short, tiny_corpora, tmp_path)
    before = load_checkpoint(tmp_path / "last.pt").network_state
    assert run_training(short, tiny_corpora, tmp_path, resume=True).step == 20
    torch.testing.assert_close(load_checkpoint(tmp_path / "last.pt").network_state, before, rtol=0, atol=0)
    longer = with_table(tiny_recipe, "training", steps=30)
    assert run_training(longer, tiny_corpora, tmp_path, resume=True).step == 30
    assert load_checkpoint(tmp_path / "last.pt").training_state["step"] == 30


@pytest.mark.parametrize(
    ("table", "changes"),
    [
        ("network", {"hidden_size": 16}),
        ("network", {"dropout": 0.0}),
        ("filter", {"max_source_pieces": 5}),
        ("tokenizer", {"vocabulary_size": 299}),
        ("training", {"seed": 2}),
        ("training", {"batch_pieces": 299}),
    ],
)
def test_a_training_of_another_network_or_of_other_data_does_not_go_on(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, table: str, changes: dict[str, Any]
) -> None:
    other = with_table(tiny_recipe, table, **changes)
    before = (straight / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match=r"last\.pt: was trained by a recipe with other data, network or batches"):
        run_training(other, tiny_corpora, straight, resume=True)
    assert (straight / "last.pt").read_bytes() == before


def test_a_training_may_go_on_with_other_steps_decoding_and_card_only(tiny_recipe: Recipe) -> None:
    for table, changes in (
        ("training", {"steps": 1000, "learning_rate": 1e-5}),
        ("decoding", {"beam_size": 3}),
        ("card", {"limits": "Many."}),
    ):
        assert with_table(tiny_recipe, table, **changes).trains_like(tiny_recipe)
    assert not tiny_recipe.model_copy(update={"name": "other"}).trains_like(tiny_recipe)
    assert not tiny_recipe.model_copy(update={"corpus": tiny_recipe.corpus[:1]}).trains_like(tiny_recipe)


def test_a_run_that_exists_is_not_overwritten_and_one_that_does_not_is_not_resumed(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, tmp_path: Path
) -> None:
    before = (straight / "last.pt").read_bytes()
    with pytest.raises(CheckpointError, match="go on with --resume, or name another folder"):
        run_training(tiny_recipe, tiny_corpora, straight)
    assert (straight / "last.pt").read_bytes() == before
    with pytest.raises(CheckpointError, match="nothing to resume"):
        run_training(tiny_recipe, tiny_corpora, tmp_path / "new", resume=True)
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_of_a_network_alone_is_not_gone_on_from(
    tiny_recipe: Recipe, tiny_corpora: Path, straight: Path, tmp_path: Path
) -> None:
    shutil.copy(straight / "best.pt", tmp_path / "last.pt")
    with pytest.raises(CheckpointError, match=r"last\.pt: holds a network alone"):
        run_training(tiny_recipe, tiny_corpora, tmp_path, resume=True)


# The parts


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_the_loss_and_its_gradient_equal_pytorchs(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 5, 11, requires_grad=True)
    targets = torch.randint(1, 11, (3, 5))
    targets[1, 3:] = PAD

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, logits)[0]

    def reference(label_smoothing: float) -> Tensor:
        return nn.functional.cross_entropy(
            logits.flatten(0, 1),
            targets.flatten(),
            ignore_index=PAD,
            reduction="sum",
            label_smoothing=label_smoothing,
        )

    smoothed, plain, pieces = cross_entropy(logits, targets, smoothing)
    assert pieces == 13
    assert plain == pytest.approx(reference(0.0).item(), rel=1e-5)
    torch.testing.assert_close(smoothed, reference(smoothing))
    torch.testing.assert_close(gradient(smoothed), gradient(reference(smoothing)))


def test_coverage_loss_changes_what_is_learnt_and_not_the_loss_that_is_told(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    learnt = []
    for weight in (0.0, 1.0):
        recipe = with_table(tiny_recipe, "training", coverage_loss=weight, learning_rate=0.01, warmup_steps=1)
        trainer = open_training(recipe, data=tiny_corpora, run=tmp_path / str(weight), resume=False, device=CPU)
        numbers = trainer.training_set.epoch(0, recipe.training)[0]
        batch = trainer.training_set.batch(numbers, recipe.training, Random(0))
        told, _ = trainer._update(batch)
        learnt.append((told, trainer.network.bridge.weight))
    assert learnt[0][0] == pytest.approx(learnt[1][0])
    assert not torch.allclose(learnt[0][1], learnt[1][1])


def test_the_learning_rate_climbs_stays_and_falls_to_almost_nothing() -> None:
    config = TrainingConfig(steps=100, warmup_steps=10, decay_steps=20, learning_rate=2.0)
    rates = [learning_rate(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    climb, stay, fall = rates[:10], rates[9:80], rates[80:]
    assert all(later - earlier == pytest.approx(0.2) for earlier, later in itertools.pairwise(climb))
    assert set(stay) == {2.0}
    assert all(earlier - later == pytest.approx(2.0 / 21) for earlier, later in itertools.pairwise(fall))
    assert rates[-1] == pytest.approx(2.0 / 21)


def test_without_decay_the_rate_stays_to_the_end() -> None:
    config = TrainingConfig(steps=10, warmup_steps=1, decay_steps=0, learning_rate=2.0)
    assert [learning_rate(step, config) for step in range(10)] == [2.0] * 10


def test_progress_tells_the_loss_that_the_log_tells(
    tiny_recipe: Recipe, tiny_corpora: Path, tmp_path: Path, straight: Path
) -> None:
    seen: list[Progress] = []
    run_training(with_table(tiny_recipe, "training", steps=40), tiny_corpora, tmp_path, report=seen.append)
    assert [progress.step for progress in seen] == [20, 32, 40]
    assert all(progress.steps == 40 and progress.pieces_per_second > 0 for progress in seen)
    logged = [row["loss"] for row in read_log(tmp_path) if row["loss"]]
    assert [f"{progress.loss:.4f}" for progress in seen] == logged
    assert logged[:2] == [row["loss"] for row in read_log(straight) if row["loss"]][:2]


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


def test_the_dev_set_has_the_first_pairs_of_each_task(tiny_recipe: Recipe, tiny_corpora: Path) -> None:
    dev_set = load_dev_set(tiny_recipe, tiny_corpora)
    assert list(dev_set) == [reversal.TRANSLATE, reversal.SUMMARIZE]
    for task, pairs in dev_set.items():
        rows = (tiny_corpora / f"dev.{task.kind}.tsv").read_text(encoding="utf-8").splitlines()
        assert [f"{pair.source}\t{pair.target}" for pair in pairs] == rows[:3]


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
