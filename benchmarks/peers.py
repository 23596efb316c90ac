"""Dragoman beside what people would use instead, on one machine in one run.

    .venv/bin/python benchmarks/peers.py measure TEXTS.de-en.tsv --folder FOLDER --output peers.json
    .venv/bin/python benchmarks/peers.py serve libretranslate --folder FOLDER --port 5000

FOLDER gets an environment for each peer, filled from PyPI, and untrained models of our vocabulary (peer_setup.py). All
get the same sources, cut by our tokenizer, and by force give equally many pieces, for where an untrained model ends
means nothing. Each loads once and is asked in turn, round after round; who is not asked waits.
"""

import contextlib
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from company import ProcessorSeconds
from peer_contenders import OURS, Contender, Running, Text, contenders
from peer_setup import PeerError, Place, libretranslate, opennmt
from rich.console import Console

from model.bundle import TOKENIZER, load_manifest
from model.config import Task
from model.data import read_rows
from model.tokenizer import Tokenizer
from service.bench.report import processor_name
from service.bench.server import free_port

STARTER = Path(__file__).parent.parent / "model" / "starters" / "translate-de-fr-en"
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
BATCHES_A_ROUND = {1: 8, 8: 8, 32: 4}
"""Size of a batch → how many a peer decodes in a round."""
SETTLE_SECONDS = 0.5  # the threads of who was asked last may spin for a while
TELLING_FLAGS = {"avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"}

console = Console(width=160)
app = typer.Typer(add_completion=False, help=__doc__, pretty_exceptions_enable=False)

Folder = Annotated[Path, typer.Option(help="Where environments, models and logs go.")]
BundleFolder = Annotated[Path, typer.Option(help="Our bundle; the peers get its vocabulary.")]
Length = Annotated[int, typer.Option(min=1, help="Pieces of every target, without the end of sentence.")]


class Measurement(NamedTuple):
    """What one contender did in one round."""

    round: int
    name: str
    setting: str
    batch_size: int
    seconds: float
    sentences: int
    target_pieces: int
    others: float
    """Cores' worth of work that anyone else did meanwhile."""

    @property
    def rate(self) -> float:
        """Target pieces a second."""
        return self.target_pieces / self.seconds


class Failure(NamedTuple):
    """A contender that could not run, or broke off."""

    name: str
    setting: str
    reason: str


class Standing(NamedTuple):
    """A contender's rates over all rounds, in target pieces a second."""

    name: str
    setting: str
    batch_size: int
    median: float
    low: float
    high: float
    ours_over_it: float | None
    """How many times as fast our best setting is."""


def task_of(file: Path) -> Task:
    """Return the translation from the first to the second column of a file named like ``test.de-en.tsv``."""
    try:
        source, target = file.name.split(".")[1].split("-")
        return Task(kind="translate", source=source, target=target)
    except (IndexError, ValueError) as error:
        raise typer.BadParameter(f"{file.name} does not name its languages, as test.de-en.tsv does") from error


def read_texts(file: Path, bundle: Path, task: Task) -> list[Text]:
    """Return the texts of the first column, in the file's order, that our bundle decodes in one piece."""
    tokenizer, limit = Tokenizer((bundle / TOKENIZER).read_bytes()), load_manifest(bundle).max_source_pieces
    encoded = [(row[0], tokenizer.encode(row[0])) for row in read_rows(file.name, file.parent)]
    framed = [(text, tokenizer.frame_source(ids, task)) for text, ids in encoded if 0 < len(ids) <= limit]
    return [Text(text, ids, tokenizer.pieces(ids)) for text, ids in framed]


def start_all(
    everyone: Sequence[Contender], place: Place, stack: contextlib.ExitStack
) -> tuple[dict[Contender, Running], list[Failure]]:
    """Load everyone who can be; say why the others cannot."""
    running: dict[Contender, Running] = {}
    failures = []
    for number, contender in enumerate(everyone):
        console.print(f"starting {contender.name}, {contender.setting}", style="dim")
        try:
            running[contender] = stack.enter_context(contender.start(place, place.log(f"contender-{number}")))
        except PeerError as error:
            failures.append(Failure(contender.name, contender.setting, str(error)))
    return running, failures


def ask(peer: Running, texts: Sequence[Text], batch_size: int, target_length: int) -> dict[str, Any]:
    """Have a peer decode; tell how long it took, and how much company it had."""
    pids = (peer.pid, os.getpid())
    before, begun = ProcessorSeconds.now(*pids), time.perf_counter()
    answer = peer.ask(texts, batch_size, target_length)
    elapsed = time.perf_counter() - begun
    return {**answer, "others": ProcessorSeconds.now(*pids).others_since(before) / elapsed}


def measure_rounds(
    running: dict[Contender, Running], texts: Sequence[Text], rounds: int, target_length: int
) -> tuple[list[Measurement], list[Failure]]:
    """Ask everyone in turn, with other texts each round; round 0 warms up and is not returned.

    Another one begins in each round, so that nobody always follows the same one.
    """
    measurements, failures = [], []
    supply, active = itertools.cycle(texts), list(running)
    for number in range(rounds + 1):
        console.print(f"round {number} of {rounds}", style="dim")
        for batch_size, batches in BATCHES_A_ROUND.items():
            sources = list(itertools.islice(supply, batch_size * batches))
            first = number % max(len(active), 1)
            for contender in active[first:] + active[:first]:
                if batch_size not in contender.batch_sizes:
                    continue
                time.sleep(SETTLE_SECONDS)
                try:
                    answer = ask(running[contender], sources, batch_size, target_length)
                except PeerError as error:
                    failures.append(Failure(contender.name, contender.setting, str(error)))
                    active.remove(contender)
                    continue
                if number:
                    measurements.append(Measurement(number, contender.name, contender.setting, batch_size, **answer))
    return measurements, failures


