"""A service in a process of its own, as a user starts it, and what the system says of that process."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from model.config import DType
from service.bench.errors import BenchError
from service.settings import Settings

ENGINE_THREAD = "engine"
START_SECONDS = 600.0
STOP_SECONDS = 60.0
MAX_CHARACTERS = 1_000_000
MAX_OPEN_FILES = 65_536
COMMAND = (sys.executable, "-m", "service", "serve")
PROC = Path("/proc")

# Whatever proxy the environment names is not on the way to this machine.
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


class Target(NamedTuple):
    """Where load goes; ``pid`` is None for a service that is not ours."""

    url: str
    pid: int | None


class CpuTimes(NamedTuple):
    """Processor seconds of a process, and of its threads of one name; None where the system does not tell."""

    process_seconds: float | None
    engine_seconds: float | None

    def since(self, before: "CpuTimes") -> "CpuTimes":
        """Return what was spent after ``before``."""
        return CpuTimes(
            _difference(self.process_seconds, before.process_seconds),
            _difference(self.engine_seconds, before.engine_seconds),
        )

    def beside(self, decoding_seconds: float | None) -> float | None:
        """Return the part of all processor time that was not decoding, of which the service counts the seconds."""
        if not self.process_seconds or decoding_seconds is None:
            return None
        return 1 - decoding_seconds / self.process_seconds


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


@contextmanager
def served(settings: Settings) -> Iterator[Target]:
    """Run ``dragoman serve`` for as long as the block; it is ready when the block begins.

    Of the settings it takes bundles, policy and type of number. All others are those of the environment, but that
    documents may be long and that it waits for nobody when it stops. BenchError when it does not become ready.
    """
    port = free_port()
    environment = {
        **os.environ,
        "DRAGOMAN_MODELS": str(settings.models),
        "DRAGOMAN_POLICY": settings.policy,
        "DRAGOMAN_DTYPE": settings.dtype,
        "DRAGOMAN_HOST": "127.0.0.1",
        "DRAGOMAN_PORT": str(port),
        "DRAGOMAN_CHAR_LIMIT": str(MAX_CHARACTERS),
        "DRAGOMAN_DRAIN_SECONDS": "0",
        "DRAGOMAN_LOG_LEVEL": "warning",
    }
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(COMMAND, env=environment, stdout=subprocess.DEVNULL, stderr=log)
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log)
            yield Target(url, process.pid)
        finally:
            _stop(process)


def allow_many_connections() -> None:
    """Let this process and those it starts open many files: an overloaded service has a connection for each request."""
    import resource  # which Windows has not, where the other commands run

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: IO[str]) -> None:
    deadline = time.monotonic() + START_SECONDS
    reason = "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            said = log.read().strip().splitlines() or ["it said nothing"]
            raise BenchError(f"the service ended with status {process.returncode}: {said[-1]}")
        status, answer = get(f"{url}/health/ready")
        if status == 200:
            return
        if status:
            reason = str(json.loads(answer).get("status"))
            if reason != "loading":
                break
        time.sleep(0.05)
    raise BenchError(f"the service does not become ready: {reason}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def served_dtype(target: Target, task: str) -> DType:
    """Return the type of number in which a service of ours does a task; BenchError when it does not do it."""
    _, answer = get(f"{target.url}/models")
    for bundle in json.loads(answer):
        if task in bundle["tasks"]:
            dtype: DType = bundle["dtype"]
            return dtype
    raise BenchError(f"no bundle that can be loaded does {task}")


def get(url: str) -> tuple[int, str]:
    """Return status and text of an answer; status 0 when there was none."""
    return _answer(urllib.request.Request(url), timeout=10)


def post(url: str, body: str, *, timeout: float) -> tuple[int, str]:
    """Return status and text of the answer to a JSON body; status 0 when none came in time."""
    headers = {"Content-Type": "application/json"}
    return _answer(urllib.request.Request(url, body.encode(), headers), timeout=timeout)


def _answer(request: urllib.request.Request, timeout: float) -> tuple[int, str]:
    try:
        with _open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(errors="replace")
    except (OSError, TimeoutError):
        return 0, ""


def cpu_times(target: Target) -> CpuTimes:
    """Return the processor time spent so far. The workers that a thread makes for OpenMP have its name."""
    if target.pid is None or not PROC.is_dir():
        return CpuTimes(None, None)
    folder = PROC / str(target.pid)
    _, process_seconds = _name_and_seconds(folder / "stat")
    threads = [_name_and_seconds(path) for path in folder.glob("task/*/stat")]
    engine = [seconds for name, seconds in threads if name == ENGINE_THREAD]
    return CpuTimes(process_seconds, sum(engine) if engine else None)


def _name_and_seconds(path: Path) -> tuple[str, float]:
    try:
        stat = path.read_text()
    except OSError:  # a thread may end at any time
        return "", 0.0
    # The name stands in parentheses and may hold any character, of these too.
    before, _, after = stat.rpartition(")")
    user, system = after.split()[11:13]
    return before.partition("(")[2], (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def engine_counter_seconds(target: Target) -> float | None:
    """Return what the service itself counts as its engine thread's processor time; None when it does not."""
    return metric(target, "dragoman_engine_cpu_seconds_total")


def resident_bytes(target: Target) -> float | None:
    """Return the resident memory that the service reports of itself."""
    return metric(target, "process_resident_memory_bytes")


def metric(target: Target, name: str) -> float | None:
    """Return the sum of a metric's samples at /metrics; None when there is none."""
    _, text = get(f"{target.url}/metrics")
    lines = (line.rpartition(" ") for line in text.splitlines())
    values = [float(value) for sample, _, value in lines if sample.partition("{")[0] == name]
    return sum(values) if values else None
