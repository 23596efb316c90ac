"""Dragoman's training beside that of OpenNMT-py and JoeyNMT, of LSTMs of one size, on one machine in one run.

    .venv/bin/python benchmarks/training_speed.py TRAIN.de-en.tsv.xz --folder FOLDER --output training.json

FOLDER gets an environment for each peer, filled from PyPI (peer_setup.py), and the pairs cut into pieces. Everyone
trains by its own command (peers/*_training.py), which goes on in turn for some seconds, round after round; who is not
asked waits between two updates. What is counted are the target pieces of the updates taken, ends of sentence included,
padding not.

Equal: the pairs, cut by our tokenizer, the tag of the task before each source; embeddings 384, shared by source and
target; hidden 480 (an encoder's two directions together), two layers and two, general attention; dropout 0.1, label
smoothing 0.1, Adam, clipping of gradients; all cores. Batches have as many padded positions: those of the longer side
for the peers, half of those of both sides for ours. The table shows to how many pieces an update that comes.

Not equal:

- OpenNMT-py and JoeyNMT feed the decoder its last output by default, and then compute a position at a time. Without
  input feeding, as ours, OpenNMT-py computes all positions at once, which is the kinder setting; JoeyNMT still goes
  position by position.
- Our output layer shares the embeddings as well, so it is 384 wide. Theirs cannot where the sizes differ, and is 480
  wide: a quarter more to multiply there.
- Our decoder attends after its first layer, and the second reads the context, while theirs attend after the last.
- Batching is each one's own, as a user would set it up: ours and OpenNMT-py's are of like lengths, JoeyNMT has no such
  thing. OpenNMT-py puts no end of sentence behind the source.
- Ours trains in bfloat16 where the processor has it, which the peers cannot on a CPU; ours in float32 is in the table
  too.

Nobody validates or saves meanwhile.
"""

import contextlib
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
import typer
from company import ProcessorSeconds
from peer_contenders import OURS, Contender, Runner, runner
from peer_setup import LSTM, SCRIPTS, PeerError, Place, once, python_of
from peers import CORES, SETTLE_SECONDS, Failure, Folder, console, described, machine, start_all, task_of

from model.config import Task, TokenizerConfig
from model.data import read_rows
from model.precision import available
from model.tokenizer import Tokenizer

MAX_PIECES = 100
DEV_PAIRS = 8
"""JoeyNMT does not start without some, which it never comes to."""
TRAINING = {
    "dropout": 0.1,
    "label_smoothing": 0.1,
    "learning_rate": 1e-3,
    "warmup_steps": 400,
    "max_gradient_norm": 1.0,
}
FLOAT32, BFLOAT16 = "float32", "bfloat16"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Measurement(NamedTuple):
    """What one contender did in one round."""

    round: int
    name: str
    setting: str
    seconds: float
    updates: float
    target_pieces: float
    others: float
    """Cores' worth of work that anyone else did meanwhile."""

    @property
    def rate(self) -> float:
        """Target pieces a second."""
        return self.target_pieces / self.seconds


class Standing(NamedTuple):
    """A contender's rates over all rounds, in target pieces a second."""

    name: str
    setting: str
    median: float
    low: float
    high: float
    pieces_an_update: float
    ours_over_it: dict[str, float]
    """Type of number → how many times as fast ours trains in it."""


def cut_into_pieces(pairs: Path, task: Task, vocabulary_size: int, place: Place) -> Path:
    """Return the folder of the peers' texts, which is filled if need be: by the tokenizer that our training learns."""

    def make() -> None:
        rows = [row[:2] for row in read_rows(pairs.name, pairs.parent)]
        config = TokenizerConfig(vocabulary_size=vocabulary_size)
        tokenizer = Tokenizer.train((text for row in rows for text in row), [task], config)
        encoded = [[tokenizer.encode(text) for text in row] for row in rows]
        kept = [sides for sides in encoded if all(0 < len(side) <= MAX_PIECES for side in sides)]
        sources = [tokenizer.frame_source(source, task)[:-1] for source, _ in kept]  # they end sentences themselves
        targets = [target for _, target in kept]
        for name, size in (("train", len(kept)), ("dev", DEV_PAIRS)):
            for side, ids in (("source", sources[:size]), ("target", targets[:size])):
                lines = [" ".join(tokenizer.pieces(sentence)) + "\n" for sentence in ids]
                (folder / f"{name}.{side}").write_text("".join(lines), encoding="utf-8")
        pieces = tokenizer.pieces(range(len(tokenizer)))
        (folder / "pieces.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")

    folder = place.folder / "texts" / f"{pairs.name}-{vocabulary_size}"
    return once(folder, (str(pairs), pairs.stat().st_size, str(task), vocabulary_size), make)


