import shutil
from pathlib import Path

import pytest

from model.bundle import Score, load_manifest, write_description
from service.schemas import DECODING_FIELDS
from tests import reversal
from tests.service.fakes import GatedSearch
from tests.service.live import FORM, JSON, Live, local_settings, running, serve_fakes


def test_languages_are_listed_with_their_names_and_targets(live: Live) -> None:
    assert live.client.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": ["de", "en"]},
        {"code": "en", "name": "English", "targets": ["en"]},
    ]
    assert live.client.request("GET", "/languages", content=b"{}").status_code == 200  # libretranslatepy sends a body


def test_a_language_is_named_in_english_or_else_by_its_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tasks = ["zh:en", "tlh:en", "qq:en", "zh-hant:en"]
    serve_fakes(monkeypatch, GatedSearch(), *(f"translate:{task}" for task in tasks))
    with running(local_settings(tmp_path)) as live:
        names = {language["code"]: language["name"] for language in live.client.get("/languages").json()}
    assert names == {
        "en": "English",
        "qq": "qq",
        "tlh": "Klingon",
        "zh": "Chinese",
        "zh-hant": "Traditional Chinese",
    }


@pytest.fixture
def mixed_models(reversal_models: Path, tmp_path: Path) -> Path:
    """Return a folder of a good bundle with a score, and of one that lacks a file."""
    for name in ("broken", "good"):
        shutil.copytree(reversal_models / "reversal", tmp_path / name)
    (tmp_path / "broken" / "network.ts").unlink()
    manifest = load_manifest(tmp_path / "good")
    score = Score(task=reversal.SUMMARIZE, test="test.en.tsv", pairs=3, dtype="int8", values={"ROUGE-L": 12.5})
    write_description(tmp_path / "good", manifest.model_copy(update={"scores": (score,)}))
    return tmp_path


def test_bundles_are_listed_with_what_they_reach_or_why_they_are_not_served(mixed_models: Path) -> None:
    with running(local_settings(mixed_models, dtype="float32")) as live:
        broken, good = live.client.get("/models").json()
        health = live.client.get("/health/ready")
        assert live.metric("dragoman_bundles", state="ready") == live.metric("dragoman_bundles", state="failed") == 1
    error = "broken: network.ts is missing"
    assert broken == {"folder": "broken", "status": "failed", "error": error, "tasks": [], "serving": [], "scores": []}
    assert good.pop("parameters") > 0
    assert (good["decoding"].keys(), good.pop("decoding")["beam_size"]) == (set(DECODING_FIELDS), 2)
    assert good == {
        "folder": "good",
        "status": "ready",
        "name": "reversal",
        "version": "1.0",
        "tasks": ["translate:de:en", "summarize:en"],
        "serving": ["translate:de:en", "summarize:en"],
        "dtype": "float32",
        "max_source_pieces": 24,
        "scores": [
            {"task": "summarize:en", "test": "test.en.tsv", "pairs": 3, "dtype": "int8", "values": {"ROUGE-L": 12.5}}
        ],
    }
    assert (health.status_code, health.json()) == (200, {"status": "ok", "failed": [error]})


def test_of_two_bundles_for_a_task_the_list_says_which_serves_it(reversal_models: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(reversal_models / "reversal", tmp_path / name)
    with running(local_settings(tmp_path, dtype="float32")) as live:
        serving = {bundle["folder"]: bundle["serving"] for bundle in live.client.get("/models").json()}
    assert serving == {"a": ["translate:de:en", "summarize:en"], "b": []}


def test_the_documentation_shows_what_to_send(live: Live) -> None:
    schema = live.client.get("/openapi.json").json()
    for route, text in [("/translate", "Guten Morgen!"), ("/summarize", "We present a network that …")]:
        operation = schema["paths"][route]["post"]
        content = operation["requestBody"]["content"]
        assert content.keys() == {JSON, FORM, "multipart/form-data"}
        examples = content[JSON]["examples"]
        assert examples["text"]["value"]["q"] == text
        assert {"200", "400", "413", "500", "503", "504"} <= operation["responses"].keys()
    page = live.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
    assert "//cdn" not in page.text


def test_the_examples_of_the_documentation_are_valid(live: Live) -> None:
    schema = live.client.get("/openapi.json").json()
    for route in ("/translate", "/summarize"):
        examples = schema["paths"][route]["post"]["requestBody"]["content"][JSON]["examples"]
        for example in examples.values():
            assert live.client.post(route, json=example["value"]).status_code == 200
