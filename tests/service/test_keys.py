import json
import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from service.access import UNKNOWN, address_of
from service.errors import InvalidRequest, NotFound
from service.keys import KeyFile, KeyScope, add_key, list_keys, revoke_key
from service.settings import SettingsError
from tests.service.fakes import GatedSearch
from tests.service.live import VALID, Live, assert_error, local_settings, running, serve_fakes

WRONG = "dragoman_00000000_" + "0" * 64
MISSING = "Please contact the server operator to get an API key"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


# The file


@pytest.mark.parametrize(
    "write", [lambda path: add_key(path, "b", {KeyScope.ADMIN}, None), lambda path: revoke_key(path, "a")]
)
def test_a_file_that_another_writes_is_said_to_be_so(write: Callable[[Path], object], path: Path) -> None:
    add_key(path, "a", {KeyScope.TRANSLATE}, None)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SettingsError, match=r"^DRAGOMAN_KEYS: .* cannot be written: database is locked"):
            write(path)
    assert [key.name for key in list_keys(path)] == ["a"]


def test_a_file_whose_pages_are_damaged_is_said_to_be_so(path: Path) -> None:
    for number in range(60):  # which fill several pages
        add_key(path, str(number), {KeyScope.TRANSLATE}, None)
    path.write_bytes(path.read_bytes()[:-4096] + bytes(4096))
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_KEYS: .* cannot be read: "):
        list_keys(path)


def test_a_key_is_known_again_with_its_scopes_and_its_limit(path: Path) -> None:
    key = add_key(path, "web", {KeyScope.TRANSLATE, KeyScope.SUMMARIZE}, "5/minute")
    with closing(KeyFile(path)) as keys:
        found = keys.find(key)
    assert found
    assert (found.name, found.scopes, found.rate_limit) == ("web", {"translate", "summarize"}, "5/minute")


def test_the_file_holds_no_key_and_is_its_owner_s_alone(path: Path) -> None:
    key = add_key(path, "web", {KeyScope.TRANSLATE}, None)
    assert key.rpartition("_")[2].encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_two_keys_are_alike(path: Path) -> None:
    made = [add_key(path, str(number), {KeyScope.TRANSLATE}, None) for number in range(3)]
    assert len({key.rpartition("_")[2] for key in made}) == 3
    assert [key.name for key in list_keys(path)] == ["0", "1", "2"]


@pytest.mark.parametrize(
    "change",
    [lambda k: k[:-1], lambda k: k + "0", lambda k: k[:-1] + "g", str.upper, lambda _: "", lambda k: f" {k}"],
)
def test_what_is_not_quite_a_key_is_none(change: Callable[[str], str], path: Path) -> None:
    key = add_key(path, "web", {KeyScope.TRANSLATE}, None)
    with closing(KeyFile(path)) as keys:
        assert keys.find(change(key)) is None
        assert keys.find(key[:18] + "0" * 64) is None  # the id of one with the secret of none


def test_a_name_is_given_once_until_it_is_revoked(path: Path) -> None:
    add_key(path, "web", {KeyScope.TRANSLATE}, None)
    with pytest.raises(InvalidRequest, match="there is a key web already"):
        add_key(path, "web", {KeyScope.TRANSLATE}, None)
    revoke_key(path, "web")
    add_key(path, "web", {KeyScope.TRANSLATE}, None)
    with pytest.raises(NotFound, match="there is no key other"):
        revoke_key(path, "other")


@pytest.mark.parametrize("name", ["", "a b", "a" * 65, "a\n", "<b>"])
def test_a_name_that_would_not_show_well_is_refused(name: str, path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is no name for a key"):
        add_key(path, name, {KeyScope.TRANSLATE}, None)
    assert not path.exists()


def not_sqlite(path: Path) -> None:
    path.write_text("hello")


def another_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE keys (id TEXT)")


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, not_sqlite, another_database])
def test_a_file_that_holds_no_keys_is_named_at_the_start(make: Callable[[Path], None], path: Path) -> None:
    make(path)
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_KEYS: .*keys\.sqlite"):
        KeyFile(path)


# A service with keys


@pytest.fixture
def key(path: Path) -> str:
    return add_key(path, "web", {KeyScope.TRANSLATE}, None)


@pytest.fixture
def guarded(
    key: str, path: Path, search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Live]:
    """Run a service that asks for keys."""
    del key  # made before the service starts
    serve_fakes(monkeypatch, search, "translate:de:en", "summarize:en")
    with running(local_settings(tmp_path, keys=path)) as live:
        yield live


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "JSON": lambda key: {"json": VALID | {"api_key": key}},
    "form": lambda key: {"data": VALID | {"api_key": key}},
    "multipart": lambda key: {"files": {name: (None, value) for name, value in (VALID | {"api_key": key}).items()}},
    "query": lambda key: {"params": VALID | {"api_key": key}},
    "query beside JSON": lambda key: {"json": VALID, "params": {"api_key": key}},
    "Bearer": lambda key: {"json": VALID, "headers": {"Authorization": f"Bearer {key}"}},
    "bearer": lambda key: {"json": VALID, "headers": {"Authorization": f"bearer  {key}"}},
    "X-API-Key": lambda key: {"json": VALID, "headers": {"X-API-Key": key}},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_key_is_taken_wherever_clients_send_it_and_a_wrong_one_refused(way: str, key: str, guarded: Live) -> None:
    assert guarded.client.post("/translate", **WAYS[way](key)).status_code == 200
    assert_error(guarded.client.post("/translate", **WAYS[way](WRONG)), 403, "Invalid API key")


