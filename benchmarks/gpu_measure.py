"""What is measured on a GPU: all sentences at hand, loads by policy, loads with documents, and a step.

Loads come for some seconds only, so that one that exceeds what can be borne by a twentieth may pass: its backlog has
no time to grow. That holds for all policies alike.
"""

import json
import math
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from gpu_load import (
    IN_FLIGHT,
    Asked,
    Bulk,
    Trial,
    Workload,
    decode_all,
    engine_of,
    random_sentences,
    real_sentences,
    run_open,
    warm_up,
)
from gpu_step import has_known_products, report_step
from gpu_timeline import watch_device, watch_host
from rich.console import Console
from rich.table import Table

from model.arenas import MOST_PLACES
from model.bundle import Bundle, load_bundle
from model.config import DType
from service.bench.capacity import largest_load
from service.bench.statistics import percentile
from service.engine import CPU_LIMITS, GPU_LIMITS

STATIC = ("static-10ms", "static")
POLICIES = (IN_FLIGHT, *STATIC)
TOLERANCE = 0.08
START = 0.7
"""Of what the engine does when all is at hand: the load that is tried first."""
SENTENCES = 4096
LENGTHS = (10, 40)
"""Of random sources in pieces, without tag and end."""
LONGEST = 100
"""Of real sentences, likewise, on either side."""
PERCENTILES = (1, 50, 99)
"""Of lengths, reported."""
DOCUMENTS_ONE_IN = 20
SHOWN = 14
SHOWN_BUSY = 0.01
"""Of streams."""

console = Console(width=140)


class MeasureError(ValueError):
    """What cannot be measured."""


class Capacity(NamedTuple):
    """What a policy bears, if it bears anything."""

    at_load: Trial | None
    at_half: Trial | None
    tried: list[Trial]

    @property
    def load(self) -> float:
        """Return sentences a second."""
        return self.at_load.sentences_per_second if self.at_load else 0.0

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        trials = {"at_load": self.at_load, "at_half": self.at_half}
        found = {name: trial and trial._asdict() for name, trial in trials.items()}
        return {"load": self.load, **found, "tried": [trial._asdict() for trial in self.tried]}


