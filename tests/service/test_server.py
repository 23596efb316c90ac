"""Processes are started here as a user starts them, and get the signals that an init system sends."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from service import file_routes, server
from service.errors import NotReady
from service.files import open_file
from service.formats.opened import Opened
from service.server import listen, serve
from service.settings import Settings, SettingsError
from tests import reversal
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, wait_until
from tests.service.live import Live, local_settings, running, serve_fakes

DRAGOMAN = [str(Path(sysconfig.get_path("scripts")) / "dragoman"), "serve"]
GATED = """
# The command, but its engine's first step waits until someone has written to a named pipe and closed it.
import pathlib, sys
from model.search import Batch
from service import engine
from service.cli import app
from service.worker import Worker

step, advance, gate, reached = Batch.step, Worker.advance, pathlib.Path(sys.argv.pop(1)), []

def gated(self):
    if not reached:
        reached.append(True)
        print("the gate is reached", file=sys.stderr, flush=True)
        gate.read_bytes()
    return step(self)

def begin(self, joining):
    Batch.step = gated  # not for the warm-up
    advance(self, joining)

Worker.advance = begin
engine.CLOSE_SECONDS = 0.1
app()
"""


class Process(NamedTuple):
    """A server in a process of its own."""

    popen: subprocess.Popen[str]
    log: list[str]
    client: httpx.Client

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: any(text in line for line in list(self.log)))

    def leaves_with(self) -> int:
        return self.popen.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def started(command: list[str], models: Path, *, port: int = 0) -> Iterator[Process]:
    """Start a server and wait until it is ready; kill it where the block has not ended it."""
    environment = {**os.environ, "DRAGOMAN_THREADS": "1", "DRAGOMAN_DEVICE": "cpu", "DRAGOMAN_DTYPE": "float32"}
    environment["OMP_NUM_THREADS"] = "1"
    popen = subprocess.Popen(
        [*command, "--models", str(models), "--port", str(port)], stderr=subprocess.PIPE, text=True, env=environment
    )
    log: list[str] = []
    assert popen.stderr
    reader = threading.Thread(target=log.extend, args=(popen.stderr,))
    reader.start()
    try:
        wait_until(lambda: popen.poll() is not None or any("running on" in line for line in list(log)))
        found = re.search(r"running on (http://[\d.:]+)", "".join(log))
        assert found, "".join(log)
        with httpx.Client(base_url=found[1], timeout=PATIENCE_SECONDS, trust_env=False) as client:
            wait_until(lambda: client.get("/health/ready").is_success)
            yield Process(popen, log, client)
    finally:
        popen.kill()
        popen.wait()
        reader.join()
        popen.stderr.close()


def started_gated(gate: Path, models: Path) -> contextlib.AbstractContextManager[Process]:
    return started([sys.executable, "-c", GATED, str(gate), "serve"], models)


def translate(client: httpx.Client, q: object = "Abc") -> httpx.Response:
    return client.post("/translate", json={"q": q, "source": "de", "target": "en"})


def without_traceback(process: Process) -> bool:
    return "Traceback" not in "".join(process.log)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """Return a named pipe."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def test_sigterm_under_load_finishes_what_was_accepted_and_refuses_what_comes_later(
    reversal_models: Path, gate: Path, live: Live
) -> None:
    sentences = reversal.random_sentences(8, seed=1)
    with ThreadPoolExecutor(8) as pool, started_gated(gate, reversal_models) as process:
        accepted = [pool.submit(translate, process.client, sentences[0])]
        process.wait_for_log("the gate is reached")
        accepted += [pool.submit(translate, process.client, sentence) for sentence in sentences[1:]]
        wait_until(lambda: "queued_sentences 7.0" in process.client.get("/metrics").text)
        process.popen.send_signal(signal.SIGTERM)
        wait_until(lambda: process.client.get("/health/ready").status_code == 503)
        refused = translate(process.client)
        assert (refused.status_code, refused.json()) == (503, {"error": "Not ready: shutting down"})
        assert process.popen.poll() is None
        gate.write_bytes(b"open")
        answers = [future.result() for future in accepted]
        assert process.leaves_with() == 0
        with pytest.raises(httpx.ConnectError):
            process.client.get("/health")
    assert [answer.json() for answer in answers] == [live.translate(sentence).json() for sentence in sentences]
    assert without_traceback(process)


