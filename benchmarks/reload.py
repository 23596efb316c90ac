"""Whether new versions of a bundle can be loaded under load for ever: memory, failures and wrong answers.

    .venv/bin/python benchmarks/reload.py [RELOADS]

By default ten. The service has all starters; of one, two versions take turns, which are the same network in two
archives: to the service they are two networks, and any answer that differs from what it gave at first is wrong. It
notices new versions by itself, and the time until they are served has that in it.
"""

import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from model.bundle import MANIFEST, NETWORK, checksum
from service.bench.server import Target, get, post, resident_bytes, served
from service.settings import STARTERS, Settings

RELOADS = 10
LOOK_SECONDS = 0.2
"""How often the service looks for new versions, and twice before it loads one."""
CLIENTS = 4
WARM_UP_SECONDS = 20
SECONDS_AFTER = 2
"""Of load, once nobody is answered by the version before, until memory is read."""
NAME = "translate-de-fr-en"
SENTENCES = [
    "Guten Morgen!", "Ich habe heute keine Zeit.", "Wo ist der Bahnhof?", "Das Wetter ist heute sehr schön.",
    "Mein Bruder wohnt seit zehn Jahren in Berlin.", "Kannst du mir bitte helfen?", "Sie liest gern Bücher.",
    "Wir haben gestern Abend einen langen Film gesehen, der uns sehr gefallen hat.", "Danke!", "Ich weiß es nicht.",
    "Wenn es morgen regnet, bleiben wir zu Hause und spielen Karten.", "Er hat den Schlüssel vergessen.",
]  # fmt: skip

console = Console(width=120)


class Outcome(NamedTuple):
    """Of one request."""

    at: float
    seconds: float
    failed: bool
    wrong: bool


def name_of(version: int) -> str:
    """Return what the manifest says, which no starter does."""
    return f"reloaded-{version}"


def put_version(models: Path, version: int) -> None:
    """Put another version of the starter into the folder, moved into its place as a whole."""
    made = models / ".made"
    shutil.copytree(STARTERS / NAME, made)
    archive = (made / NETWORK).read_bytes() + b"\0" * (version % 2)
    manifest = json.loads((made / MANIFEST).read_text())
    manifest |= {"version": name_of(version), "files": manifest["files"] | {NETWORK: checksum(archive)}}
    (made / NETWORK).write_bytes(archive)
    (made / MANIFEST).write_text(json.dumps(manifest))
    (models / NAME).rename(models / ".old")
    made.rename(models / NAME)
    shutil.rmtree(models / ".old")


def translate(target: Target, sentences: list[str]) -> list[str] | None:
    """Return what the service makes of sentences; None when it failed."""
    body = json.dumps({"q": sentences, "source": "de", "target": "en"})
    status, answer = post(f"{target.url}/translate", body, timeout=120)
    return list(json.loads(answer)["translatedText"]) if status == 200 else None


class Client:
    """Sends requests of random sizes, one after another, until told to stop."""

    def __init__(self, target: Target, expected: dict[str, str], seed: int) -> None:
        self.outcomes: list[Outcome] = []
        self._target = target
        self._expected = expected
        self._random = Random(seed)

    def run(self, stop: Event) -> None:
        """Send them, and note what came of each."""
        while not stop.is_set():
            sentences = self._random.choices(SENTENCES, k=self._random.randint(1, len(SENTENCES)))
            started = time.monotonic()
            found = translate(self._target, sentences)
            wrong = found is not None and found != [self._expected[sentence] for sentence in sentences]
            self.outcomes.append(Outcome(started, time.monotonic() - started, found is None, wrong))

    def has_asked_since(self, at: float) -> bool:
        """Say whether a request that began later than ``at`` has been answered."""
        return any(outcome.at > at for outcome in self.outcomes[-1:])


def megabytes(target: Target) -> float:
    """Return what the service holds."""
    return (resident_bytes(target) or 0.0) / 1e6


def seconds_until_served(target: Target, version: int) -> float:
    """Wait until a version is served; return for how long."""
    started = time.monotonic()
    while version_of(target) != name_of(version):
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - started


def version_of(target: Target) -> str | None:
    """Return the version of the starter that is served; None where the service does not say."""
    status, answer = get(f"{target.url}/models")
    bundles = json.loads(answer) if status == 200 else []
    return next((str(one["version"]) for one in bundles if one["folder"] == NAME), None)


def main() -> None:
    """Print memory after each reload, and how requests fared."""
    reloads = int(sys.argv[1]) if len(sys.argv) > 1 else RELOADS
    os.environ["DRAGOMAN_RELOAD_SECONDS"] = str(LOOK_SECONDS)
    with TemporaryDirectory() as folder:
        models = Path(shutil.copytree(STARTERS, Path(folder) / "models"))
        with served(Settings(models=models)) as target, ThreadPoolExecutor(CLIENTS) as threads:
            first = translate(target, SENTENCES)
            assert first
            crowd = [Client(target, dict(zip(SENTENCES, first, strict=True)), seed) for seed in range(CLIENTS)]
            stop = Event()
            running = [threads.submit(client.run, stop) for client in crowd]
            table = Table("reloads", "served after, s", "resident, MB")
            time.sleep(WARM_UP_SECONDS)
            table.add_row("0", "", f"{megabytes(target):.0f}")
            begun = time.monotonic()
            for n in range(1, reloads + 1):
                put_version(models, n)
                seconds, loaded_at = seconds_until_served(target, n), time.monotonic()
                while not all(client.has_asked_since(loaded_at) for client in crowd):
                    time.sleep(0.1)
                time.sleep(SECONDS_AFTER)
                table.add_row(str(n), f"{seconds:.1f}", f"{megabytes(target):.0f}")
            stop.set()
            for one in running:
                one.result()
    console.print(table)
    outcomes = [outcome for client in crowd for outcome in client.outcomes]
    report("before", [outcome for outcome in outcomes if outcome.at < begun])
    report("while", [outcome for outcome in outcomes if outcome.at >= begun])


def report(when: str, outcomes: list[Outcome]) -> None:
    """Print how requests fared."""
    seconds = [outcome.seconds for outcome in outcomes]
    failed, wrong = sum(outcome.failed for outcome in outcomes), sum(outcome.wrong for outcome in outcomes)
    console.print(
        f"{when} reloading: {len(outcomes)} requests, {failed} failed, {wrong} wrong, "
        f"median {median(seconds):.2f} s, longest {max(seconds):.2f} s"
    )


if __name__ == "__main__":
    main()
