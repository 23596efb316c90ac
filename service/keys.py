"""API keys: a SQLite file with what is needed to know a key again, and not the key itself.

The file is read for every request, which takes some microseconds, so that a key that is added or revoked counts at
once, in all services that share the file.
"""

import hmac
import logging
import re
import secrets
import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from service.errors import InvalidRequest, NotFound, NotReady
from service.settings import SettingsError

logger = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    rate_limit TEXT,
    created TEXT NOT NULL
)
"""
_SELECT = "SELECT id, name, scopes, rate_limit, created, digest FROM keys"
_INSERT = "INSERT INTO keys (id, name, scopes, rate_limit, created, digest) VALUES (?, ?, ?, ?, ?, ?)"
_NAME = re.compile(r"[\w.@-]{1,64}")
_KEY = re.compile(r"dragoman_([0-9a-f]{8})_[0-9a-f]{64}")
_BUSY_SECONDS = 0.2
"""How long a request waits for one who writes, which takes milliseconds; the event loop waits with it."""


class KeyScope(StrEnum):
    """What a key is for."""

    TRANSLATE = "translate"
    SUMMARIZE = "summarize"
    ADMIN = "admin"


class Key(NamedTuple):
    """What is known of a key."""

    id: str
    name: str
    scopes: Set[str]
    rate_limit: str | None
    """As ``60/minute``; None for the service's own."""
    created: str


class KeyFile:
    """The keys as a service reads them; SettingsError where the file is not there, or is another."""

    def __init__(self, path: Path) -> None:
        self._connection = _open(path, "ro")

    def find(self, key: str) -> Key | None:
        """Return what is known of a key; None where it is none of ours. NotReady if the file cannot be read."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        try:
            row = self._connection.execute(f"{_SELECT} WHERE id = ?", (match[1],)).fetchone()
        except sqlite3.Error as error:
            logger.error("the API keys cannot be read: %s", error)
            raise NotReady("Not ready: the API keys cannot be read") from error
        if row is None or not hmac.compare_digest(row[-1], _digest(key)):
            return None
        return _key(row)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def add_key(path: Path, name: str, scopes: Set[KeyScope], rate_limit: str | None) -> str:
    """Make a key and return it; nothing can show it again. The file is made where there is none."""
    if not _NAME.fullmatch(name):
        raise InvalidRequest(f"{name!r} is no name for a key: up to 64 letters, digits and any of . _ - @")
    number = secrets.token_hex(4)
    key = f"dragoman_{number}_{secrets.token_hex(32)}"
    created = datetime.now(UTC).isoformat(" ", "seconds")
    row = (number, name, ",".join(sorted(scopes)), rate_limit, created, _digest(key))
    path.touch(mode=0o600)
    with _writing(path) as connection:
        try:
            connection.execute(_INSERT, row)
        except sqlite3.IntegrityError as error:
            raise InvalidRequest(f"there is a key {name} already; revoke it first") from error
    return key


def list_keys(path: Path) -> list[Key]:
    """Return what is known of all keys, the oldest first."""
    try:
        with closing(_open(path, "ro")) as connection:
            return [_key(row) for row in connection.execute(f"{_SELECT} ORDER BY created, name")]
    except sqlite3.Error as error:  # as where pages of the file are damaged
        raise SettingsError(f"DRAGOMAN_KEYS: {path} cannot be read: {error}") from error


def revoke_key(path: Path, name: str) -> None:
    """Forget a key; NotFound where there is none of that name."""
    with _writing(path) as connection:
        if not connection.execute("DELETE FROM keys WHERE name = ?", (name,)).rowcount:
            raise NotFound(f"there is no key {name}")


def _digest(key: str) -> bytes:
    # Slow hashes are for passwords, which can be guessed one after another. Nobody goes through 2^256 keys, however
    # fast each can be tried, and a request should not have to wait for one.
    return sha256(key.encode()).digest()


def _key(row: tuple[str, str, str, str | None, str, bytes]) -> Key:
    number, name, scopes, rate_limit, created, _ = row
    return Key(number, name, frozenset(scopes.split(",")), rate_limit, created)


def _open(path: Path, mode: str) -> sqlite3.Connection:
    if not path.is_file():
        raise SettingsError(f"DRAGOMAN_KEYS: there is no file {path}; `dragoman keys add` makes it")
    connection = None
    try:
        # Made in one thread and used in another, by one at a time.
        uri = f"{path.resolve().as_uri()}?mode={mode}"
        connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)
        if mode == "rw":
            connection.execute(_SCHEMA)
        connection.execute(_SELECT)
    except sqlite3.Error as error:
        if connection:
            connection.close()
        raise SettingsError(f"DRAGOMAN_KEYS: {path} cannot be read as a file of keys: {error}") from error
    return connection


@contextmanager
def _writing(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(_open(path, "rw")) as connection, connection:
            yield connection
    except sqlite3.Error as error:  # as when another writes, or the disk is full
        raise SettingsError(f"DRAGOMAN_KEYS: {path} cannot be written: {error}") from error