@contextlib.contextmanager
def training(
    script: str, settings: dict[str, object], environment: str | None, place: Place, log: Path
) -> Iterator[Runner]:
    """Start a peer's training in its environment, or ours in this one."""
    scratch = log.with_suffix("")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    path = scratch / "settings.json"
    path.write_text(json.dumps({"scratch": str(scratch), **settings}), encoding="utf-8")
    python = python_of(environment, place) if environment else sys.executable
    with runner([python, SCRIPTS / script, path], log) as process:
        yield process


def contenders(settings: dict[str, object]) -> list[Contender]:
    """Return everyone; ``variant`` of the settings is what tells the two of a name apart."""
    has_bfloat16 = BFLOAT16 in available(torch.device("cpu"))
    found = [(OURS, BFLOAT16, "ours_training.py", None, True)] if has_bfloat16 else []
    found.append((OURS, FLOAT32, "ours_training.py", None, False))
    for name in ("OpenNMT-py", "JoeyNMT"):
        environment = "opennmt" if name == "OpenNMT-py" else "joeynmt"
        script = f"{environment}_training.py"
        found.append((name, "without input feeding", script, environment, False))
        found.append((name, "its default, with input feeding", script, environment, True))
    return [
        Contender(name, setting, (), partial(training, script, {**settings, "variant": variant}, environment))
        for name, setting, script, environment, variant in found
    ]


def ask(peer: Runner, seconds: float) -> dict[str, Any]:
    """Have a peer train for so many seconds, to the end of an update; tell how much company it had."""
    time.sleep(SETTLE_SECONDS)
    pids = (peer.pid, os.getpid())
    before, begun = ProcessorSeconds.now(*pids), time.perf_counter()
    answer = peer.ask({"seconds": seconds})
    others = ProcessorSeconds.now(*pids).others_since(before) / (time.perf_counter() - begun)
    return {**answer, "others": others}


def measure_rounds(
    running: dict[Contender, Runner], rounds: int, seconds: float, warm_up_seconds: float
) -> tuple[list[Measurement], list[Failure]]:
    """Have everyone train in turn; round 0 warms up and is not returned. Another one begins in each round."""
    measurements, failures = [], []
    active = list(running)
    for number in range(rounds + 1):
        console.print(f"round {number} of {rounds}", style="dim")
        first = number % max(len(active), 1)
        for contender in active[first:] + active[:first]:
            try:
                answer = ask(running[contender], seconds if number else warm_up_seconds)
            except PeerError as error:
                failures.append(Failure(contender.name, contender.setting, str(error)))
                active.remove(contender)
                continue
            if number:
                measurements.append(Measurement(number, contender.name, contender.setting, **answer))
    return measurements, failures


def standings(everyone: Sequence[Contender], measurements: Sequence[Measurement]) -> list[Standing]:
    """Sum up the rounds, in the order of the contenders, by the medians of one run."""
    found = {c: [m for m in measurements if (m.name, m.setting) == (c.name, c.setting)] for c in everyone}
    rates = {c: [m.rate for m in of_one] for c, of_one in found.items() if of_one}
    medians = {c: statistics.median(values) for c, values in rates.items()}
    ours = {c.setting: median for c, median in medians.items() if c.name == OURS}
    return [
        Standing(
            c.name,
            c.setting,
            medians[c],
            min(values),
            max(values),
            sum(m.target_pieces for m in found[c]) / sum(m.updates for m in found[c]),
            {setting: median / medians[c] for setting, median in ours.items()},
        )
        for c, values in rates.items()
    ]


