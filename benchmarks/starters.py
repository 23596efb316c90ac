"""What the README says of the starters beside `dragoman evaluate`: scores of not trying, time to ready, memory.

    .venv/bin/python benchmarks/starters.py DATA

DATA holds tatoeba/, python-docs/ and arxiv-title/ with their test files.
"""

import subprocess
import sys
import time
from pathlib import Path
from random import Random

import httpx
from rich.console import Console

from model.config import Task
from model.data import read_rows
from model.evaluation import EvaluationSet, score
from service.bench.server import free_port

REQUESTS = 150
MAX_TEXTS = 32
MAX_CHARACTERS = 19_000  # under the service's default limit for a request

console = Console(width=120)


def scores_of_not_trying(folder: Path) -> None:
    """Print what copying the source, and the first twelve words of an abstract, score."""
    for name in (*(f"tatoeba/test.{pair}.tsv" for pair in ("de-en", "fr-en", "zh-en")), "python-docs/test.zh-en.tsv"):
        rows = list(read_rows(name, folder))
        first, second = name.split(".")[1].split("-")
        for source, target, column in ((first, second, 0), (second, first, 1)):
            task = Task(kind="translate", source=source, target=target)
            sources = [row[column] for row in rows]
            scores = score(EvaluationSet(task, sources, [[row[1 - column]] for row in rows]), sources)
            console.print(f"{name} {task}: copying the source, BLEU {scores['BLEU']:.1f}, chrF2 {scores['chrF2']:.1f}")
    rows = list(read_rows("arxiv-title/test.en.tsv.xz", folder))
    test = EvaluationSet(Task.parse("summarize:en"), [row[0] for row in rows], [row[1:] for row in rows])
    scores = score(test, [" ".join(source.split()[:12]) for source in test.sources])
    console.print("first twelve words:", {name: round(of, 1) for name, of in scores.items() if isinstance(of, float)})


def start_and_memory(folder: Path) -> None:
    """Print how long a start takes, and what the process holds after requests of many sizes."""
    sentences = [row[0] for row in read_rows("tatoeba/test.de-en.tsv", folder)]
    abstracts = [row[0] for row in read_rows("arxiv-title/test.en.tsv.xz", folder)]
    random = Random(1)
    port = free_port()
    started = time.monotonic()
    command = [Path(sys.executable).with_name("dragoman"), "serve", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False)
        while not is_ready(client):
            time.sleep(0.02)
        console.print(f"ready after {time.monotonic() - started:.1f} s, {resident_megabytes(client):.0f} MB")
        for n in range(REQUESTS):
            texts = random.sample(abstracts if n % 3 == 0 else sentences, random.randint(1, MAX_TEXTS))
            texts = [text[: MAX_CHARACTERS // len(texts)] for text in texts]
            route, languages = ("/summarize", {}) if n % 3 == 0 else ("/translate", {"source": "de", "target": "en"})
            client.post(route, json={"q": texts, **languages}).raise_for_status()
        console.print(f"{resident_megabytes(client):.0f} MB after {REQUESTS} requests of up to {MAX_TEXTS} texts")
        process.terminate()


def is_ready(client: httpx.Client) -> bool:
    """Say whether the service answers and has loaded its networks."""
    try:
        return client.get("/health/ready").is_success
    except httpx.ConnectError:
        return False


def resident_megabytes(client: httpx.Client) -> float:
    """Return the resident memory that the service reports of itself."""
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) / 1e6 for line in lines if line.startswith("process_resident_memory_bytes "))


if __name__ == "__main__":
    data = Path(sys.argv[1])
    scores_of_not_trying(data)
    start_and_memory(data)
