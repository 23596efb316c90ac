import asyncio
import logging
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from service import rates as rates_module
from service.errors import TooManyRequests
from service.keys import KeyScope, add_key
from service.rates import Memory, Rates, parse_limit
from service.settings import MEMORY, SettingsError
from tests.service.fakes import GatedSearch, wait_until
from tests.service.live import VALID, Live, assert_counted, assert_error, local_settings, running, serve_fakes


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(rates_module, "time", SimpleNamespace(time=clock.time, monotonic=clock.time))
    return clock


def seconds_to_wait(rates: Rates, client: str = "a", limit: str | None = None) -> int:
    """Count a request; return 0, or what Retry-After would say."""
    return asyncio.run(_seconds_to_wait(rates, client, limit))


async def _seconds_to_wait(rates: Rates, client: str, limit: str | None) -> int:
    try:
        await rates.count(client, limit)
    except TooManyRequests as error:
        return error.retry_after_seconds or -1
    finally:
        await rates.close()  # before the loop ends
    return 0


def test_who_waits_as_long_as_is_said_is_let_through(clock: Clock) -> None:
    rates = Rates("2/minute", MEMORY)
    assert seconds_to_wait(rates) == 0
    clock.now += 20.5
    assert seconds_to_wait(rates) == 0
    assert [seconds_to_wait(rates), seconds_to_wait(rates)] == [40, 40]
    clock.now += 39
    assert seconds_to_wait(rates) == 1
    clock.now += 1
    assert [seconds_to_wait(rates) for _ in range(3)] == [0, 0, 60]


@pytest.mark.usefixtures("clock")
def test_each_client_has_a_count_of_its_own_and_may_have_a_limit_of_its_own() -> None:
    rates = Rates("1/minute", MEMORY)
    assert [seconds_to_wait(rates, client) for client in ("a", "b", "a")] == [0, 0, 60]
    assert [seconds_to_wait(rates, "c", "2/hour") for _ in range(3)] == [0, 0, 3600]


def test_without_a_limit_nobody_waits() -> None:
    rates = Rates(None, MEMORY)
    assert not any(seconds_to_wait(rates) for _ in range(100))
    assert [seconds_to_wait(rates, "a", "1/hour") for _ in range(2)] == [0, 3600]


@pytest.mark.usefixtures("clock")
def test_memory_for_counts_is_bounded_and_the_oldest_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates_module, "MAX_WINDOWS", 2)
    rates = Rates("1/minute", MEMORY)
    assert not any(seconds_to_wait(rates, client) for client in ("a", "b", "c"))
    assert isinstance(rates._storage, Memory)
    assert len(rates._storage._windows) == 2
    assert [seconds_to_wait(rates, client) for client in ("b", "c", "a")] == [60, 60, 0]


@pytest.mark.parametrize("limit", ["", "3", "x", "0/minute", "-1/minute", "3/fortnight", "1/minute;2/hour"])
def test_what_is_no_limit_is_named(limit: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(limit))):
        parse_limit(limit)
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_RATE_LIMIT: "):
        Rates(limit or "nothing", MEMORY)


# Redis


def over_redis(path: Path) -> Rates:
    pytest.importorskip("redis", reason="the client of Redis is not installed")
    return Rates("2/minute", f"redis+unix://{path}")


def test_an_address_that_is_none_is_named_without_the_password_in_it() -> None:
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_RATE_STORAGE ") as caught:
        Rates("2/minute", "redis://user:secret@host:port")
    assert "secret" not in str(caught.value)


def test_when_redis_cannot_be_reached_requests_pass_and_the_log_says_it_once(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    rates = over_redis(tmp_path / "nowhere")
    for _ in range(5):
        assert seconds_to_wait(rates) == 0
        clock.now += rates_module.PAUSE_SECONDS + 1
    assert caplog.text.count("rate limits are off") == 1
    assert caplog.text.count("ERROR") == 1


def test_a_redis_that_does_not_answer_is_waited_for_once_and_not_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rates_module, "REDIS_SECONDS", 0.02)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "redis"))
        silent.listen()
        rates = over_redis(tmp_path / "redis")
        assert [seconds_to_wait(rates) for _ in range(5)] == [0] * 5
        assert rates._failing


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Path]:
    """Run a Redis of one's own."""
    command = shutil.which("redis-server")
    if command is None:
        pytest.skip("there is no redis-server on this machine")
    path = tmp_path / "redis"
    process = subprocess.Popen(
        [command, "--port", "0", "--unixsocket", str(path), "--save", ""], stdout=subprocess.DEVNULL
    )
    try:
        wait_until(path.exists)
        yield path
    finally:
        process.kill()
        process.wait()


