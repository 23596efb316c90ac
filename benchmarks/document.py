"""A document of many sentences through POST /translate, beside the same sentences at hand, and as a stream.

    .venv/bin/python benchmarks/document.py TEXTS.de-en.tsv [SENTENCES]

The service and the bare engine run one after the other; a document is sent three times. Memory is the service's own.
"""

import statistics
import sys
import time
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from model.config import Task
from model.data import read_rows
from service.bench.server import Target, resident_bytes, served
from service.catalogue import load_catalogue
from service.offline import open_translator, run_in_bulk
from service.settings import Settings

ROUNDS = 3
PATIENCE_SECONDS = 600.0

console = Console(width=120)


def at_hand_seconds(texts: list[str], task: Task) -> float:
    """Return how long the sentences take when each is a text of its own and all are at hand."""
    settings = Settings()
    with open_translator(load_catalogue(settings), settings) as translator:
        run_in_bulk(translator, task, texts[:100])
        started = time.perf_counter()
        run_in_bulk(translator, task, texts)
        return time.perf_counter() - started


def document_seconds(client: httpx.Client, body: dict[str, str]) -> float:
    """Return how long the service takes for the document."""
    started = time.perf_counter()
    client.post("/translate", json=body).raise_for_status()
    return time.perf_counter() - started


def first_sentence_seconds(client: httpx.Client, body: dict[str, str]) -> float:
    """Return how long it takes until the first sentence of a stream is there; the rest is given up."""
    started = time.perf_counter()
    with client.stream("POST", "/translate", json=body | {"stream": True}) as answer:
        next(answer.iter_lines())
        return time.perf_counter() - started


def megabytes(target: Target) -> float:
    """Return the service's resident memory."""
    return (resident_bytes(target) or 0) / 1e6


def main() -> None:
    """Print the table."""
    file, count = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    texts = [row[0] for row in read_rows(file.name, file.parent)][:count]
    task = Task(kind="translate", source="de", target="en")
    body = {"q": "\n".join(texts), "source": task.source, "target": task.target}
    alone = statistics.median(at_hand_seconds(texts, task) for _ in range(ROUNDS))
    with (
        served(Settings()) as target,
        httpx.Client(base_url=target.url, timeout=PATIENCE_SECONDS, trust_env=False) as client,
    ):
        document_seconds(client, body | {"q": "\n".join(texts[:100])})
        before = megabytes(target)
        as_document = [document_seconds(client, body) for _ in range(ROUNDS)]
        after = megabytes(target)
        streamed = [first_sentence_seconds(client, body) for _ in range(ROUNDS)]
    table = Table("", "", title=f"{len(texts)} sentences, {len(body['q']):,} characters")
    table.add_row("at hand, sentences/s", f"{len(texts) / alone:,.0f}")
    whole = statistics.median(as_document)
    table.add_row("as a document over HTTP, sentences/s", f"{len(texts) / whole:,.0f} ({alone / whole:.2f} of that)")
    table.add_row("first sentence of a stream, ms", " ".join(f"{1000 * one:.0f}" for one in streamed))
    table.add_row("memory before, after", f"{before:,.0f} MB, {after:,.0f} MB")
    console.print(table)


if __name__ == "__main__":
    main()