def markdown(report: dict[str, Any]) -> str:
    """Return the report as a table, with who could not run and why."""
    about, host = {(p["name"], p["setting"]): p for p in report["peers"]}, report["machine"]
    found = [Standing(**fields) for fields in report["standings"]]
    types = [s.setting for s in found if s.name == OURS]
    ratios = "".join(f" ours in {setting} ÷ it |" for setting in types)
    rows = [f"| | | parameters | pieces an update | pieces/s: median | lowest–highest |{ratios}"]
    rows.append("|---" * (6 + len(types)) + "|")
    for s in found:
        parameters = f"{about[s.name, s.setting]['parameters'] / 1e6:.1f} M"
        rates = f"{s.median:,.0f} | {s.low:,.0f}–{s.high:,.0f}"
        ratios = "".join(f" {s.ours_over_it[setting]:.2f} |" for setting in types)
        rows.append(f"| {s.name} | {s.setting} | {parameters} | {s.pieces_an_update:,.0f} | {rates} |{ratios}")
    rows += [f"| {f['name']} | {f['setting']} | could not run: {f['reason']} |" for f in report["failures"]]
    others = [m["others"] for m in report["measurements"]] or [0.0]
    versions = sorted({f"{name} {v}" for peer in report["peers"] for name, v in peer["versions"].items()})
    rows.append(
        f"\n{report['date']}, {host['cores']} cores of {host['processor']} ({', '.join(host['instructions'])}), of "
        f"which others used {statistics.median(others):.2f} in the median measurement, {max(others):.2f} in the worst. "
        f"Python {host['python']}, {', '.join(versions)}. {report['pairs']}, {report['vocabulary_size']:,} pieces, "
        f"batches of {report['batch_pieces']:,}, {report['rounds']} interleaved rounds of {report['seconds']:g} s "
        f"after {report['warm_up_seconds']:g} s."
    )
    return "\n".join(rows)


@app.command(help=__doc__)
def measure(
    pairs: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="TSV (.xz, .gz): source, target.")],
    folder: Folder,
    output: Annotated[Path, typer.Option(help="Where the JSON goes.")],
    rounds: Annotated[int, typer.Option(min=1)] = 5,
    seconds: Annotated[float, typer.Option(min=0.1, help="Of training, of each contender in each round.")] = 20.0,
    warm_up_seconds: Annotated[float, typer.Option(min=0.1, help="Of training before the first round.")] = 60.0,
    batch_pieces: Annotated[int, typer.Option(min=100, help="Padded positions of a batch's longer side.")] = 4000,
    vocabulary_size: Annotated[int, typer.Option(min=300)] = 8000,
    only: Annotated[str, typer.Option(help="Peers whose name holds this; we are always among them.")] = "",
) -> None:
    """Measure the training of all; write JSON, print a Markdown table."""
    task, place, host = task_of(pairs), Place(folder.resolve()), machine()
    settings: dict[str, object] = {
        "pairs": str(pairs.resolve()),
        "pieces": str(cut_into_pieces(pairs.resolve(), task, vocabulary_size, place)),
        "task": str(task),
        "vocabulary_size": vocabulary_size,
        "max_pieces": MAX_PIECES,
        "threads": CORES,
        "batch_pieces": batch_pieces,
        **LSTM,
        **TRAINING,
    }
    everyone = [c for c in contenders(settings) if only in c.name or c.name == OURS]
    with contextlib.ExitStack() as stack:
        running, failures = start_all(everyone, place, stack)
        measurements, broken = measure_rounds(running, rounds, seconds, warm_up_seconds)
    report = {
        "date": date.today().isoformat(),
        "machine": host,
        "pairs": pairs.name,
        "settings": {**LSTM, **TRAINING},
        "vocabulary_size": vocabulary_size,
        "batch_pieces": batch_pieces,
        "rounds": rounds,
        "seconds": seconds,
        "warm_up_seconds": warm_up_seconds,
        "peers": described(running),
        "failures": [f._asdict() for f in failures + broken],
        "standings": [s._asdict() for s in standings(everyone, measurements)],
        "measurements": [m._asdict() for m in measurements],
    }
    output.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    console.print(markdown(report), markup=False, soft_wrap=True)


if __name__ == "__main__":
    app()
