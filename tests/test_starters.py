"""What ships does what the README shows, in a process of its own as a newcomer starts it."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model.bundle import load_manifest
from service.bench.server import free_port
from service.settings import STARTERS
from tests.service.fakes import wait_until

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
MAX_RESIDENT_BYTES = 1.2e9
ABSTRACT = (
    "We present a simple method for training neural networks for machine translation on small data. It regularizes "
    "the encoder with noise and needs no labels. On three benchmarks it outperforms strong baselines by a large margin."
)


@pytest.fixture(scope="module")
def service() -> Iterator[httpx.Client]:
    """Run ``dragoman serve`` with its defaults on a free port; it must leave with 0."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DRAGOMAN_")}
    command = [Path(sys.executable).with_name("dragoman"), "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment) as process:
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                wait_until(lambda: is_ready(client))
                yield client
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.ConnectError:
        return False


def translate(client: httpx.Client, q: str, source: str, target: str) -> str:
    answer = client.post("/translate", json={"q": q, "source": source, "target": target})
    return str(answer.raise_for_status().json()["translatedText"])


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("Guten Morgen!", "de", "en", r"(?i)good morning|hello|hi\b"),
        ("我爱吃苹果。", "zh", "en", r"(?i)(like|love|eat).*apple"),
        ("J'aime les pommes.", "fr", "en", r"(?i)(like|love).*apples"),
        ("I like apples.", "en", "fr", r"(?i)aime.*pommes"),
        ("I like apples.", "en", "de", r"(?i)(mag|liebe|gern).*(apfel|äpfel)"),
        ("I like apples.", "en", "zh", "苹果"),
    ],
)
def test_the_starters_translate_a_first_sentence(
    service: httpx.Client, text: str, source: str, target: str, expected: str
) -> None:
    assert re.search(expected, translate(service, text, source, target))


def test_the_starter_writes_a_headline_shorter_than_the_text(service: httpx.Client) -> None:
    answer = service.post("/summarize", json={"q": ABSTRACT}).raise_for_status().json()
    assert 3 <= len(answer["summaryText"].split()) <= 25


def test_the_abstract_of_the_readme_is_answered_as_it_says(service: httpx.Client) -> None:
    if {bundle["dtype"] for bundle in service.get("/models").json()} != {"int8"}:
        pytest.skip("answers are the same on every processor only in int8")
    (q,) = re.findall(r"^\$ q='(.*?)'$", README, re.DOTALL | re.MULTILINE)
    expected = re.findall(r'"q=\$q"(?: -d length=(\d+))?\n(.*)', README)
    assert len(expected) == 2
    for length, answer in expected:
        asked = service.post("/summarize", data={"q": q, "length": length}).raise_for_status()
        assert asked.text == answer


def test_every_starter_is_served(service: httpx.Client) -> None:
    bundles = service.get("/models").json()
    assert {bundle["folder"] for bundle in bundles} == {folder.name for folder in STARTERS.iterdir()}
    assert [bundle["status"] for bundle in bundles] == ["ready"] * len(bundles)


def test_the_service_with_all_starters_stays_under_its_memory_limit(service: httpx.Client) -> None:
    texts = [" ".join(["Tom ist hier."] * count) for count in range(1, 60, 7)]
    for text in texts:
        translate(service, text, "de", "en")
        service.post("/summarize", json={"q": ABSTRACT + text}).raise_for_status()
    families = {family.name: family for family in text_string_to_metric_families(service.get("/metrics").text)}
    assert families["process_resident_memory_bytes"].samples[0].value < MAX_RESIDENT_BYTES


@pytest.mark.parametrize("folder", sorted(STARTERS.iterdir()), ids=lambda folder: folder.name)
def test_a_starter_is_small_enough_to_ship_and_says_what_it_reaches(folder: Path) -> None:
    manifest = load_manifest(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 25e6
    assert {score.task for score in manifest.scores} == set(manifest.tasks)
    if load_manifest(folder).tasks[0].kind == "translate":  # as README's table of options says
        assert load_manifest(folder).decoding.reverse_weight == 0.3
    assert "Not stated" not in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")


HARD_TEXTS = [
    tuple(json.loads(cell) for cell in re.findall(r"`([^`]+)`", line))
    for line in README.splitlines()
    if line.startswith('| `{"q":')
]
"""Lines of the README's table: a request, and what its answer holds."""


def test_the_readme_has_hard_texts() -> None:
    assert len(HARD_TEXTS) >= 8


@pytest.mark.parametrize(("request_", "expected"), HARD_TEXTS, ids=str)
def test_a_hard_text_of_the_readme_is_answered_as_it_says(
    service: httpx.Client, request_: dict[str, Any], expected: object
) -> None:
    if {bundle["dtype"] for bundle in service.get("/models").json()} != {"int8"}:
        pytest.skip("answers are the same on every processor only in int8")
    answer = service.post("/translate", json=request_).raise_for_status().json()
    assert answer["translatedText"] == expected
