"""Clients that are slow, silent or many, over real connections.

Nothing here sleeps: what has to be seen to pass is measured by a silent connection, which the server closes after
``header_seconds``.
"""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPResponse
from pathlib import Path

import pytest

from service import protocol, server
from service.protocol import MAX_HEADER_BYTES, Bounds
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, wait_until
from tests.service.live import VALID, Live, assert_counted, local_settings, running, serve_fakes

HASTY = {"header_seconds": 0.05, "body_seconds": 0.05}
POST = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
BODY = json.dumps(VALID).encode()
REQUEST = POST % len(BODY) + BODY
CHUNKED = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def everything(connection: socket.socket) -> bytes:
    """Return what comes until the server closes."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def drip(connection: socket.socket, drop: bytes) -> bytes:
    """Send the same again and again until the server closes; return what came."""
    received, deadline = b"", time.monotonic() + PATIENCE_SECONDS
    connection.settimeout(0.01)
    while time.monotonic() < deadline:
        try:
            connection.sendall(drop)
            part = connection.recv(65536)
        except TimeoutError:
            continue
        except (ConnectionResetError, BrokenPipeError):
            return received
        if not part:
            return received
        received += part
    raise AssertionError("the server never closed")


def let_time_pass(live: Live) -> None:
    """Return after ``header_seconds``."""
    with live.connect() as silent:
        assert everything(silent) == b""


def status_and_error(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    error: str = json.loads(body)["error"]
    return int(head.split()[1]), error


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    with HTTPResponse(connection) as answer:
        answer.begin()
        return answer.status, answer.read()


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
def test_a_connection_that_says_nothing_is_closed(fresh: Live) -> None:
    let_time_pass(fresh)


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
@pytest.mark.parametrize("drop", [b"a", b"X-Header: a\r\n"])
def test_headers_that_trickle_in_are_answered_408(fresh: Live, drop: bytes) -> None:
    with fresh.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\n")
        assert status_and_error(drip(connection, drop)) == (
            408,
            "Invalid request: the headers took too long to come in",
        )
    assert_counted(fresh, ("unknown", "", 408))


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
def test_a_body_that_trickles_in_is_answered_408_and_counted(fresh: Live) -> None:
    with fresh.connect() as connection:
        connection.sendall(POST % 900)
        assert status_and_error(drip(connection, b" ")) == (408, "Invalid request: the body took too long to come in")
    assert_counted(fresh, ("/translate", "", 408))


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
def test_a_body_of_which_nothing_comes_is_answered_408(fresh: Live) -> None:
    with fresh.connect() as connection:
        connection.sendall(POST % 900)
        assert status_and_error(everything(connection))[0] == 408


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
@pytest.mark.parametrize("request_line", [b"POST /nowhere", b"GET /health/live"])
def test_a_body_that_nobody_reads_does_not_keep_a_connection_open(fresh: Live, request_line: bytes) -> None:
    with fresh.connect() as connection:
        connection.sendall(request_line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
        assert b"HTTP/1.1 " in drip(connection, b" ")


@pytest.mark.parametrize("fresh", [{"header_seconds": 0.2, "body_seconds": 0.05}], indirect=True)
def test_a_body_that_comes_fast_enough_may_take_longer_the_larger_it_is(
    fresh: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MIN_BYTES_PER_SECOND", 1)
    with fresh.connect() as connection:
        connection.sendall(REQUEST[:-10])
        let_time_pass(fresh)
        connection.sendall(REQUEST[-10:])
        assert read_answer(connection)[0] == 200


@pytest.mark.parametrize("fresh", [{"header_seconds": 0.05}], indirect=True)
def test_line_breaks_between_requests_do_not_keep_a_connection_open(fresh: Live) -> None:
    with fresh.connect() as connection:
        connection.sendall(GET)
        assert drip(connection, b"\r\n").startswith(b"HTTP/1.1 200")


def test_an_idle_connection_is_closed(fresh: Live) -> None:
    fresh.server.config.timeout_keep_alive = 0
    with fresh.connect() as connection:
        connection.sendall(GET)
        assert everything(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("fresh", [HASTY], indirect=True)
@pytest.mark.parametrize("more", [b"", b"GET /health"])
def test_who_waits_for_an_answer_is_not_hurried(fresh: Live, search: GatedSearch, more: bytes) -> None:
    search.gate.clear()
    with fresh.connect() as connection:
        connection.sendall(REQUEST + more)
        search.wait_for_steps(1)
        let_time_pass(fresh)
        search.gate.set()
        assert read_answer(connection)[0] == 200


ENDLESS = [b"a" * 60_000, b"X-Header: a\r\n" * 5_000]


@pytest.mark.parametrize("drop", ENDLESS, ids=["one header", "many headers"])
def test_headers_without_an_end_are_refused(fresh: Live, drop: bytes) -> None:
    with fresh.connect() as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nX-Header: ")
        assert b"HTTP/1.1 431" in drip(connection, drop)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/live HTTP/1.1\r\nX: " + b"a" * MAX_HEADER_BYTES,
        b"GET /?q=" + b"a" * MAX_HEADER_BYTES + b" HTTP/1.1",
    ],
    ids=["header", "target"],
)
def test_headers_over_the_limit_are_refused_where_they_come_at_once_too(fresh: Live, head: bytes) -> None:
    with fresh.connect() as connection:
        connection.sendall(head + b"\r\n\r\n")
        answer = everything(connection)
    assert status_and_error(answer) == (431, "Invalid request: the headers are too large")
    assert_counted(fresh, ("unknown", "", 431))


@pytest.mark.parametrize("fresh", [{"body_seconds": 600.0}], indirect=True)
@pytest.mark.parametrize("drop", ENDLESS, ids=["one header", "many headers"])
def test_headers_without_an_end_are_refused_after_a_body_too(fresh: Live, drop: bytes) -> None:
    with fresh.connect() as connection:
        connection.sendall(CHUNKED + b"1\r\n{\r\n0\r\nX-Header: ")
        assert drip(connection, drop) == b""


def test_the_sizes_of_very_many_chunks_are_no_headers(fresh: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_HEADER_BYTES", len(CHUNKED))
    with fresh.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(CHUNKED)
        for byte in BODY:
            connection.sendall(b"00000001\r\n")
            connection.sendall(b"%c\r\n" % byte)
        connection.sendall(b"0\r\n\r\n")
        assert read_answer(connection)[0] == 200


def test_what_is_not_http_is_answered_400_in_json_and_counted(fresh: Live) -> None:
    with fresh.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert status_and_error(everything(connection)) == (400, "Invalid HTTP request received.")
    assert_counted(fresh, ("unknown", "", 400))


def test_a_long_text_in_the_query_string_is_read(fresh: Live) -> None:
    answer = fresh.client.post("/translate", params={"q": "a" * 15_000, "source": "en", "target": "en"})
    assert answer.json() == {"translatedText": "a" * 15_000}


def test_as_many_requests_as_may_wait_on_a_connection_are_answered_and_with_one_more_it_ends(
    fresh: Live, search: GatedSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_PIPELINED", 3)
    search.gate.clear()
    with fresh.connect() as connection:
        connection.sendall(REQUEST + 4 * GET)
        assert everything(connection) == b""
    search.gate.set()
    with fresh.connect() as connection:
        connection.sendall(REQUEST + 2 * GET + LAST)
        assert everything(connection).count(b"HTTP/1.1 200") == 4


@pytest.fixture
def crowded(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that takes two connections and tells a third."""
    monkeypatch.setattr(protocol, "SPARE_CONNECTIONS", 1)
    serve_fakes(monkeypatch, search, "translate:de:en")
    with running(local_settings(tmp_path, max_connections=2)) as live:
        live.client.close()
        wait_until(lambda: not live.server.server_state.connections)
        yield live


