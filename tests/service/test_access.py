import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import Request

from service.access import Access
from service.errors import Forbidden, InvalidRequest
from service.keys import KeyScope, add_key, list_keys
from tests.service.live import local_settings

BOTH = {KeyScope.TRANSLATE, KeyScope.ADMIN}


def request_of(key: str | None = None) -> Request:
    headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
    return Request({"type": "http", "client": ("203.0.113.7", 1), "headers": headers, "query_string": b""})


@contextmanager
def with_keys(path: Path) -> Iterator[Access]:
    access = Access(local_settings(path.parent, keys=path))
    yield access
    asyncio.run(access.close())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def without_keys() -> Iterator[Access]:
    access = Access(local_settings(Path("nowhere")))
    yield access
    asyncio.run(access.close())


def test_without_keys_a_client_is_known_by_its_address_before_its_body(without_keys: Access) -> None:
    request = request_of()
    asyncio.run(without_keys.admit(request, KeyScope.TRANSLATE))
    assert request.state.client == "203.0.113.7"


def test_without_keys_nobody_is_an_admin(without_keys: Access) -> None:
    with pytest.raises(Forbidden, match="the server has no keys"):
        asyncio.run(without_keys.admit(request_of(), KeyScope.ADMIN))


def test_a_client_with_a_key_is_known_by_its_id_and_not_by_the_key(path: Path) -> None:
    key = add_key(path, "web", BOTH, None)
    request = request_of(key)
    with with_keys(path) as access:
        asyncio.run(access.admit(request, KeyScope.ADMIN))
    assert request.state.client == list_keys(path)[0].id
    assert request.state.client != key


def test_a_key_may_be_in_the_body_and_one_in_a_header_is_looked_at_before_it(path: Path) -> None:
    key = add_key(path, "web", BOTH, None)
    with with_keys(path) as access:
        request = request_of()
        asyncio.run(access.admit(request, KeyScope.TRANSLATE))
        assert not hasattr(request.state, "client")
        asyncio.run(access.admit_by_body(request, KeyScope.TRANSLATE, key))
        assert hasattr(request.state, "client")
        with pytest.raises(InvalidRequest):
            asyncio.run(access.admit_by_body(request_of(), KeyScope.TRANSLATE, None))
        with pytest.raises(Forbidden):
            asyncio.run(access.admit(request_of("wrong"), KeyScope.TRANSLATE))