def standings(everyone: Sequence[Contender], measurements: Sequence[Measurement]) -> list[Standing]:
    """Sum up the rounds. Our best setting at a batch size is what all are held against, by the medians of one run."""
    keys = [(c.name, c.setting, size) for size in BATCHES_A_ROUND for c in everyone if size in c.batch_sizes]
    found = {key: [m.rate for m in measurements if (m.name, m.setting, m.batch_size) == key] for key in keys}
    rates = {key: values for key, values in found.items() if values}
    medians = {key: statistics.median(values) for key, values in rates.items()}
    best: dict[int, float] = {}
    for (name, _, size), median in medians.items():
        if name == OURS:
            best[size] = max(median, best.get(size, 0.0))
    return [
        Standing(*key, medians[key], min(values), max(values), best[key[2]] / medians[key] if key[2] in best else None)
        for key, values in rates.items()
    ]


def machine() -> dict[str, Any]:
    """Return what is worth knowing of this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {
        "processor": processor_name(),
        "instructions": sorted(TELLING_FLAGS & set(fields.get("flags", "").split())),
        "cores": CORES,
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def described(running: dict[Contender, Running]) -> list[dict[str, Any]]:
    """Return what each contender says of itself."""
    return [{"name": c.name, "setting": c.setting, **peer.description} for c, peer in running.items()]


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a table, with who could not run and why."""
    about, host = {(p["name"], p["setting"]): p for p in report["peers"]}, report["machine"]
    rows = ["| batch | | workers × threads | beam | parameters | pieces/s: median | lowest–highest | ours ÷ it |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    for s in (Standing(**fields) for fields in report["standings"]):
        peer = about[s.name, s.setting]
        parameters = f"{peer['parameters'] / 1e6:.1f} M" if "parameters" in peer else "–"
        ratio = "–" if s.ours_over_it is None else f"{s.ours_over_it:.2f}"
        rates = f"{s.median:,.0f} | {s.low:,.0f}–{s.high:,.0f} | {ratio}"
        rows.append(f"| {s.batch_size} | {s.name} | {s.setting} | {peer['beam_size']} | {parameters} | {rates} |")
    rows += [f"| – | {f['name']} | {f['setting']} | could not run: {f['reason']} | | | | |" for f in report["failures"]]
    others = [m["others"] for m in report["measurements"]] or [0.0]
    versions = sorted({f"{name} {v}" for peer in report["peers"] for name, v in peer.get("versions", {}).items()})
    rows.append(
        f"\n{report['date']}, {host['cores']} cores of {host['processor']} ({', '.join(host['instructions'])}), of "
        f"which others used {statistics.median(others):.2f} in the median measurement, {max(others):.2f} in the worst. "
        f"Python {host['python']}, {', '.join(versions)}. "
        f"{report['texts']}, {report['target_length']} forced target pieces, {report['rounds']} interleaved rounds."
    )
    return "\n".join(rows)


@app.command()
def measure(
    texts: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TSV; its first column is translated.")],
    folder: Folder,
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")],
    bundle: BundleFolder = STARTER,
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    target_length: Length = 25,
    only: Annotated[str, typer.Option(help="Peers whose name holds this; we are always among them.")] = "",
) -> None:
    """Measure all peers beside us; write JSON, print a Markdown table."""
    task, place, host = task_of(texts), Place(folder.resolve(), bundle.resolve()), machine()
    everyone = [c for c in contenders(task, target_length, CORES) if only in c.name or c.name == OURS]
    sources = read_texts(texts, place.bundle, task)
    with contextlib.ExitStack() as stack:
        running, failures = start_all(everyone, place, stack)
        measurements, broken = measure_rounds(running, sources, rounds, target_length)
    report = {
        "date": date.today().isoformat(),
        "machine": host,
        "texts": texts.name,
        "bundle": load_manifest(place.bundle).name,
        "target_length": target_length,
        "rounds": rounds,
        "peers": described(running),
        "failures": [f._asdict() for f in failures + broken],
        "standings": [s._asdict() for s in standings(everyone, measurements)],
        "measurements": [m._asdict() for m in measurements],
    }
    output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(markdown(report), markup=False, soft_wrap=True)


@app.command()
def serve(
    name: Annotated[str, typer.Argument(help="libretranslate or opennmt")],
    folder: Folder,
    port: Annotated[int, typer.Option(help="0: any that is free.")] = 0,
    bundle: BundleFolder = STARTER,
    languages: tuple[str, str] = ("de", "en"),
    target_length: Length = 25,
    workers: Annotated[int, typer.Option(min=1, help="LibreTranslate: batches at a time.")] = 1,
    threads: Annotated[int, typer.Option(min=0, help="Threads of a batch; 0: the peer's default.")] = 0,
) -> None:
    """Make what a peer needs and become its server, on loopback, until terminated; for a load test to ask."""
    place, port = Place(folder.resolve(), bundle.resolve()), port or free_port()
    if name == "libretranslate":
        server = libretranslate(
            place, port, languages=languages, target_length=target_length, workers=workers, threads=threads
        )
    elif name == "opennmt":
        server = opennmt(place, port, target_length=target_length, threads=threads or CORES)
    else:
        raise typer.BadParameter(f"{name} is neither libretranslate nor opennmt")
    console.print(f"http://127.0.0.1:{port}")
    scratch = place.log(f"serve-{name}").with_suffix("")
    scratch.mkdir(exist_ok=True)
    os.chdir(scratch)  # some write into the folder in which they are started
    os.execve(server.command[0], server.command, {**os.environ, **server.environment})


if __name__ == "__main__":
    app()
