"""What a benchmark says: a table for people, and JSON with everything, the machine included."""

import json
import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.table import Column, Table

from model.bundle import BundleError, load_manifest
from service.bench.figures import Summary, shown, shown_spread
from service.bench.memory import Memory
from service.bench.online import Trial
from service.catalogue import bundle_folders
from service.settings import Settings


def describe_machine() -> dict[str, object]:
    """Return what figures depend on beside the program."""
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def describe_bundles(models: Path) -> list[str]:
    """Return name and version of each bundle, or why it cannot be read."""
    described = []
    for folder in bundle_folders(models):
        try:
            manifest = load_manifest(folder)
            described.append(f"{manifest.name} {manifest.version}, {manifest.parameters} parameters")
        except BundleError as error:
            described.append(str(error))
    return described


def processor_name() -> str:
    """Return what the processor is called; Python itself knows only its architecture, where it knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def write_report(
    file: Path | None, command: str, settings: Mapping[str, Settings], *, options: object, results: object
) -> None:
    """Write everything to a file, if one is wanted. What is infinite, as nobody answered, is null."""
    if file is None:
        return
    models = {one.models for one in settings.values()}
    document = {
        "command": command,
        "machine": describe_machine(),
        "bundles": [bundle for folder in models for bundle in describe_bundles(folder)],
        "options": options,
        "settings": {policy: one.model_dump(mode="json") for policy, one in settings.items()},
        "results": results,
    }
    file.write_text(json.dumps(_plain(document), indent=1, ensure_ascii=False) + "\n")


def _plain(value: object) -> object:
    """Return records as objects by their fields' names, and what JSON cannot hold as null or text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def summaries_table(first: str, summaries: Mapping[str, Summary], note: str) -> Table:
    """Return a row of medians and ranges for each summary; ``first`` is what the rows are."""
    rows = list(summaries.items())
    names = [name.replace("_", " ") for name in rows[0][1].figures]
    table = Table(Column(first, no_wrap=True), *names, caption=f"{note}; {_of_rounds(len(rows[0][1].rounds))}")
    for name, summary in rows:
        table.add_row(name, *map(shown_spread, summary.figures.values()))
    return table


def _of_rounds(count: int) -> str:
    return "one round" if count == 1 else f"median and range of {count} rounds"


def trials_table(trials: Mapping[str, Sequence[Trial]]) -> Table:
    """Return a row for each load that was tried, for each policy in the order of load."""
    policy_column = Column("policy", no_wrap=True)
    table = Table(policy_column, "requests/s", "requests", "p50 ms", "p90 ms", "p99 ms", "late p99 ms", "statuses")
    for policy, tried in trials.items():
        for trial in sorted(tried, key=lambda trial: trial.rate):
            latencies = [shown(value) for value in trial.short[:3]]
            statuses = ", ".join(f"{status}: {count}" for status, count in sorted(trial.statuses.items()))
            table.add_row(
                policy, shown(trial.rate), str(trial.requests), *latencies, shown(trial.late.p99_ms), statuses
            )
    return table


def memory_table(memory: Memory) -> Table:
    """Return a row for each sample."""
    table = Table("requests", "resident MB", "growth", caption=f"answers by status: {memory.statuses}")
    for sample in memory.samples:
        table.add_row(f"{sample.requests:,}", f"{sample.resident_megabytes:,.1f}", f"{100 * sample.growth:+.1f} %")
    return table
