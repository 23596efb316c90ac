"""Who is measured, in which settings, and how each is asked.

A setting is "workers × threads": so many batches at a time, each on so many threads.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import httpx
from peer_setup import (
    SCRIPTS,
    PeerError,
    Place,
    Server,
    last_line,
    libretranslate,
    lstm_of,
    opennmt,
    parameters_of,
    pins_of,
    python_of,
    started,
    transformer_of,
)

from model.config import DecodingConfig, Task
from service.bench.server import free_port

OURS = "Dragoman"
PRUNED = DecodingConfig().prune_threshold
TITLES = {"base": "Transformer base, 6+6×512", "small": "Transformer 5+5×256"}
REQUEST_SECONDS = 600


class Text(NamedTuple):
    """A source in every form that a peer may want it in."""

    text: str
    ids: list[int]
    """With our tag and the end of sentence, as ``pieces``."""
    pieces: list[str]


class Running(Protocol):
    """A peer that has loaded."""

    pid: int
    description: dict[str, Any]

    def ask(self, texts: Sequence[Text], batch_size: int, target_length: int) -> dict[str, float]:
        """Have the texts decoded in batches of that size; return seconds, sentences and target_pieces."""


Start = Callable[[Place, Path], contextlib.AbstractContextManager[Any]]
"""From where peers live and the file for a peer's own words to a Running or, where it trains, a Runner."""


class Contender(NamedTuple):
    """A peer in one setting."""

    name: str
    setting: str
    batch_sizes: tuple[int, ...]
    """Of what it is asked to decode; none where it is asked to train."""
    start: Start


class Runner:
    """A script of peers/, asked over its standard input."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process, self.log = process, log
        self.pid = process.pid
        self.description = self._read()

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return its answer; PeerError when it has ended instead."""
        assert self.process.stdin
        with contextlib.suppress(BrokenPipeError):  # it has ended: the read says why
            self.process.stdin.write(json.dumps(request) + "\n")
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise PeerError(f"{last_line(self.log)} (exit status {self.process.wait()})")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Decoder:
    """A runner that decodes."""

    def __init__(self, runner: Runner, form: str) -> None:
        self.runner, self.form = runner, form
        self.pid, self.description = runner.pid, runner.description

    def ask(self, texts: Sequence[Text], batch_size: int, target_length: int) -> dict[str, float]:
        """Have the texts decoded; the runner's clock runs while it decodes."""
        sources = [getattr(text, self.form) for text in texts]
        return self.runner.ask({"sources": sources, "batch_size": batch_size, "target_length": target_length})


class Web:
    """A server, asked one request at a time: the texts of a request are the batch."""

    def __init__(
        self, pid: int, address: str, body: Callable[[list[str]], object], description: dict[str, Any]
    ) -> None:
        self.client = httpx.Client(timeout=REQUEST_SECONDS, trust_env=False)
        self.pid, self.address, self.body, self.description = pid, address, body, description

    def ask(self, texts: Sequence[Text], batch_size: int, target_length: int) -> dict[str, float]:
        """Post the texts; every answer is taken to have the length that was forced."""
        words = [text.text for text in texts]
        bodies = [self.body(words[first : first + batch_size]) for first in range(0, len(words), batch_size)]
        begun = time.perf_counter()
        for body in bodies:
            try:
                response = self.client.post(self.address, json=body)
            except httpx.HTTPError as error:
                raise PeerError(f"{type(error).__name__}: {error}") from error
            if not response.is_success or "error" in response.json():
                raise PeerError(f"{response.status_code}: {response.text[:200]}")
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "sentences": len(words), "target_pieces": len(words) * target_length}


