import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from model.bundle import CARD, load_bundle
from tests import reversal
from tests.reversal import Trained
from tests.service.cli.commands import Dragoman, assert_one_sentence


@pytest.fixture
def bundle(trained_reversal: Trained, tmp_path: Path) -> Path:
    """Return a bundle whose description a test may change."""
    return shutil.copytree(trained_reversal.bundle, tmp_path / "bundle")


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """Return a folder with a test file for each task, and one whose name tells none."""
    sentences = reversal.random_sentences(12, seed=9)
    for name, learn in [("test.de-en.tsv", reversal.translation), ("test.en.tsv", reversal.summary)]:
        (tmp_path / name).write_text("".join(f"{s}\t{learn(s)}\n" for s in sentences))
    (tmp_path / "test.txt").touch()
    return tmp_path


def test_scores_are_shown_as_a_table_with_whole_signatures(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    ended = dragoman("evaluate", bundle, tests / "test.de-en.tsv")
    assert (ended.status, ended.err) == (0, "")
    assert f"translate:de:en · {tests.name}/test.de-en.tsv · 12 pairs" in ended.out
    assert "reversal 1.0, float32" in ended.out
    for metric in ("BLEU", "chrF2", "accuracy"):
        assert re.search(rf"│ {metric} +│ +\d+\.\d ± \d+\.\d │ +\d+\.\d │", ended.out)
    *_, bleu, chrf, accuracy = ended.out.splitlines()
    assert accuracy == "accuracy|case:mixed"
    signatures = [bleu, chrf]
    assert [re.search(r"^nrefs:1\|case:mixed\|.*\|version:[\d.]+$", line) is not None for line in signatures] == [
        True
    ] * 2


def test_scores_can_be_had_as_json(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    translation, summary = (
        json.loads(dragoman("evaluate", bundle, tests / name, "--json").out)
        for name in ("test.de-en.tsv", "test.en.tsv")
    )
    assert [(s["task"], s["test"], s["pairs"]) for s in translation + summary] == [
        ("translate:de:en", f"{tests.name}/test.de-en.tsv", 12),
        ("summarize:en", f"{tests.name}/test.en.tsv", 12),
    ]
    assert translation[0]["values"]["BLEU"] > 80
    metrics = ("BLEU", "chrF2", "accuracy")
    assert translation[0]["values"].keys() == {*metrics, *(f"{metric} signature" for metric in metrics)}
    assert translation[0]["systems"][0]["scores"].keys() == set(metrics)
    assert len(translation[0]["systems"][0]["outputs"]) == len(translation[0]["sources"]) == 12
    assert summary[0]["values"]["ROUGE-1"] > 80
    numbers = {name for name, value in summary[0]["values"].items() if isinstance(value, float)}
    assert numbers == {"ROUGE-1", "ROUGE-2", "ROUGE-L", "token F1", "compression rate", "accuracy"}


def test_scores_are_of_the_type_that_the_bundle_is_served_in(
    dragoman: Dragoman, bundle: Path, tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_DTYPE", "int8")
    (score,) = json.loads(dragoman("evaluate", bundle, tests / "test.de-en.tsv", "--json").out)
    assert score["dtype"] == "int8"
    assert score["values"]["BLEU"] > 80


def test_a_page_is_written_and_another_bundle_is_compared_with(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    page = tests / "page.html"
    ended = dragoman("evaluate", bundle, tests / "test.en.tsv", "--html", page, "--against", bundle, "--lowercase")
    assert (ended.status, ended.err) == (0, "")
    assert re.search(r"│ ROUGE-L +│( +\d+\.\d ± \d+\.\d │){2} +\+0\.0 │ +– │", ended.out)
    assert "accuracy|case:lc" in ended.out
    assert page.read_text(encoding="utf-8").count("<details>") > 0


def test_saved_scores_stand_in_manifest_and_card_and_the_bundle_still_loads(
    dragoman: Dragoman, bundle: Path, tests: Path
) -> None:
    def save(name: str) -> list[tuple[str, str, int]]:
        assert dragoman("evaluate", bundle, tests / name, "--save").status == 0
        scores = load_bundle(bundle, torch.device("cpu"), "float32").manifest.scores
        return [(str(score.task), score.test.removeprefix(f"{tests.name}/"), score.pairs) for score in scores]

    assert save("test.en.tsv") == [("summarize:en", "test.en.tsv", 12)]
    with (tests / "test.en.tsv").open("a") as file:
        file.write("Apfel\tApfel\n")
    assert save("test.de-en.tsv") == [("summarize:en", "test.en.tsv", 12), ("translate:de:en", "test.de-en.tsv", 12)]
    # A score of the same task and file is replaced.
    assert save("test.en.tsv") == [("translate:de:en", "test.de-en.tsv", 12), ("summarize:en", "test.en.tsv", 13)]
    assert f"| summarize:en | {tests.name}/test.en.tsv | 13 | float32 | ROUGE-L | " in (bundle / CARD).read_text()


def test_scores_that_are_not_saved_leave_the_bundle_as_it_was(dragoman: Dragoman, bundle: Path, tests: Path) -> None:
    before = {file.name: file.read_bytes() for file in bundle.iterdir()}
    assert dragoman("evaluate", bundle, tests / "test.en.tsv").status == 0
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "test.en.tsv"], "nowhere: bundle.json is missing"),
        (["test.en.tsv", "test.en.tsv"], "test.en.tsv: is a file, and a bundle is a folder"),
        (["bundle", "nowhere.en.tsv"], "nowhere.en.tsv: there is no such file"),
        (["bundle", "nowhere.txt"], "nowhere.txt: there is no such file"),
        (["bundle", "test.txt"], "give --columns"),
        (["bundle", "test.en.tsv", "--columns", "zh-en"], "reversal has no task for zh-en: translate:de:en"),
        (["bundle", "test.en.tsv", "--task", "translate:de:en"], "translate:de:en does not fit: the columns are en"),
        (["bundle", "test.en.tsv", "--html", "nowhere/page.html"], "nowhere/page.html: there is no such folder"),
        (["bundle", "test.en.tsv", "--train", "nowhere.tsv"], "nowhere.tsv: No such file"),
        (["bundle", "test.en.tsv", "--task", "translate"], "translate is not a task; one looks like translate:de:en"),
    ],
)
def test_what_cannot_be_scored_is_explained(
    arguments: list[str], message: str, dragoman: Dragoman, bundle: Path, tests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bundle.parent == tests
    monkeypatch.chdir(tests)
    assert_one_sentence(dragoman("evaluate", *arguments), message)