def test_a_second_signal_leaves_at_once(reversal_models: Path, gate: Path) -> None:
    with ThreadPoolExecutor(8) as pool, started_gated(gate, reversal_models) as process:
        accepted = pool.submit(translate, process.client)
        process.wait_for_log("the gate is reached")
        process.popen.send_signal(signal.SIGINT)
        wait_until(lambda: process.client.get("/health/ready").status_code == 503)
        process.popen.send_signal(signal.SIGTERM)
        process.popen.wait(5)
        assert accepted.exception() or accepted.result().status_code == 503


def test_killed_it_starts_again_on_its_port_and_idle_it_leaves_with_0_on_sigterm(reversal_models: Path) -> None:
    with started(DRAGOMAN, reversal_models) as process:
        port = process.client.base_url.port
        assert port
        process.popen.kill()
        assert process.leaves_with() == -signal.SIGKILL
    with started(DRAGOMAN, reversal_models, port=port) as process:
        assert translate(process.client, "Apfel").status_code == 200
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(5) == 0
        assert without_traceback(process)


def test_a_step_that_hangs_keeps_no_service_from_leaving(reversal_models: Path, gate: Path) -> None:
    with started_gated(gate, reversal_models) as process:
        url = process.client.base_url
        with socket.create_connection((url.host, url.port or 0)) as leaves:
            leaves.sendall(
                b"POST /translate?q=Abc&source=de&target=en HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
            )
            process.wait_for_log("the gate is reached")
        process.popen.send_signal(signal.SIGTERM)
        assert process.leaves_with() == 1
    assert "given up: after 0.1 s 1 threads are still decoding" in "".join(process.log)
    assert without_traceback(process)


# The same server in a thread, whose state can be reached


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> GatedSearch:
    """Let the next server load a bundle with this search."""
    search = GatedSearch()
    serve_fakes(monkeypatch, search, "translate:de:en")
    return search


def closed(live: Live) -> bool:
    try:
        live.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def is_closing(live: Live) -> bool:
    """Say whether the engine refuses work, as it does once all requests have ended."""
    try:
        live.state.engine.submit(live.bundle, [], live.bundle.manifest.decoding)
    except NotReady:
        return True
    return False


def test_while_it_drains_it_says_so_and_lists_what_it_has(search: GatedSearch, tmp_path: Path) -> None:
    with running(local_settings(tmp_path)) as live, ThreadPoolExecutor() as pool:
        search.gate.clear()
        accepted = pool.submit(live.translate, ["Abc", "Def"])
        search.wait_for_steps(1)
        live.server.handle_exit(signal.SIGTERM, None)
        for route, status in [("/health/live", 200), ("/health/ready", 503), ("/models", 200), ("/metrics", 200)]:
            assert live.client.get(route).status_code == status
        for refused in (live.translate("Ghi"), live.translate("Ghi", target="de")):
            assert (refused.status_code, refused.json()) == (503, {"error": "Not ready: shutting down"})
            assert int(refused.headers["retry-after"]) > 0
        search.gate.set()
        assert accepted.result().json() == {"translatedText": ["cbA", "feD"]}
        wait_until(lambda: closed(live))


def test_while_it_drains_streams_and_files_are_finished(search: GatedSearch, tmp_path: Path) -> None:
    with running(local_settings(tmp_path)) as live, ThreadPoolExecutor() as pool:
        search.gate.clear()
        stream = pool.submit(live.translate, "Abc.\nDef.", stream=True)
        upload: dict[str, Any] = {"files": {"file": ("a.txt", b"Ghi.")}, "data": {"source": "de", "target": "en"}}
        file = pool.submit(live.client.post, "/translate_file", **upload)
        wait_until(lambda: live.metric("dragoman_sentences_in_flight") + live.metric("dragoman_queued_sentences") == 3)
        live.server.handle_exit(signal.SIGTERM, None)
        assert live.client.post("/translate_file", **upload).json() == {"error": "Not ready: shutting down"}
        search.gate.set()
        assert stream.result().text.endswith('event: answer\ndata: {"translatedText":".cbA\\n.feD"}\n\n')
        assert file.result().status_code == 200
        wait_until(lambda: closed(live))


