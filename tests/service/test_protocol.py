"""What holds of every route, whichever way a client asks, as LibreTranslate has it."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.service.fakes import GatedSearch
from tests.service.live import VALID, Live, assert_error, local_settings, running, serve_fakes

Send = Callable[[Live, str, dict[str, str]], httpx.Response]

WAYS: dict[str, Send] = {
    "JSON": lambda live, path, fields: live.client.post(path, json=fields),
    "urlencoded": lambda live, path, fields: live.client.post(path, data=fields),
    "multipart": lambda live, path, fields: live.client.post(path, files={k: (None, v) for k, v in fields.items()}),
    "query": lambda live, path, fields: live.client.post(path, params=fields),
    "query and form": lambda live, path, fields: live.client.post(
        path, params={"q": fields["q"]}, data={k: v for k, v in fields.items() if k != "q"}
    ),
}
GETS = ["/languages", "/frontend/settings", "/health", "/health/live", "/health/ready", "/models", "/metrics", "/docs"]
POSTS = ["/translate", "/summarize", "/detect", "/translate_file"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Run a service that answers each sentence backwards, from German to English."""
    with pytest.MonkeyPatch.context() as patch:
        serve_fakes(patch, GatedSearch(), "translate:de:en", "summarize:en")
        with running(local_settings(tmp_path_factory.mktemp("models"))) as live:
            yield live


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
def test_fields_may_come_in_any_way(send: Send, served: Live) -> None:
    fields = {"q": "Äpfel & Birnen", "source": "de", "target": "en", "api_key": "any", "alternatives": "0"}
    assert send(served, "/translate", fields).json() == {"translatedText": "nenriB & lefpÄ"}
    assert send(served, "/summarize", {"q": "Äpfel"}).json() == {"summaryText": "lefpÄ"}
    assert send(served, "/detect", {"q": "Ich habe keine Zeit."}).json()[0]["language"] == "de"


@pytest.mark.parametrize("send", WAYS.values(), ids=WAYS)
def test_a_field_that_is_missing_is_named(send: Send, served: Live) -> None:
    for name in ("source", "target"):
        fields = {key: value for key, value in VALID.items() if key != name}
        assert_error(send(served, "/translate", fields), 400, f"Invalid request: missing {name} parameter")


@pytest.mark.parametrize("way", ["data", "params"])
def test_the_fields_beside_a_file_may_be_in_the_form_or_the_query(way: str, served: Live) -> None:
    fields: Any = {way: {"source": "de", "target": "en", "api_key": "any"}}
    answer = served.client.post("/translate_file", files={"file": ("a.txt", b"Abc")}, **fields)
    assert served.client.get(answer.json()["translatedFileUrl"]).text == "cbA"


@pytest.mark.parametrize("key", ["any", "", None])
def test_a_key_is_ignored_wherever_it_is(key: str | None, served: Live) -> None:
    headers = {"Authorization": f"Bearer {key or None}"}
    body = VALID | {"q": "Abc", "api_key": key}
    assert served.client.post("/translate", json=body, headers=headers).json() == {"translatedText": "cbA"}
    for path in GETS:
        assert served.client.request("GET", path, params={"api_key": key}, headers=headers).status_code == 200
        assert served.client.request("GET", path, json={"api_key": key}).status_code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: value} for name in ("q", "source", "target", "api_key") for value in (5, 1.5, True, {}, [[]])),
        *({"alternatives": value} for value in ("x", 1.5, [], {}, -1, 6)),
        *({name: value} for name in ("stream", "scores", "attention") for value in ("maybe", 5, [], {})),
        *({"format": value} for value in (5, True, [], ["text"], {}, "md")),
        *({"beam_size": value} for value in ("x", 0, 17, [], 1e308)),
        {"q": []},
        {"q": ["Abc", None]},
        {"q": ["Abc", ["Def"]]},
    ],
    ids=str,
)
def test_what_is_of_a_wrong_type_is_refused(wrong: dict[str, Any], served: Live) -> None:
    assert_error(served.client.post("/translate", json=VALID | wrong), 400)


@pytest.mark.parametrize("path", [*GETS, "/openapi.json"])
def test_head_is_answered_as_get_without_a_body(path: str, served: Live) -> None:
    head, get = served.client.head(path), served.client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


def test_a_file_s_head_can_be_asked_for(served: Live) -> None:
    fields = {"source": "de", "target": "en"}
    answer = served.client.post("/translate_file", files={"file": ("a.txt", b"Abc")}, data=fields)
    head = served.client.head(answer.json()["translatedFileUrl"])
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "3", b"")
    assert served.client.head("/download_file/x").status_code == 404


@pytest.mark.parametrize("path", POSTS)
def test_what_is_to_be_posted_is_not_got(path: str, served: Live) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        assert served.client.request(method, path).status_code == 405
    assert_error(served.client.get(path), 405)


@pytest.mark.parametrize("path", [*GETS, *POSTS])
def test_a_slash_at_the_end_leads_to_the_route(path: str, served: Live) -> None:
    method = "POST" if path in POSTS else "GET"
    answer = served.client.request(method, f"{path}/?q=Abc")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{served.client.base_url}{path}?q=Abc"


@pytest.mark.parametrize("path", [*GETS, *POSTS, "/download_file/x", "/nowhere"])
def test_any_page_may_ask_and_see_the_answer_or_why_there_is_none(path: str, served: Live) -> None:
    method = "POST" if path in POSTS else "GET"
    origin = {"Origin": "https://example.org"}
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = served.client.options(path, headers=origin | asked)
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    assert method in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    for content in (b"", b"x" * 1_000_001):
        answer = served.client.request(method, path, headers=origin, content=content)
        assert answer.headers["access-control-allow-origin"] == "*"