class Bench(NamedTuple):
    """What is measured."""

    bundle: Bundle
    sentences: list[Asked]
    limit: int
    """Sentences that are decoded together."""
    report: dict[str, Any]
    file: Path | None

    @property
    def beam_size(self) -> int:
        """Rows of a sentence."""
        return self.bundle.manifest.decoding.beam_size

    def save(self, part: str, found: object) -> None:
        """Add to the report, and write all that there is so far. JSON has no infinity: null was never answered."""
        self.report[part] = found
        if self.file:
            self.file.write_text(json.dumps(_finite(self.report), indent=1) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def open_bench(
    folder: Path, dtype: DType | None, limit: int | None, file: Path | None, texts: Path | None = None
) -> Bench:
    """Load the bundle as the service does, and let it meet batches of all sizes; sentences are those of ``texts``."""
    started = time.perf_counter()
    is_gpu = torch.cuda.is_available()
    bundle = load_bundle(folder, torch.device("cuda" if is_gpu else "cpu"), dtype)
    loaded = time.perf_counter()
    most = limit or (GPU_LIMITS if is_gpu else CPU_LIMITS).sentences
    sentences = (
        real_sentences(bundle, texts, SENTENCES, LONGEST) if texts else random_sentences(bundle, SENTENCES, LENGTHS)
    )
    with engine_of(IN_FLIGHT, most, bundle.manifest.decoding.beam_size) as engine:
        warm_up(engine, bundle, sentences, most)
    warm = time.perf_counter()
    manifest = bundle.manifest
    report = {
        "device": torch.cuda.get_device_name() if is_gpu else "cpu",
        "torch": torch.__version__,
        "dtype": bundle.dtype,
        "parameters": manifest.parameters,
        "network": manifest.networks[0].model_dump(),
        "texts": texts and texts.name,
        "target_pieces": [percentile([one.config.max_length for one in sentences], p) for p in PERCENTILES],
        "source_pieces": [percentile([len(one.source) for one in sentences], p) for p in PERCENTILES],
        "max_batch_sentences": most,
        "load_seconds": loaded - started,
        "warm_up_seconds": warm - loaded,
    }
    console.print(
        f"{report['device']}, {bundle.dtype}, {manifest.parameters / 1e6:.1f} M parameters; up to {most} sentences; "
        f"loaded in {loaded - started:.1f} s, warm after {warm - loaded:.1f} s more"
    )
    return Bench(bundle, sentences, most, report, file)


def measure_offline(bench: Bench, limits: list[int], count: int, rounds: int) -> None:
    """Decode all that is at hand, with so many sentences at a time."""
    sentences = (bench.sentences * -(-count // len(bench.sentences)))[:count]
    table = Table("sentences at a time", "sentences/s", "pieces/s", "lowest–highest", title=f"{count:,} at hand")
    found = {}
    for limit in limits:
        with engine_of(IN_FLIGHT, limit, bench.beam_size) as engine:
            decode_all(engine, bench.bundle, sentences[: 4 * limit])
            bulks: list[Bulk] = []
            for _ in range(rounds):
                bulks.append(decode_all(engine, bench.bundle, sentences))
                console.print(f"{limit} at a time: {bulks[-1].pieces / bulks[-1].seconds:,.0f} pieces/s", style="dim")
        rates = [bulk.pieces / bulk.seconds for bulk in bulks]
        sentences_a_second = median(bulk.sentences / bulk.seconds for bulk in bulks)
        table.add_row(
            str(limit), f"{sentences_a_second:,.0f}", f"{median(rates):,.0f}", f"{min(rates):,.0f}–{max(rates):,.0f}"
        )
        found[str(limit)] = [bulk._asdict() for bulk in bulks]
    console.print(table)
    bench.save("offline", found)


def measure_timeline(bench: Bench, count: int) -> None:
    """Print what the device and the host do while all is at hand."""
    if not torch.cuda.is_available():
        raise MeasureError("there is no GPU to look at")
    sentences = (bench.sentences * -(-count // len(bench.sentences)))[:count]
    with engine_of(IN_FLIGHT, bench.limit, bench.beam_size) as engine:
        decode_all(engine, bench.bundle, sentences[: 4 * bench.limit])
        timeline = watch_device(lambda: decode_all(engine, bench.bundle, sentences))
        host = watch_host(lambda: decode_all(engine, bench.bundle, sentences))
    console.print(f"{timeline.seconds:.2f} s, of which anything ran on the device in {timeline.busy:.0%}")
    for number, busy, kernels in (stream for stream in timeline.streams if stream.busy >= SHOWN_BUSY):
        listed = Table(f"stream {number}: busy {busy:.0%}", "share of the time", "one, us")
        for name, share, microseconds in kernels:
            listed.add_row(name[:100], f"{share:.1%}", f"{microseconds:.1f}")
        console.print(listed)
    for thread, functions in host.items():
        listed = Table(f"thread {thread}: function", "share of the looks")
        for name, share in functions:
            listed.add_row(name, f"{share:.0%}")
        console.print(listed)
    bench.save("timeline", {"device": timeline._asdict(), "host": host})


def measure_server(bench: Bench, seconds: float, bound_ms: float) -> float:
    """Search each policy's largest load with its p99 within the bound; return that of in-flight batching."""
    workload = Workload(bench.bundle, bench.sentences, seconds)
    found = {policy: find_capacity(bench, policy, workload, bound_ms) for policy in POLICIES}
    table = Table("policy", "sentences/s", "p50, ms", "p99, ms", "late p99, ms", "p50 at half, ms", "p99 at half, ms")
    for policy, (at_load, at_half, _) in found.items():
        if at_load and at_half:
            table.add_row(
                policy,
                f"{at_load.sentences_per_second:,.0f}",
                *(f"{ms:.1f}" for ms in (at_load.p50_ms, at_load.p99_ms, at_load.late_p99_ms)),
                *(f"{ms:.1f}" for ms in (at_half.p50_ms, at_half.p99_ms)),
            )
    console.print(table)
    bench.save("server", {policy: capacity.as_json() for policy, capacity in found.items()})
    ours, static = found[IN_FLIGHT], max((found[policy] for policy in STATIC), key=lambda capacity: capacity.load)
    if ours.at_half and static.at_half:
        console.print(
            f"in-flight bears {ours.load / static.load:.2f} × the load of the better static policy; at half of its own "
            f"load its p50 is {ours.at_half.p50_ms / static.at_half.p50_ms:.2f} × that of the same at half of its own"
        )
    return ours.load


def find_capacity(bench: Bench, policy: str, workload: Workload, bound_ms: float) -> Capacity:
    """Search one policy's largest load, from a part of what it does when all is at hand."""
    tried: list[Trial] = []
    with engine_of(policy, bench.limit, bench.beam_size) as engine:

        def run(rate: float) -> Trial:
            tried.append(run_open(engine, policy, workload, rate, bound_ms))
            show(tried[-1])
            return tried[-1]

        bulk = decode_all(engine, bench.bundle, (bench.sentences * 2)[: 8 * bench.limit])
        start = START * bulk.sentences / bulk.seconds
        load = largest_load(
            lambda rate: run(rate).p99_ms, bound=bound_ms, start=start, lowest=start / 32, tolerance=TOLERANCE
        )
        at_load = next((trial for trial in tried if trial.sentences_per_second == load), None)
        return Capacity(at_load, run(load / 2) if load else None, tried)


def measure_mixed(bench: Bench, seconds: float, capacity: float | None) -> None:
    """Send documents among the sentences, half of what in-flight batching bears in sentences a second."""
    workload = Workload(bench.bundle, bench.sentences, seconds, DOCUMENTS_ONE_IN)
    found: dict[str, Trial] = {}
    for policy in POLICIES:
        with engine_of(policy, bench.limit, bench.beam_size) as engine:
            bulk = decode_all(engine, bench.bundle, (bench.sentences * 2)[: 8 * bench.limit])
            capacity = capacity or bulk.sentences / bulk.seconds
            found[policy] = run_open(engine, policy, workload, capacity / 2, math.inf)
            show(found[policy])
    table = Table("policy", "sentences/s", "short: p50, ms", "p99, ms", "documents: p50, ms", "late p99, ms")
    for policy, trial in found.items():
        times = (trial.p50_ms, trial.p99_ms, trial.documents_p50_ms or math.nan, trial.late_p99_ms)
        table.add_row(policy, f"{trial.sentences_per_second:,.0f}", *(f"{ms:.1f}" for ms in times))
    console.print(table)
    better = min(found[policy].p99_ms for policy in STATIC)
    console.print(
        f"in-flight p99 of short requests: {found[IN_FLIGHT].p99_ms / better:.2f} × the better static policy's"
    )
    bench.save("mixed", {policy: trial._asdict() for policy, trial in found.items()})


def measure_step(bench: Bench, count: int) -> None:
    """Time a step of so many sentences, and print what it is made of."""
    if not has_known_products(bench.bundle.manifest.networks[0], bench.bundle.dtype):
        raise MeasureError("only the products of plain LSTMs with general or dot attention are known, and not in int8")
    count = min(count, MOST_PLACES)  # of more, some would wait for others, and not all have all of their rows
    report = report_step(bench.bundle, [one.source for one in bench.sentences[:count]])
    table = Table("sentences", "rows", "positions", "admit, ms", "step, ms", "products, ms", "share of the floor")
    sizes = (report.sentences, report.rows, report.positions)
    times = (report.admit_ms, report.step_ms, report.products_ms)
    table.add_row(*map(str, sizes), *(f"{ms:.2f}" for ms in times), f"{report.share_of_floor:.0%}")
    console.print(table)
    for title, shares in (("kernels", report.kernels), ("operators on the host", report.operators)):
        listed = Table(title, "ms a step", "calls a step")
        for share in shares[:SHOWN]:
            listed.add_row(share.name[:100], f"{share.ms:.3f}", f"{share.calls:g}")
        listed.add_row("all", f"{sum(share.ms for share in shares):.3f}", "")
        console.print(listed)
    console.print(f"outside of operators: {report.outside_ms:.2f} ms a step")
    listed_shares = {"kernels": report.kernels, "operators": report.operators}
    named = {name: [share._asdict() for share in shares] for name, shares in listed_shares.items()}
    bench.save("step", report._asdict() | named)


def show(trial: Trial) -> None:
    """Print a load that was tried."""
    end = ", broken off" if trial.broken_off else ""
    console.print(
        f"{trial.policy}: {trial.sentences_per_second:,.0f} sentences/s, p50 {trial.p50_ms:.1f} ms, "
        f"p99 {trial.p99_ms:.1f} ms, late {trial.late_p99_ms:.1f} ms{end}",
        style="dim",
    )
