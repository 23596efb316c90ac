import os
import resource
import sys
import threading
import time
from pathlib import Path

import pytest

from service.bench import server
from service.bench.errors import BenchError
from service.bench.server import (
    CpuTimes,
    Target,
    allow_many_connections,
    cpu_times,
    engine_counter_seconds,
    free_port,
    get,
    metric,
    post,
    resident_bytes,
    served,
    served_dtype,
)
from service.settings import Settings
from tests.service.bench.stub import stub

NOWHERE = Target("http://127.0.0.1:1", None)
on_linux = pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux tells")

# Stands in for `dragoman serve`: loading at first, then ready, and its settings are its metrics.
SERVICE = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

states = ["loading", "loading", {last!r}]

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        state = states.pop(0) if len(states) > 1 else states[0]
        text = '{{"status": "%s"}}' % state
        if self.path == "/metrics":
            text = "".join(f"{{n}} {{v}}\\n" for n, v in os.environ.items() if n.startswith("DRAGOMAN_"))
        self.send_response(200 if state == "ok" else 503)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

HTTPServer(("127.0.0.1", int(os.environ["DRAGOMAN_PORT"])), Handler).serve_forever()
"""


def pretend(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(server, "COMMAND", (sys.executable, "-S", "-c", script))


def test_a_service_is_ready_with_its_policy_and_gone_afterwards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, SERVICE.format(last="ok"))
    monkeypatch.setenv("DRAGOMAN_THREADS", "1")
    with served(Settings(models=tmp_path, policy="static", dtype="float32")) as target:
        settings = dict(line.split(" ", 1) for line in get(f"{target.url}/metrics")[1].splitlines())
        assert target.pid is not None
        os.kill(target.pid, 0)
    assert settings["DRAGOMAN_POLICY"] == "static"
    assert settings["DRAGOMAN_DTYPE"] == "float32"
    assert settings["DRAGOMAN_MODELS"] == str(tmp_path)
    assert settings["DRAGOMAN_THREADS"] == "1"  # what is not the benchmark's is the environment's
    with pytest.raises(ProcessLookupError):
        os.kill(target.pid, 0)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (SERVICE.format(last="no bundle can be served"), "does not become ready: no bundle can be served"),
        ("import sys; sys.exit('first\\nmodels are gone')", "ended with status 1: models are gone"),
        ("", "ended with status 0: it said nothing"),
    ],
)
def test_a_service_that_does_not_become_ready_is_explained(
    script: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, script)
    with pytest.raises(BenchError, match=message), served(Settings(models=tmp_path, policy="static", dtype="float32")):
        pytest.fail("it was taken for ready")


@on_linux
def test_processor_time_is_told_apart_by_the_name_of_the_thread() -> None:
    target = Target("", os.getpid())
    spun, measured = threading.Event(), threading.Event()

    def spin() -> None:
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text("engine")
        while time.thread_time() < 0.1:
            pass
        spun.set()
        measured.wait(10)

    before = cpu_times(target)
    thread = threading.Thread(target=spin)
    thread.start()
    spun.wait(10)
    spent = cpu_times(target).since(before._replace(engine_seconds=before.engine_seconds or 0.0))
    measured.set()
    thread.join()
    assert spent.engine_seconds == pytest.approx(0.1, abs=0.03)
    assert spent.process_seconds is not None
    assert spent.process_seconds >= spent.engine_seconds - 0.03
    assert cpu_times(target).process_seconds == pytest.approx(time.process_time(), abs=0.05)


def test_the_share_beside_decoding_is_what_decoding_did_not_take() -> None:
    assert CpuTimes(12.0, 9.5).since(CpuTimes(2.0, 0.5)).beside(8.0) == pytest.approx(0.2)


@pytest.mark.parametrize("before", [CpuTimes(None, None), CpuTimes(1.0, None)])
def test_what_the_system_does_not_tell_is_none(before: CpuTimes) -> None:
    spent = CpuTimes(2.0, None).since(before)
    assert (spent.engine_seconds, spent.beside(None), CpuTimes(None, None).beside(1.0)) == (None, None, None)
    assert cpu_times(NOWHERE) == (None, None)


def test_metrics_are_read_by_their_whole_name_and_summed_over_labels() -> None:
    with stub() as service:
        service.metrics = (
            "# HELP a_total of a\n# TYPE a_total counter\n"
            'a_total{x="1"} 1.5\na_total{x="2 }"} 2.0\na_total_created 9.0\n'
            "process_resident_memory_bytes 4.2e+08\ndragoman_engine_cpu_seconds_total 3.0\n"
        )
        target = Target(service.url, None)
        assert metric(target, "a_total") == 3.5
        assert metric(target, "b_total") is None
        assert resident_bytes(target) == 4.2e8
        assert engine_counter_seconds(target) == 3.0
    assert metric(NOWHERE, "a_total") is None


def test_the_type_of_number_is_that_of_the_bundle_that_does_the_task() -> None:
    with stub() as service:
        target = Target(service.url, None)
        assert served_dtype(target, "translate:de:en") == "int8"
        with pytest.raises(BenchError, match="no bundle that can be loaded does translate:en:de"):
            served_dtype(target, "translate:en:de")


def test_nobody_listens_on_a_free_port() -> None:
    assert get(f"http://127.0.0.1:{free_port()}") == (0, "")


def test_a_post_gives_the_status_whatever_it_is() -> None:
    with stub(lambda body: int(body["q"])) as service:
        answers = [post(service.url, f'{{"q": {status}}}', timeout=10) for status in (200, 503)]
    assert answers == [(200, "{}"), (503, "{}")]
    assert post(NOWHERE.url, "{}", timeout=10) == (0, "")


def test_the_limit_of_open_files_is_raised_and_never_lowered() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 512), hard))
        allow_many_connections()
        raised, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, hard)
        assert raised >= min(soft, 512)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
