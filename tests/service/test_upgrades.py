"""Clients that offer to speak another protocol are answered in HTTP, with all of its limits."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from httptools import HttpResponseParser
from uvicorn.protocols.websockets import auto

from tests.service.fakes import GatedSearch
from tests.service.live import VALID, Live, assert_counted, assert_error, local_settings, running, serve_fakes


@pytest.fixture
def served(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that finds a library for WebSockets."""

    class Found:
        def __init__(self, **_: object) -> None:
            raise AssertionError("it speaks WebSocket")

    monkeypatch.setattr(auto, "AutoWebSocketsProtocol", Found)
    serve_fakes(monkeypatch, search, "translate:de:en")
    with running(local_settings(tmp_path, max_body_bytes=1000)) as live:
        yield live


@pytest.fixture(params=["websocket", "h2c"])
def upgrade(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"Connection": "Upgrade", "Upgrade": request.param, "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}


def test_an_upgrade_is_an_ordinary_request(
    upgrade: dict[str, str], served: Live, caplog: pytest.LogCaptureFixture
) -> None:
    assert served.client.get("/languages", headers=upgrade).status_code == 200
    assert_error(served.client.get("/nowhere", headers=upgrade), 404)
    answer = served.client.post("/translate", json=VALID, headers=upgrade)
    assert answer.json() == {"translatedText": VALID["q"][::-1]}
    assert_counted(served, ("/translate", "translate:de:en", 200))
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


OFFER = b"Host: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n"
GET = b"GET /languages HTTP/1.1\r\n" + OFFER + b"\r\n"
BODY = json.dumps(VALID).encode()
JSON = b"POST /translate HTTP/1.1\r\n" + OFFER + b"Content-Type: application/json\r\n"
WHOLE = JSON + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


class Answers:
    """The statuses of the answers on a connection, several of which may come at once."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self._parser = HttpResponseParser(self)

    def feed(self, received: bytes) -> None:
        assert received, "the connection was closed"
        self._parser.feed_data(received)

    def on_message_complete(self) -> None:
        self.statuses.append(self._parser.get_status_code())


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_requests_with_offers_may_come_in_any_parts_and_one_after_another(size: int, served: Live) -> None:
    stream = GET + WHOLE + CHUNKED + GET
    with served.connect() as connection:
        for start in range(0, len(stream), size):
            connection.sendall(stream[start : start + size])
        answers = Answers()
        while len(answers.statuses) < 4:
            answers.feed(connection.recv(65536))
    assert answers.statuses == [200] * 4


def test_the_answer_to_a_last_request_with_an_offer_comes_though_more_follows_it(served: Live) -> None:
    last = WHOLE.replace(b"Connection: Upgrade", b"Connection: close, Upgrade")
    with served.connect() as connection:
        connection.sendall(last + GET)
        answers = Answers()
        while not answers.statuses:
            answers.feed(connection.recv(65536))
    assert answers.statuses == [200]


@pytest.mark.parametrize("target", [b"/languages", b"x:1"])
def test_an_offer_beside_a_request_for_a_tunnel_is_refused(target: bytes, served: Live) -> None:
    with served.connect() as connection:
        connection.sendall(b"CONNECT " + target + b" HTTP/1.1\r\n" + OFFER + b"\r\n")
        assert connection.recv(12) in (b"HTTP/1.1 400", b"HTTP/1.1 405")


def test_an_upgrade_passes_no_limit(upgrade: dict[str, str], served: Live) -> None:
    body = json.dumps(VALID | {"q": "a" * 1000})
    assert_error(served.client.post("/translate", content=body, headers=upgrade), 413)
