import asyncio
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.responses import HTMLResponse

from service.pages import PageHeaders
from tests.service.live import Live, assert_error, local_settings, running


def policy_of(answer: httpx.Response) -> dict[str, list[str]]:
    parts = [part.split() for part in answer.headers["content-security-policy"].split(";")]
    return {name: sources for name, *sources in parts}


def test_the_page_of_the_api_runs_its_own_script_and_loads_from_nowhere_else(live: Live) -> None:
    page = live.client.get("/docs")
    policy = policy_of(page)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["style-src"] == ["'self'"]
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    hashes = [f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in inline]
    assert policy["script-src"] == ["'self'", *hashes]
    assert len(hashes) == 1
    assert not re.search(r"\son\w+=", page.text)  # handlers, which the policy would stop
    loaded = re.findall(r'(?:src|href)="([^"]*)"', page.text) + re.findall(r"url: '([^']*)'", page.text)
    assert len(loaded) == 4
    for path in loaded:
        assert path.startswith("/")
        assert live.client.get(path).status_code == 200


@pytest.mark.parametrize(
    "route", ["/", "/web/main.js", "/docs", "/languages", "/nowhere", "/static-offline-docs/swagger-ui.css"]
)
def test_browsers_take_answers_for_what_they_are_and_tell_nobody_where_they_were(route: str, live: Live) -> None:
    headers = live.client.get(route).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_a_page_that_says_nothing_of_its_own_runs_no_script_that_stands_in_it() -> None:
    app = FastAPI()
    app.add_middleware(PageHeaders)
    app.get("/", response_class=HTMLResponse)(lambda: "<p>Hello</p>")
    transport = httpx.ASGITransport(app)

    async def get() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await client.get("/")

    page = asyncio.run(get())
    policy = policy_of(page)
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["frame-ancestors"] == ["'none'"]
    assert page.headers["x-frame-options"] == "DENY"


def allowed_origin(live: Live, origin: str) -> str | None:
    answer = live.client.get("/languages", headers={"Origin": origin})
    return answer.headers.get("access-control-allow-origin")


def test_by_default_pages_of_any_origin_may_ask(live: Live) -> None:
    assert allowed_origin(live, "https://a.example") == "*"


def test_where_origins_are_named_pages_of_others_may_not_ask(tmp_path: Path) -> None:
    settings = local_settings(tmp_path, cors_origins="https://a.example, https://b.example")
    with running(settings, wait_for_networks=False) as live:
        assert allowed_origin(live, "https://b.example") == "https://b.example"
        assert allowed_origin(live, "https://c.example") is None


# Errors are like those of the API


@pytest.mark.parametrize("path", ["/", "/web/main.js", "/static-offline-docs/swagger-ui.css"])
@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ("bytes=999999999-", 416, "Requested Range Not Satisfiable"),
        ("bytes=x", 400, None),
        ("pages=1-2", 400, "Only support bytes range"),
    ],
)
def test_a_range_that_a_file_has_not_is_an_error_in_json(
    path: str, asked: str, status: int, message: str | None, live: Live
) -> None:
    answer = live.client.get(path, headers={"Range": asked})
    assert_error(answer, status, message)
    assert ("content-range" in answer.headers) == (status == 416)
    assert live.client.get(path, headers={"Range": "bytes=0-9"}).status_code == 206
    head = live.client.head(path, headers={"Range": asked})
    assert (head.status_code, head.headers["content-type"], head.content) == (status, "application/json", b"")


def test_a_preflight_that_is_refused_is_an_error_in_json(tmp_path: Path) -> None:
    settings = local_settings(tmp_path, cors_origins="https://a.example")
    asked = {"Origin": "https://c.example", "Access-Control-Request-Method": "POST"}
    with running(settings, wait_for_networks=False) as live:
        answer = live.client.options("/translate", headers=asked)
        assert_error(answer, 400, "Disallowed CORS origin")
        assert "Origin" in answer.headers["vary"]
        assert live.client.options("/translate", headers=asked | {"Origin": "https://a.example"}).text == "OK"


# Nothing that a client sends is part of a path


@pytest.mark.parametrize("folder", ["/static-offline-docs", "/download_file", "/docs", ""])
@pytest.mark.parametrize(
    "path",
    [
        "/../__init__.py",
        "/..%2f__init__.py",
        "/%2e%2e/__init__.py",
        "/%2e%2e%2f%2e%2e%2fservice%2fapp.py",
        "/..%5c__init__.py",
        "/....//__init__.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/../../../../../../../../../../etc/passwd",
        "/swagger-ui.css%00.txt",
        "/%00",
        "/",
    ],
)
def test_no_path_leads_to_a_file_that_is_not_served(folder: str, path: str, live: Live) -> None:
    with live.connect() as connection:  # as a client library would put some of these right
        connection.sendall(f"GET {folder}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    is_page = folder + path == "/"
    assert answer.split()[1] in ((b"200",) if is_page else (b"404", b"307")), answer[:100]  # /docs/ is sent on to /docs
    assert b"root:" not in answer
    assert b"import" not in answer
