from pathlib import Path

import pytest

from model.bundle import MANIFEST
from model.config import Task
from service.bench import choices
from service.bench.choices import Bench, Choices, load_here, open_bench, target_of
from service.bench.errors import BenchError


def choices_of(models: Path) -> Choices:
    texts = models.parent / "texts"
    texts.write_text("Apfel\n")
    return Choices([texts], "de", "en", models, "static,in-flight", 10, 1, None)


@pytest.fixture
def bench(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("DRAGOMAN_THREADS", "1")
    monkeypatch.setenv("DRAGOMAN_DEVICE", "cpu")
    return open_bench(choices_of(tiny_bundle.parent))


def test_a_task_that_no_manifest_names_is_refused_before_anything_is_loaded(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choices, "load_catalogue", pytest.fail)
    with pytest.raises(BenchError, match="no bundle does translate:de:fr"):
        open_bench(choices_of(tiny_bundle.parent)._replace(target="fr"))


def test_texts_to_be_put_into_their_own_language_are_to_be_summarized(tiny_bundle: Path) -> None:
    with pytest.raises(BenchError, match="no bundle does summarize:de"):
        open_bench(choices_of(tiny_bundle.parent)._replace(target="de"))


def test_summaries_have_no_documents(bench: Bench) -> None:
    summarizing = bench._replace(task=Task.parse("summarize:en"))
    assert summarizing.traffic().path == "/summarize"
    with pytest.raises(BenchError, match="--documents-one-in 0"):
        summarizing.traffic(documents_one_in=20)


def test_a_manifest_that_is_broken_promises_nothing(tiny_bundle: Path) -> None:
    (tiny_bundle / MANIFEST).write_text("{")
    with pytest.raises(BenchError, match="no bundle does translate:de:en"):
        open_bench(choices_of(tiny_bundle.parent))


def test_what_is_loaded_here_gives_every_policy_the_type_that_is_served(bench: Bench) -> None:
    assert {settings.dtype for settings in bench.settings.values()} == {"auto"}
    catalogue = load_here(bench)
    assert {settings.dtype for settings in bench.settings.values()} == {catalogue.serving[bench.task].dtype}


def test_a_bundle_that_promises_a_task_and_cannot_be_loaded_is_a_sentence(bench: Bench, tiny_bundle: Path) -> None:
    (tiny_bundle / "network.ts").unlink()
    with pytest.raises(BenchError, match="no bundle that can be loaded does translate:de:en"):
        load_here(bench)


def test_a_service_that_runs_already_is_taken_as_it_is(bench: Bench) -> None:
    with target_of(bench, "static", "http://127.0.0.1:1/") as target:
        assert target == ("http://127.0.0.1:1", None)
    assert bench.settings["static"].dtype == "auto"
