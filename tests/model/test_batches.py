import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest
import torch

from model.batches import Place, Rank, Share, open_shares, share_of
from model.checkpoint import load_checkpoint
from model.data import Example, collate
from model.parallel import open_fabric
from model.recipe import Recipe, TrainingConfig
from model.tokenizer import END, PAD, Tokenizer
from model.training import open_training
from model.training_log import Progress, TrainingLog
from model.training_set import TrainingSet, open_training_set
from service.signals import on_stop
from tests.runs import Killed, kill_at, run_training, with_table

CPU = torch.device("cpu")
EXAMPLES = [Example([4, *range(5, 5 + n), END], list(range(6, 6 + n))) for n in (1, 2, 3, 4, 5, 3, 4)]

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create 3 worker processes"),  # on 2 cores
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12, of fork
]


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    assert multiprocessing.active_children() == []


# The order of batches


@pytest.fixture
def training_set(tiny_recipe: Recipe, tiny_tokenizer: Tokenizer, tiny_corpora: Path, tmp_path: Path) -> TrainingSet:
    return open_training_set(tiny_recipe, tiny_tokenizer, texts=tiny_corpora, cache=tmp_path / "cache")


def shares(training_set: TrainingSet, config: TrainingConfig, count: int, start: Place) -> list[Share]:
    """Return so many shares, from a place on."""
    with closing(open_shares(training_set, config, open_fabric(CPU, bf16=False), start)) as opened:
        return list(islice(opened, count))


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_workers_make_the_batches_of_one_process_in_its_order_also_from_a_place_on(
    tiny_recipe: Recipe, training_set: TrainingSet, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("model.training_set.BLOCK_PAIRS", 20)
    config = tiny_recipe.training.model_copy(update={"window_pairs": 150, "accumulate": 2, "workers": workers})
    places = [
        (Place(epoch, number), examples)
        for epoch in range(3)
        for number, examples in training_set.batches(epoch, config)
    ]
    per_epoch = sum(place.epoch == 0 for place, _ in places)
    assert per_epoch % 3  # an epoch's end does not end a round of the workers
    expected = [share_of(examples, config, place, Rank(0, 1)) for place, examples in places]
    for first in (0, per_epoch // 2, per_epoch):
        found = shares(training_set, config, len(expected) - first, Place(0, first))
        assert [share._replace(parts=[]) for share in found] == [share._replace(parts=[]) for share in expected[first:]]
        parts = ([share.parts for share in some] for some in (found, expected[first:]))
        torch.testing.assert_close(*parts, rtol=0, atol=0)


def test_opening_shares_draws_nothing_from_what_dropout_draws_from(
    tiny_recipe: Recipe, training_set: TrainingSet
) -> None:
    before = torch.get_rng_state()
    shares(training_set, tiny_recipe.training, 1, Place(0, 0))
    assert torch.equal(torch.get_rng_state(), before)


# The share of a process


def test_the_shares_of_all_processes_and_their_parts_are_the_batch() -> None:
    config = TrainingConfig(accumulate=2, length_multiple=1)
    both = [share_of(EXAMPLES, config, Place(0, 0), Rank(number, 2)) for number in range(2)]
    found = [row[row != PAD].tolist() for share in both for part in share.parts for row in part.source]
    assert sorted(found) == sorted(example.source for example in EXAMPLES)
    assert [len(share.parts) for share in both] == [2, 2]
    assert {share.pieces for share in both} == {sum(len(example.target) + 1 for example in EXAMPLES)}
    assert {share.description for share in both} == {"7 sentences of up to 7 source and 6 target pieces"}


def test_a_process_without_a_share_of_a_small_batch_gets_one_that_counts_nothing() -> None:
    share = share_of(EXAMPLES[:1], TrainingConfig(), Place(0, 0), Rank(1, 2))
    (part,) = share.parts
    assert not part.target_outputs.any()
    assert torch.equal(part.source, collate(EXAMPLES[:1], 8).source)
    assert share.pieces == 2


# Trainings with workers


@pytest.fixture
def recipe(tiny_recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(TrainingLog, "draw", lambda _: None)  # slow
    return with_table(tiny_recipe, "training", workers=2)


def test_a_training_stopped_by_a_signal_to_all_its_processes_goes_on_without_workers_as_if_it_had_not(
    recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    trainer = open_training(recipe, data=tiny_corpora, run=tmp_path / "run", resume=False, device=CPU)

    def stop_all(progress: Progress) -> None:
        if progress.step == 40:
            for number in (signal.SIGTERM, signal.SIGINT):
                for worker in multiprocessing.active_children():
                    os.kill(worker.pid or 0, number)
            os.kill(os.getpid(), signal.SIGTERM)

    with on_stop(trainer.stop):
        trainer.train(stop_all)
    assert trainer.is_stopped
    assert load_checkpoint(tmp_path / "run" / "last.pt").training_state["step"] == 40
    run_training(with_table(recipe, "training", workers=0), tiny_corpora, tmp_path / "run", resume=True)
    run_training(recipe, tiny_corpora, tmp_path / "straight")
    ended, straight = (load_checkpoint(tmp_path / run / "last.pt") for run in ("run", "straight"))
    torch.testing.assert_close(ended.network_state, straight.network_state, rtol=0, atol=0)


def test_an_exception_ends_the_workers_while_it_is_still_held(
    recipe: Recipe, tiny_corpora: Path, tmp_path: Path
) -> None:
    with pytest.raises(Killed) as held:
        run_training(recipe, tiny_corpora, tmp_path, report=kill_at(20))
    assert held.tb is not None
    assert multiprocessing.active_children() == []