@contextlib.contextmanager
def runner(words: Sequence[str | Path], log: Path) -> Iterator[Runner]:
    """Start a runner; it ends when its input does."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(words, stderr=file, text=True, bufsize=1, **pipes) as process,
    ):
        yield Runner(process, log)


@contextlib.contextmanager
def decoder(words: Sequence[str | Path], form: str, log: Path) -> Iterator[Running]:
    """Start a runner that takes its sources in this form of a Text."""
    with runner(words, log) as process:
        yield Decoder(process, form)


def ours(
    workers: int, threads: int, place: Place, log: Path, prune_threshold: float = 0.0
) -> contextlib.AbstractContextManager[Running]:
    """Start our own runner, in this very environment; without pruning it carries as many rows as the peers do."""
    settings = map(str, (workers, threads, prune_threshold))
    return decoder([sys.executable, SCRIPTS / "ours.py", place.bundle, *settings], "ids", log)


def ctranslate2(
    model: str, workers: int, threads: int, place: Place, log: Path
) -> contextlib.AbstractContextManager[Running]:
    """Start CTranslate2 with an untrained Transformer."""
    script = [python_of("ctranslate2", place), SCRIPTS / "ctranslate2_runner.py"]
    return decoder([*script, transformer_of(model, place), str(workers), str(threads)], "pieces", log)


def opennmt_library(threads: int, place: Place, log: Path) -> contextlib.AbstractContextManager[Running]:
    """Start OpenNMT-py's own translator."""
    script = [python_of("opennmt", place), SCRIPTS / "opennmt_runner.py"]
    return decoder([*script, lstm_of(place), str(threads)], "pieces", log)


@contextlib.contextmanager
def opennmt_web(server: Callable[[Place, int], Server], place: Place, log: Path) -> Iterator[Running]:
    """Start OpenNMT-py's REST server."""
    port = free_port()
    with started(server(place, port), port, log) as pid:
        about = {"versions": pins_of("opennmt"), "parameters": parameters_of(lstm_of(place).parent), "beam_size": 5}
        address = f"http://127.0.0.1:{port}/translator/translate"
        yield Web(pid, address, lambda texts: [{"id": 1, "src": text} for text in texts], about)


@contextlib.contextmanager
def libretranslate_web(
    server: Callable[[Place, int], Server], task: Task, place: Place, log: Path
) -> Iterator[Running]:
    """Start LibreTranslate."""
    languages, port = {"source": task.source, "target": task.target}, free_port()
    with started(server(place, port), port, log) as pid:
        model = transformer_of("base", place)
        about = {"versions": pins_of("libretranslate"), "parameters": parameters_of(model), "beam_size": 4}
        yield Web(pid, f"http://127.0.0.1:{port}/translate", lambda texts: {"q": texts, **languages}, about)


def contenders(task: Task, target_length: int, cores: int) -> list[Contender]:
    """Return everyone: with a batch on all cores, a batch on one, and as many batches as cores where that can be."""
    all_cores, one, side_by_side = f"1 × {cores}", "1 × 1", f"{cores} × 1"
    peers = [
        Contender(OURS, all_cores, (1, 8, 32), partial(ours, 1, cores)),
        Contender(OURS, one, (1,), partial(ours, 1, 1)),
        Contender(OURS, side_by_side, (8, 32), partial(ours, cores, 1)),
        Contender(f"{OURS}, pruned as by default", one, (1,), partial(ours, 1, 1, prune_threshold=PRUNED)),
        Contender(
            f"{OURS}, pruned as by default", side_by_side, (8, 32), partial(ours, cores, 1, prune_threshold=PRUNED)
        ),
    ]
    for model, title in TITLES.items():
        name = f"CTranslate2 int8, {title}"
        peers += [
            Contender(name, all_cores, (1, 8, 32), partial(ctranslate2, model, 1, cores)),
            Contender(name, one, (1,), partial(ctranslate2, model, 1, 1)),
            Contender(name, side_by_side, (8, 32), partial(ctranslate2, model, cores, 1)),
        ]
    rest = partial(opennmt, target_length=target_length, threads=cores)
    libre = partial(libretranslate, languages=(task.source, task.target), target_length=target_length, workers=1)
    peers += [
        Contender("OpenNMT-py LSTM", all_cores, (1, 32), partial(opennmt_library, cores)),
        Contender("OpenNMT-py LSTM", one, (1, 32), partial(opennmt_library, 1)),
        Contender("OpenNMT-py LSTM, REST", all_cores, (1, 32), partial(opennmt_web, rest)),
        Contender(
            "LibreTranslate", "its default", (1, 8), partial(libretranslate_web, partial(libre, threads=0), task)
        ),
        Contender("LibreTranslate", one, (1, 8), partial(libretranslate_web, partial(libre, threads=1), task)),
    ]
    return list({(peer.name, peer.setting): peer for peer in peers}.values())