def test_services_that_share_a_redis_share_their_counts(redis: Path, caplog: pytest.LogCaptureFixture) -> None:
    *passed, refused = [seconds_to_wait(over_redis(redis)) for _ in range(3)]
    assert passed == [0, 0]
    assert 0 < refused <= 60
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


# A service with limits


@pytest.mark.parametrize("fresh", [{"rate_limit": "2/hour"}], indirect=True)
def test_one_request_too_many_is_answered_as_libretranslate_does(fresh: Live) -> None:
    assert [fresh.translate().status_code, fresh.client.post("/detect", json={"q": "Abc"}).status_code] == [200, 200]
    for route in ("/translate", "/detect", "/summarize", "/translate_file"):
        answer = fresh.client.post(route, json=VALID)
        assert_error(answer, 429, "Slowdown: 2 per 1 hour")
        assert 3500 < int(answer.headers["retry-after"]) <= 3600
    assert_counted(fresh, ("/translate", "", 429))


@pytest.mark.parametrize("fresh", [{"rate_limit": "1/hour"}], indirect=True)
def test_watching_and_asking_what_there_is_are_not_counted(fresh: Live) -> None:
    for route in ("/health", "/metrics", "/languages", "/frontend/settings", "/models", "/docs"):
        assert [fresh.client.get(route).status_code for _ in range(2)] == [200, 200]
    assert fresh.translate().status_code == 200


@pytest.mark.parametrize("fresh", [{"rate_limit": "1/hour"}], indirect=True)
def test_who_is_over_the_limit_is_refused_before_the_body_is_read(fresh: Live) -> None:
    assert fresh.translate().status_code == 200
    with fresh.connect() as connection:
        connection.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
        assert connection.recv(12) == b"HTTP/1.1 429"


def asked_from(live: Live, *forwarded_for: str) -> list[int]:
    """Return the status of a request from each address, as a proxy would tell it."""
    return [
        live.client.post("/translate", json=VALID, headers={"X-Forwarded-For": address}).status_code
        for address in forwarded_for
    ]


@pytest.mark.parametrize("fresh", [{"rate_limit": "1/hour"}], indirect=True)
def test_behind_a_trusted_proxy_clients_are_counted_by_the_address_that_it_saw(fresh: Live) -> None:
    assert asked_from(fresh, "192.0.2.1", "192.0.2.2", "192.0.2.1") == [200, 200, 429]
    # What the client says of itself stands to the left of what the proxy saw.
    assert asked_from(fresh, "192.0.2.9, 192.0.2.1", "192.0.2.8, 192.0.2.2") == [429, 429]
    assert asked_from(fresh, "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == [200, 429, 200]


@pytest.mark.parametrize("fresh", [{"rate_limit": "1/hour", "trusted_proxies": "192.0.2.0/24"}], indirect=True)
def test_who_is_no_trusted_proxy_is_not_believed(fresh: Live) -> None:
    assert asked_from(fresh, "192.0.2.1", "192.0.2.2") == [200, 429]


def test_keys_are_counted_by_themselves_and_wrong_ones_by_address(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "keys.sqlite"
    one, other, busy = (
        add_key(path, name, {KeyScope.TRANSLATE}, limit)
        for name, limit in [("one", None), ("other", None), ("busy", "3/hour")]
    )
    serve_fakes(monkeypatch, search, "translate:de:en")
    with running(local_settings(tmp_path, keys=path, rate_limit="1/hour")) as live:

        def ask(key: str) -> int:
            return live.translate(api_key=key).status_code

        assert [ask(one), ask(one), ask(other)] == [200, 429, 200]
        assert [ask(busy) for _ in range(4)] == [200, 200, 200, 429]
        assert [ask("wrong"), ask("wrong")] == [403, 429]
        assert live.translate().status_code == 429