def test_a_file_that_is_being_read_when_it_begins_to_drain_is_finished(
    search: GatedSearch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(local_settings(tmp_path)) as live:

        async def drained_before(*given: Any) -> Opened:
            live.server.handle_exit(signal.SIGTERM, None)
            return await open_file(*given)

        monkeypatch.setattr(file_routes, "open_file", drained_before)
        fields = {"source": "de", "target": "en"}
        answer = live.client.post("/translate_file", files={"file": ("a.txt", b"Ghi.")}, data=fields)
        assert (answer.status_code, answer.json().keys()) == (200, {"translatedFileUrl"})
    assert len(search.admissions) == 1


def test_a_full_queue_refuses_streams_and_files_and_says_when_to_come_back(search: GatedSearch, tmp_path: Path) -> None:
    with running(local_settings(tmp_path, max_queued_pieces=10)) as live, ThreadPoolExecutor() as pool:
        search.gate.clear()
        decoded = pool.submit(live.translate, "Abc")
        search.wait_for_steps(1)
        waiting = pool.submit(live.translate, "Def")
        wait_until(lambda: live.metric("dragoman_queued_sentences") == 1)
        upload: dict[str, Any] = {"files": {"file": ("a.txt", b"Ghi jkl.")}, "data": {"source": "de", "target": "en"}}
        for refused in (live.translate("Ghi jkl.", stream=True), live.client.post("/translate_file", **upload)):
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json() == {"error": "Too busy: 1 sentences are waiting"}
        search.gate.set()
        assert [one.result().json()["translatedText"] for one in (decoded, waiting)] == ["cbA", "feD"]
        assert live.client.post("/translate_file", **upload).status_code == 200


def test_a_body_that_is_still_coming_in_is_no_reason_to_stay_longer_than_the_settings_say(
    search: GatedSearch, tmp_path: Path
) -> None:
    with running(local_settings(tmp_path, drain_seconds=0)) as live, live.connect() as connection:
        live.server.config.timeout_graceful_shutdown = 0
        connection.sendall(
            b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Type: application/json\r\n\r\n{"
        )
        wait_until(lambda: live.metric("dragoman_requests_in_progress") == 1)
        live.server.handle_exit(signal.SIGTERM, None)
        wait_until(lambda: closed(live))
    assert search.admissions == []


def test_after_drain_seconds_what_still_waits_is_given_up(search: GatedSearch, tmp_path: Path) -> None:
    with running(local_settings(tmp_path, drain_seconds=0)) as live, ThreadPoolExecutor() as pool:
        live.server.config.timeout_graceful_shutdown = 0
        search.gate.clear()
        first = pool.submit(live.translate, "Abc")
        search.wait_for_steps(1)
        second = pool.submit(live.translate, "Def")
        wait_until(lambda: live.metric("dragoman_queued_sentences") == 1)
        live.server.handle_exit(signal.SIGTERM, None)
        for given_up in (first, second):
            assert (given_up.result().status_code, given_up.result().headers["Retry-After"]) == (503, "5")
            assert given_up.result().json() == {"error": "Not ready: shutting down"}
        wait_until(lambda: is_closing(live))
        # The cancellation of a request takes some turns of the loop until it comes to its sentences.
        rooms = live.state.engine._rooms.values()
        wait_until(lambda: all(job.future.cancelled() for room in rooms for job in room.first(9)))
        search.gate.set()
    assert len(search.admissions) == 1


def test_a_port_in_use_is_named_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "create_app", pytest.fail)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = f"DRAGOMAN_HOST, DRAGOMAN_PORT: cannot listen on 127.0.0.1:{port}: Address already in use"
        with pytest.raises(SettingsError, match=f"^{message}$"):
            serve(Settings(models=tmp_path, port=port))


def test_a_host_that_is_not_this_machine_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign requested address"):
        serve(Settings(models=tmp_path, host="192.0.2.1", port=0))


def test_a_variable_that_is_no_setting_is_named_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("DRAGOMAN_CHAR_LIMITS", "5")
    with pytest.raises(SettingsError):
        serve(Settings(models=tmp_path, host="192.0.2.1", port=0))
    assert "DRAGOMAN_CHAR_LIMITS is none of the settings" in caplog.text


def test_who_connects_before_it_accepts_is_answered(search: GatedSearch, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as listening:
        early = socket.create_connection(listening.getsockname(), timeout=PATIENCE_SECONDS)
        early.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        early_server = server.Server(local_settings(tmp_path))
        thread = threading.Thread(target=early_server.run, args=([listening],))
        thread.start()
        with early:
            assert early.recv(12) == b"HTTP/1.1 200"
        early_server.should_exit = True
        thread.join(PATIENCE_SECONDS)
    assert search.admissions == []


def test_a_folder_of_bundles_that_is_not_there_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no folder .*nowhere"):
        serve(local_settings(tmp_path / "nowhere"))