def test_connections_over_the_limit_are_told_so_and_those_beyond_closed(crowded: Live) -> None:
    connections = crowded.server.server_state.connections
    with contextlib.ExitStack() as stack:
        for place in (1, 2):
            held = stack.enter_context(crowded.connect())
            wait_until(lambda place=place: len(connections) == place)
        with crowded.connect() as told:
            wait_until(lambda: len(connections) == 3)
            with crowded.connect() as beyond:
                assert everything(beyond) == b""
            told.sendall(REQUEST)
            answer = everything(told)
        assert status_and_error(answer) == (503, "Too many connections")
        assert b"retry-after: 1" in answer
        assert crowded.state.metrics.requests.labels("unknown", "", 503)._value.get() == 1
        held.sendall(REQUEST)
        assert read_answer(held)[0] == 200
    wait_until(lambda: not connections)
    with crowded.connect() as later:
        later.sendall(REQUEST)
        assert read_answer(later)[0] == 200


def test_an_idle_connection_makes_room_for_a_new_one(crowded: Live) -> None:
    with crowded.connect(), crowded.connect() as idle:
        idle.sendall(REQUEST)
        assert read_answer(idle)[0] == 200
        with crowded.connect() as new:
            assert everything(idle) == b""
            new.sendall(REQUEST)
            assert read_answer(new)[0] == 200


def test_who_takes_nothing_of_a_long_answer_is_given_up(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server, "Bounds", partial(Bounds, stalled_seconds=0.05))
    serve_fakes(monkeypatch, search, "translate:de:en")
    with running(local_settings(tmp_path)) as live:
        name = live.state.downloads.add(b"x" * 30_000_000, "a", ".txt")
        with live.connect() as connection:
            connection.sendall(f"GET /download_file/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            live.client.close()
            wait_until(lambda: not live.server.server_state.connections)
            assert len(everything(connection)) < 30_000_000


def test_who_takes_nothing_of_a_short_answer_is_given_up_too(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(server, "Bounds", partial(Bounds, stalled_seconds=0.05))
    serve_fakes(monkeypatch, search, "translate:de:en")
    with running(local_settings(tmp_path)) as live, socket.socket() as connection:
        name = live.state.downloads.add(b"x" * 60_000, "a", ".txt")
        connections = live.server.server_state.connections
        live.client.close()
        wait_until(lambda: not connections)
        # So that the system keeps little of it.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.settimeout(PATIENCE_SECONDS)
        connection.connect(live.address)
        wait_until(lambda: len(connections) == 1)
        (mine,) = connections
        mine.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024)
        connection.sendall(f"GET /download_file/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        wait_until(lambda: not connections)
        assert len(everything(connection)) < 60_000
