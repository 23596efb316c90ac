"""Where the processor time of the event loop goes, which is all of a request but decoding: HTTP, text, queue.

    .venv/bin/python benchmarks/event_loop.py TEXTS.de-en.tsv [SECONDS]

Sixteen clients, each sending single sentences one after another. The profiler costs time itself, at each call of a
function: the shares say where to look, `dragoman bench server` says how much it is.
"""

import cProfile
import json
import os
import pstats
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.table import Table

from model.data import read_rows
from service.bench.load import OK, ClosedJob, run_apart
from service.bench.server import free_port, get
from service.server import serve
from service.settings import load_settings

CLIENTS = 16
WARM_UP_SECONDS = 3.0
SECONDS = 20.0
SHOWN = 40
PACKAGES = "site-packages/"

console = Console(width=100)


def serve_profiled(file: str) -> None:
    """Serve until SIGTERM, and write the profile of the main thread since SIGUSR1, by its processor time."""
    profile = cProfile.Profile(time.thread_time)

    def begin(number: int, frame: FrameType | None) -> None:
        del number, frame
        profile.enable()

    signal.signal(signal.SIGUSR1, begin)
    try:
        serve(load_settings())
    finally:
        profile.disable()
        profile.dump_stats(file)


def part_of(file: str) -> str:
    """Return the package of a source file, and its module where it is ours."""
    if PACKAGES in file:
        return file.split(PACKAGES)[1].split("/")[0].removesuffix(".py")
    path = Path(file)
    return f"{path.parent.name}/{path.stem}" if path.parent.name in ("service", "model") else f"Python's {path.stem}"


def seconds_by_part(stats: pstats.Stats) -> Counter[str]:
    """Add up the time in each part's own code; what is built in counts where it is called from."""
    seconds: Counter[str] = Counter()
    for (file, _, _), (_, _, own, _, callers) in stats.stats.items():  # type: ignore[attr-defined]
        if file != "~":
            seconds[part_of(file)] += own
        for (caller, _, _), (_, _, own_there, _) in callers.items() if file == "~" else ():
            seconds["built in" if caller == "~" else part_of(caller)] += own_there
    return seconds


def main() -> None:
    """Serve, load, and print the parts that take most."""
    file = Path(sys.argv[1])
    texts = [row[0] for row in read_rows(file.name, file.parent, at_least=1)]
    duration = float(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    bodies = [json.dumps({"q": text, "source": "de", "target": "en"}) for text in texts]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as folder:
        dump = f"{folder}/profile"
        environment = {**os.environ, "DRAGOMAN_PORT": str(port), "DRAGOMAN_LOG_LEVEL": "warning"}
        service = subprocess.Popen([sys.executable, __file__, "--serve", dump], env=environment)
        try:
            while get(f"{url}/health/ready")[0] != 200:
                if service.poll() is not None:
                    sys.exit("the service did not start")
                time.sleep(0.1)
            run_apart(ClosedJob(f"{url}/translate", bodies, CLIENTS, WARM_UP_SECONDS))
            service.send_signal(signal.SIGUSR1)
            outcomes = run_apart(ClosedJob(f"{url}/translate", bodies, CLIENTS, duration)).outcomes
        finally:
            service.terminate()
            service.wait()
        seconds = seconds_by_part(pstats.Stats(dump))
    failed = sum(outcome.status != OK for outcome in outcomes)
    total = sum(seconds.values())
    table = Table("part", "ms a request", "share")
    for part, of_part in [*seconds.most_common(SHOWN), ("all", total)]:
        table.add_row(part, f"{1000 * of_part / len(outcomes):.3f}", f"{of_part / total:.1%}")
    console.print(table)
    console.print(f"{len(outcomes)} requests in {duration:.0f} s, {failed} not answered with 200")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_profiled(sys.argv[2])
    else:
        main()