@pytest.mark.parametrize("route", ["/translate", "/detect", "/summarize"])
@pytest.mark.parametrize("more", [{}, {"api_key": None}, {"api_key": ""}])
def test_work_without_a_key_is_refused(route: str, more: dict[str, object], guarded: Live) -> None:
    assert_error(guarded.client.post(route, json=VALID | more), 400, MISSING)


def test_files_need_a_key_and_their_translations_none(key: str, guarded: Live) -> None:
    def send(**fields: str) -> httpx.Response:
        data = {"source": "de", "target": "en"} | fields
        return guarded.client.post("/translate_file", files={"file": ("a.txt", b"Abc.")}, data=data)

    assert_error(send(), 400, MISSING)
    assert_error(send(api_key=WRONG), 403, "Invalid API key")
    assert guarded.client.get(send(api_key=key).json()["translatedFileUrl"]).text == ".cbA"


def test_a_key_is_good_for_its_scopes_only(key: str, path: Path, guarded: Live) -> None:
    headers = {"Authorization": f"Bearer {key}"}
    assert guarded.client.post("/detect", json={"q": "Abc"}, headers=headers).status_code == 200
    answer = guarded.client.post("/summarize", json={"q": "Abc"}, headers=headers)
    assert_error(answer, 403, "Invalid API key: it is not for summarize")
    headers = {"Authorization": f"Bearer {add_key(path, 'other', {KeyScope.SUMMARIZE}, None)}"}
    assert guarded.client.post("/summarize", json={"q": "Abc"}, headers=headers).status_code == 200


def test_a_revoked_key_is_refused_at_once(key: str, path: Path, guarded: Live) -> None:
    assert guarded.translate(api_key=key).status_code == 200
    revoke_key(path, "web")
    assert_error(guarded.translate(api_key=key), 403, "Invalid API key")


@pytest.mark.parametrize("api_key", ["\ud800", "\x00", "dragoman_" * 10_000, "ключ", "' OR 1=1 --"])
def test_no_text_that_is_sent_as_a_key_fails_the_service(api_key: str, guarded: Live) -> None:
    body = json.dumps(VALID | {"api_key": api_key})
    assert_error(guarded.client.post("/translate", content=body, headers={"content-type": "application/json"}), 403)


def test_what_is_no_text_is_no_key(guarded: Live) -> None:
    assert_error(guarded.translate(api_key=["a"]), 400)
    assert_error(guarded.translate(api_key=1), 400)


def test_bytes_that_are_no_key_in_a_header_are_refused(guarded: Live) -> None:
    headers = {b"Authorization": b"Bearer \xff\xfe"}
    assert_error(guarded.client.post("/translate", json=VALID, headers=headers), 403)  # type: ignore[arg-type]


def test_who_asks_what_the_service_is_needs_no_key(guarded: Live) -> None:
    for route in ("/languages", "/models", "/health", "/health/live", "/health/ready", "/metrics", "/docs"):
        assert guarded.client.get(route).status_code == 200
    settings = guarded.client.get("/frontend/settings").json()
    assert (settings["keyRequired"], settings["apiKeys"]) == (True, True)


def test_a_service_without_keys_says_so_and_takes_any(live: Live, output: str) -> None:
    settings = live.client.get("/frontend/settings").json()
    assert (settings["keyRequired"], settings["apiKeys"]) == (False, False)
    assert live.translate(VALID["q"], api_key=WRONG).json() == {"translatedText": output}


def test_keys_are_in_no_log_and_no_metric(key: str, guarded: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for sent in (key, WRONG):
            for way in WAYS.values():
                assert sent not in guarded.client.post("/translate", **way(sent)).text
    caplog.records[:] = [record for record in caplog.records if not record.name.startswith("http")]  # the client's
    said = "".join(record.getMessage() for record in caplog.records) + guarded.client.get("/metrics").text
    assert "POST /translate" in said
    for sent in (key, WRONG):
        assert sent[:18] not in said
        assert sent[18:] not in said


def test_keys_that_cannot_be_read_let_nobody_in(key: str, path: Path, guarded: Live) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE keys")
    assert_error(guarded.translate(api_key=key), 503, "Not ready: the API keys cannot be read")


# Who asks


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:0DB8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("fe80::1%" + "a" * 100, UNKNOWN),
        ("testclient", UNKNOWN),
        ("", UNKNOWN),
        ("1.2.3.4\r\n", UNKNOWN),
    ],
)
def test_a_client_without_a_key_is_its_address_or_its_network(host: str, client: str) -> None:
    request: Any = SimpleNamespace(client=SimpleNamespace(host=host))
    assert address_of(request) == client


def test_a_client_of_a_socket_without_addresses_is_unknown() -> None:
    request: Any = SimpleNamespace(client=None)
    assert address_of(request) == UNKNOWN
