import asyncio
import contextlib
import json
import logging
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from model.bundle import Score, load_manifest, write_description
from model.search import Hypothesis
from service import state as state_module
from service.catalogue import Catalogue, Entry, load_catalogue
from tests import reversal
from tests.service.fakes import PATIENCE_SECONDS, GatedSearch, fake_bundle, wait_until
from tests.service.live import Live, local_settings, running

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x"
TEXT = "Apfel Birne Mango."
VALID = {"q": TEXT, "source": "de", "target": "en"}


def serve_fakes(monkeypatch: pytest.MonkeyPatch, search: GatedSearch, *tasks: str) -> None:
    """Let the next server load one bundle that does these tasks."""
    bundle = fake_bundle(search, tasks=tasks)
    catalogue = Catalogue([Entry("fake", bundle, None)], dict.fromkeys(bundle.manifest.tasks, bundle))
    monkeypatch.setattr(state_module, "load_catalogue", lambda *_: catalogue)


@pytest.fixture
def search() -> GatedSearch:
    """Return the search of the service ``fresh``; it answers each sentence with its characters backwards."""
    return GatedSearch()


@pytest.fixture
def fresh(
    search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Live]:
    """Run a service that has not counted anything yet; a parameter is its settings."""
    serve_fakes(monkeypatch, search, "translate:de:en", "summarize:en")
    with running(local_settings(tmp_path, max_body_bytes=1000, **getattr(request, "param", {}))) as live:
        yield live
        search.gate.set()


@pytest.fixture(scope="module")
def output(live: Live) -> str:
    """Return what ``TEXT`` becomes when it is asked for alone, in JSON."""
    return str(live.translate(TEXT).json()["translatedText"])


def assert_error(answer: httpx.Response, status: int, message: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == JSON
    assert answer.json().keys() == {"error"}
    assert answer.json()["error"]
    if message is not None:
        assert answer.json()["error"] == message


def multipart(fields: dict[str, str]) -> bytes:
    parts = (f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    return ("".join(parts) + "--x--\r\n").encode()


# What is answered


def test_the_trained_network_gives_the_right_answers(live: Live) -> None:
    sentences = reversal.random_sentences(40, seed=77)
    translations = live.translate(sentences).json()["translatedText"]
    right = sum(out == reversal.translation(s) for out, s in zip(translations, sentences, strict=True))
    summaries = live.client.post("/summarize", json={"q": sentences}).json()["summaryText"]
    also_right = sum(out == reversal.summary(s) for out, s in zip(summaries, sentences, strict=True))
    assert min(right, also_right) >= 36


@pytest.mark.parametrize(
    "request_",
    [
        {"json": VALID},
        {"json": VALID | {"source": "DE", "target": "En"}},
        {"json": VALID | {"format": "text", "alternatives": 0, "api_key": None, "unknown": [1]}},
        {"json": VALID, "headers": {"content-type": "application/json; charset=utf-8"}},
        {"data": VALID},
        {"content": f"q={TEXT}&source=de&target=en&api_key=", "headers": {"content-type": FORM}},
        {"content": multipart(VALID), "headers": {"content-type": MULTIPART}},
        {"params": VALID},
        {"params": VALID, "json": {}},
        {"params": {"q": "something else", "target": "xx"}, "json": VALID},
    ],
)
def test_one_text_is_answered_alike_in_every_form(request_: dict[str, Any], live: Live, output: str) -> None:
    answer = live.client.post("/translate", **request_)
    assert (answer.status_code, answer.json()) == (200, {"translatedText": output})


def test_letters_that_a_form_did_not_encode_are_utf_8(live: Live) -> None:
    encoded = live.client.post("/translate", data=VALID | {"q": "Größe 我 😀"})
    raw = live.client.post("/translate", content="q=Größe 我 😀&source=de&target=en", headers={"content-type": FORM})
    assert raw.json() == encoded.json() == live.translate("Größe 我 😀").json()


def test_a_list_is_answered_as_its_texts_are_alone(live: Live, output: str) -> None:
    answer = live.translate([TEXT, "", "Kiwi", TEXT]).json()
    assert answer == {"translatedText": [output, "", live.translate("Kiwi").json()["translatedText"], output]}


@pytest.mark.parametrize("text", ["", "\n", "😀", "12 + 3", "---"])
def test_what_holds_no_letter_comes_back_unchanged(text: str, live: Live) -> None:
    assert live.translate(text).json() == {"translatedText": text}
    assert live.translate([text]).json() == {"translatedText": [text]}
    assert live.client.post("/summarize", json={"q": [text]}).json() == {"summaryText": [text]}


def test_line_breaks_stay_where_they_were(live: Live, output: str) -> None:
    assert live.translate(f"  {TEXT} {TEXT}\r\n\r\n\t{TEXT}\n").json() == {
        "translatedText": f"  {output} {output}\r\n\r\n\t{output}\n"
    }


@pytest.mark.parametrize(
    "text", ["a\x00b", "\x01\x02\x1bc\x7f", "\ufeffApfel\u200b\u202e", "e\u0301\u0301", "\U0010ffff x"]
)
def test_odd_characters_get_an_answer(text: str, live: Live) -> None:
    assert live.translate(text).status_code == 200
    assert live.client.post("/summarize", json={"q": text}).status_code == 200


@pytest.mark.parametrize("text", ["a" * 20_000, "我" * 20_000, "Apfel " * 3_333, "A. " * 6_666, "\n" * 20_000])
def test_a_text_of_the_full_length_gets_an_answer(text: str, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    # What splits and joins it is real; to decode it would take the tiny network seconds.
    search = GatedSearch()
    monkeypatch.setattr(live.bundle.search, "search", search.search)
    assert live.translate(text).status_code == 200
    longest = max((len(source) for batch in search.batches for source in batch), default=0)
    assert longest <= live.bundle.manifest.max_source_pieces + 2


@pytest.mark.parametrize("q", [TEXT, [TEXT, "Kiwi."]])
@pytest.mark.parametrize(("route", "field"), [("/translate", "translatedText"), ("/summarize", "summaryText")])
def test_alternatives_are_further_outputs_in_the_shape_of_q(
    q: str | list[str], route: str, field: str, live: Live, gated: GatedSearch
) -> None:
    codes = {"source": "de", "target": "en"} if route == "/translate" else {}
    answer = live.client.post(route, json={"q": q, "alternatives": 3, **codes}).json()
    outputs, alternatives = answer[field], answer["alternatives"]
    if isinstance(q, str):
        outputs, alternatives = [outputs], [alternatives]
    for output, others in zip(outputs, alternatives, strict=True):
        assert 1 <= len(others) <= 3
        assert len({output, *others}) == 1 + len(others)
    assert [config.n_best for config in gated.configs] == [4]


@pytest.mark.parametrize("code", ["de", "en", "EN"])
def test_a_text_that_is_in_the_target_language_is_its_own_translation(code: str, live: Live) -> None:
    answer = live.translate([" Apfel\n", "x"], source=code, target=code.lower())
    assert answer.json() == {"translatedText": [" Apfel\n", "x"]}
    answer = live.translate("Apfel", source=code, target=code, alternatives=2)
    assert answer.json() == {"translatedText": "Apfel", "alternatives": []}


def test_a_summary_says_in_how_many_parts_it_was_made_when_there_were_several(live: Live) -> None:
    long = "Ananas Aprikose Banane Brombeere Mirabelle Kirsche. " * 4
    assert live.client.post("/summarize", json={"q": TEXT}).json().keys() == {"summaryText"}
    assert live.client.post("/summarize", json={"q": long}).json()["parts"] > 1
    parts = live.client.post("/summarize", json={"q": [TEXT, long, ""]}).json()["parts"]
    assert (parts[0], parts[1] > 1, parts[2]) == (1, True, 0)


# What is refused

TRANSLATE_ERRORS = {
    "unknown source": (VALID | {"source": "zz"}, "zz is not supported"),
    "unknown target": (VALID | {"target": "zz"}, "zz is not supported"),
    "detection": (VALID | {"source": "auto"}, "auto is not supported"),
    "both unknown": (VALID | {"source": "zz", "target": "zz"}, "zz is not supported"),
    "a direction that was not trained": (
        VALID | {"source": "en", "target": "de"},
        "Translation from en to de is not supported",
    ),
    "no q": ({"source": "de", "target": "en"}, "Invalid request: missing q parameter"),
    "no source": ({"q": TEXT, "target": "en"}, "Invalid request: missing source parameter"),
    "no target": ({"q": TEXT, "source": "de"}, "Invalid request: missing target parameter"),
    "nothing": ({}, "Invalid request: missing q parameter"),
    "q a number": (VALID | {"q": 5}, "Invalid request: q parameter: should be a text or a list of texts"),
    "q null": (VALID | {"q": None}, "Invalid request: q parameter: should be a text or a list of texts"),
    "q of numbers": (VALID | {"q": ["a", 1]}, "Invalid request: q parameter: should be a text or a list of texts"),
    "q empty": (VALID | {"q": []}, "Invalid request: q parameter: the list is empty"),
    "q over the limit": (
        VALID | {"q": "a" * 20_001},
        "Invalid request: request (20001) exceeds text limit (20000)",
    ),
    "q over the limit together": (
        VALID | {"q": ["a" * 10_000, "b" * 10_001]},
        "Invalid request: request (20001) exceeds text limit (20000)",
    ),
    "q too many": (VALID | {"q": [""] * 1001}, "Invalid request: 1001 texts exceed the limit of 1000"),
    "half a surrogate": (
        VALID | {"q": "a\ud800"},
        "Invalid request: q parameter: holds a lone surrogate, which is not Unicode text",
    ),
    "source a list": (VALID | {"source": []}, "Invalid request: source parameter: Input should be a valid string"),
    "target half a surrogate": (
        VALID | {"target": "\udc00"},
        "Invalid request: target parameter: holds a lone surrogate, which is not Unicode text",
    ),
    "alternatives a word": (
        VALID | {"alternatives": "x"},
        "Invalid request: alternatives parameter: Input should be a valid integer, unable to parse string as an "
        "integer",
    ),
    "alternatives too many": (
        VALID | {"alternatives": 6},
        "Invalid request: alternatives parameter must be <= 5",
    ),
    "alternatives far too many": (
        VALID | {"alternatives": 10**1000},
        "Invalid request: alternatives parameter must be <= 5",
    ),
    "alternatives too few": (
        VALID | {"alternatives": -1},
        "Invalid request: alternatives parameter: Input should be greater than or equal to 0",
    ),
    "html": (VALID | {"format": "html"}, "html format is not supported"),
    "unknown format": (VALID | {"format": "md"}, "md format is not supported"),
}


@pytest.mark.parametrize(("fields", "message"), TRANSLATE_ERRORS.values(), ids=TRANSLATE_ERRORS)
def test_a_translation_that_cannot_be_made_is_refused_with_a_reason(
    fields: dict[str, Any], message: str, live: Live
) -> None:
    assert_error(
        live.client.post("/translate", content=json.dumps(fields), headers={"content-type": JSON}), 400, message
    )


@pytest.mark.parametrize("code", ["de", "zz", "auto", "12", "", "e n", "en-", "\x00"])
def test_a_summary_in_a_language_without_one_is_refused(code: str, live: Live) -> None:
    assert_error(live.client.post("/summarize", json={"q": TEXT, "source": code}), 400, f"{code} is not supported")


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (b"", JSON, "Invalid JSON format"),
        (b'{"q": "a', JSON, "Invalid JSON format"),
        (b"[" * 300_000, JSON, "Invalid JSON format"),
        (b'{"q":' * 100_000 + b"1" + b"}" * 100_000, JSON, "Invalid JSON format"),
        (b'{"alternatives": ' + b"9" * 10_000 + b"}", JSON, "Invalid JSON format"),
        (b'{"q": "\xff\xfe"}', JSON, "Invalid JSON format"),
        (b'["Apfel"]', JSON, "Invalid JSON format: an object is expected"),
        (b"null", JSON, "Invalid JSON format: an object is expected"),
        (b"q=%FF&source=de&target=en", FORM, "Invalid form: not urlencoded UTF-8, or too many fields"),
        (b"a=b&" * 200, FORM, "Invalid form: not urlencoded UTF-8, or too many fields"),
        (b"nonsense", MULTIPART, None),
        (b"", "multipart/form-data", None),
        (multipart(VALID), MULTIPART + "; charset=undefined", "Invalid form: its text cannot be decoded"),
        (json.dumps(VALID).encode(), "text/plain", "Invalid request: missing q parameter"),
        (json.dumps(VALID).encode(), FORM, "Invalid request: missing q parameter"),
    ],
)
@pytest.mark.parametrize("route", ["/translate", "/summarize"])
def test_a_body_that_cannot_be_read_is_refused(
    body: bytes, content_type: str, message: str | None, route: str, live: Live
) -> None:
    assert_error(live.client.post(route, content=body, headers={"content-type": content_type}), 400, message)


@pytest.mark.parametrize(
    ("method", "route"),
    [
        ("GET", "/translate"),
        ("PUT", "/translate"),
        ("GET", "/summarize"),
        ("POST", "/languages"),
        ("POST", "/models"),
        ("DELETE", "/metrics"),
        ("POST", "/health"),
    ],
)
def test_a_wrong_method_is_refused_and_the_right_one_named(method: str, route: str, live: Live) -> None:
    answer = live.client.request(method, route)
    assert_error(answer, 405)
    assert answer.headers["allow"] == ("POST" if method == "GET" or route == "/translate" else "GET")


@pytest.mark.parametrize("path", ["/", "/nowhere", "/translate/x", "/%00", "/../etc/passwd"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_refused(method: str, path: str, live: Live) -> None:
    assert_error(live.client.request(method, path), 404)


LIMIT_MESSAGE = "Invalid request: body exceeds the limit of 1000000 bytes"


@pytest.mark.parametrize("route", ["/translate", "/summarize", "/nowhere"])
def test_a_body_announced_over_the_limit_is_refused(route: str, live: Live) -> None:
    with live.connect() as connection:
        connection.sendall(f"POST {route} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000001\r\n\r\n".encode())
        with HTTPResponse(connection) as answer:
            answer.begin()
            assert (answer.status, json.load(answer)) == (413, {"error": LIMIT_MESSAGE})


def test_a_body_that_grows_over_the_limit_is_refused(live: Live) -> None:
    parts = (b" " * 100_000 for _ in range(11))
    assert_error(live.client.post("/translate", content=parts, headers={"content-type": JSON}), 413, LIMIT_MESSAGE)


def test_a_body_of_the_limit_is_read(live: Live, output: str) -> None:
    body = json.dumps(VALID).encode().ljust(1_000_000)
    answer = live.client.post("/translate", content=body, headers={"content-type": JSON})
    assert answer.json() == {"translatedText": output}


def garbage(random: Random) -> tuple[bytes, str]:
    """Return a body and a content type, each more or less like one that is right."""
    values = [TEXT, "", 0, -1, 10**30, 1e308, None, True, [], {}, [TEXT], [[TEXT]], "\ud800", "\x00", "de", "en", "zz"]
    fields = {
        random.choice(["q", "source", "target", "alternatives", "format", "api_key", "x"]): random.choice(values)
        for _ in range(random.randint(0, 7))
    }
    fields = random.choice([fields, VALID | fields])
    text_fields = {name: str(value) for name, value in fields.items()}
    bodies = [
        json.dumps(fields).encode(),
        json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass"),
        json.dumps(random.choice(values)).encode(),
        httpx.QueryParams({k: v.encode("utf-8", "replace").decode() for k, v in text_fields.items()})
        .__str__()
        .encode(),
        "&".join(f"{k}={v}" for k, v in text_fields.items()).encode("utf-8", "surrogatepass"),
        "".join(
            f'--x\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in text_fields.items()
        ).encode("utf-8", "surrogatepass")
        + b"--x--\r\n",
        random.randbytes(random.randint(0, 100)),
    ]
    body = random.choice(bodies)
    if random.random() < 0.3:  # cut, or with a byte changed
        place = random.randint(0, len(body))
        body = body[:place] + random.choice([b"", random.randbytes(1) + body[place + 1 :]])
    kind = random.choice([JSON, FORM, MULTIPART, "application/ld+json", "text/html", "", ";;", "multipart/form-data"])
    return body, kind + random.choice(["", "; charset=utf-16", "; charset=undefined", "; boundary=", ";=;"])


@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_answered_in_json_and_never_fails_the_service(seed: int, live: Live) -> None:
    random = Random(seed)
    for _ in range(40):
        body, content_type = garbage(random)
        route = random.choice(["/translate", "/summarize"])
        answer = live.client.post(route, content=body, headers={"content-type": content_type})
        assert answer.status_code in (200, 400), (body, content_type, answer.text)
        expected = {"error"} if answer.is_error else {"translatedText", "summaryText"}
        assert answer.json().keys() & expected, (body, content_type, answer.text)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_not_even_http_harms_no_one(seed: int, live: Live, output: str) -> None:
    random = Random(seed)
    starts = [b"", b"GET / HTTP/1.1\r\n", b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: ", b"\x16\x03\x01"]
    with live.connect() as connection:
        connection.sendall(random.choice(starts) + random.randbytes(200) + b"\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert b" 500 " not in b"".join(iter(lambda: connection.recv(1000), b""))
    assert live.translate(TEXT).json() == {"translatedText": output}


# What is told


def test_languages_are_listed_with_their_names_and_targets(live: Live) -> None:
    assert live.client.get("/languages").json() == [
        {"code": "de", "name": "German", "targets": ["de", "en"]},
        {"code": "en", "name": "English", "targets": ["en"]},
    ]
    assert live.client.request("GET", "/languages", content=b"{}").status_code == 200  # libretranslatepy sends a body


def test_a_language_is_named_in_english_or_else_by_its_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tasks = ["zh:en", "tlh:en", "qq:en", "zh-hant:en"]
    serve_fakes(monkeypatch, GatedSearch(), *(f"translate:{task}" for task in tasks))
    with running(local_settings(tmp_path)) as live:
        names = {language["code"]: language["name"] for language in live.client.get("/languages").json()}
    assert names == {
        "en": "English",
        "qq": "qq",
        "tlh": "Klingon",
        "zh": "Chinese",
        "zh-hant": "Traditional Chinese",
    }


@pytest.fixture
def mixed_models(reversal_models: Path, tmp_path: Path) -> Path:
    """Return a folder of a good bundle with a score, and of one that lacks a file."""
    for name in ("broken", "good"):
        shutil.copytree(reversal_models / "reversal", tmp_path / name)
    (tmp_path / "broken" / "network.ts").unlink()
    manifest = load_manifest(tmp_path / "good")
    score = Score(task=reversal.SUMMARIZE, test="test.en.tsv", pairs=3, values={"ROUGE-L": 12.5})
    write_description(tmp_path / "good", manifest.model_copy(update={"scores": (score,)}))
    return tmp_path


def test_bundles_are_listed_with_what_they_reach_or_why_they_are_not_served(mixed_models: Path) -> None:
    with running(local_settings(mixed_models)) as live:
        broken, good = live.client.get("/models").json()
        health = live.client.get("/health/ready")
        assert live.metric("dragoman_bundles", state="ready") == live.metric("dragoman_bundles", state="failed") == 1
    error = "broken: network.ts is missing"
    assert broken == {"folder": "broken", "status": "failed", "error": error, "tasks": [], "scores": []}
    assert good.pop("parameters") > 0
    assert good == {
        "folder": "good",
        "status": "ready",
        "name": "reversal",
        "version": "1.0",
        "tasks": ["translate:de:en", "summarize:en"],
        "max_source_pieces": 24,
        "scores": [{"task": "summarize:en", "test": "test.en.tsv", "pairs": 3, "values": {"ROUGE-L": 12.5}}],
    }
    assert (health.status_code, health.json()) == (200, {"status": "ok", "failed": [error]})


@pytest.mark.parametrize("route", ["/health", "/health/live", "/health/ready"])
def test_a_service_that_is_well_says_so(route: str, live: Live) -> None:
    answer = live.client.get(route)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_documentation_shows_what_to_send(live: Live) -> None:
    schema = live.client.get("/openapi.json").json()
    for route, text in [("/translate", "Guten Morgen!"), ("/summarize", "We present a network that …")]:
        operation = schema["paths"][route]["post"]
        content = operation["requestBody"]["content"]
        assert content.keys() == {JSON, FORM, "multipart/form-data"}
        examples = content[JSON]["examples"]
        assert examples["text"]["value"]["q"] == text
        assert {"200", "400", "413", "500", "503"} <= operation["responses"].keys()
    page = live.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text
    assert "//cdn" not in page.text


def test_the_examples_of_the_documentation_are_valid(live: Live) -> None:
    schema = live.client.get("/openapi.json").json()
    for route in ("/translate", "/summarize"):
        examples = schema["paths"][route]["post"]["requestBody"]["content"][JSON]["examples"]
        for example in examples.values():
            assert live.client.post(route, json=example["value"]).status_code == 200


# Metrics


def counted(live: Live, route: str, task: str, status: int) -> float:
    return live.metric("dragoman_requests_total", route=route, task=task, status=str(status))


def fail(*_: object) -> list[list[Hypothesis]]:
    raise RuntimeError("out of memory")


def assert_counted(live: Live, labels: tuple[str, str, int], count: int = 1) -> None:
    # A request is counted when its answer has been sent, which the client may see first.
    wait_until(lambda: counted(live, *labels) >= count)
    assert counted(live, *labels) == count


def test_requests_are_counted_by_route_task_and_the_status_that_was_sent(fresh: Live, search: GatedSearch) -> None:
    translated, summarized = ("/translate", "translate:de:en", 200), ("/summarize", "summarize:en", 200)
    for answer, labels in [
        (fresh.translate("Abc"), translated),
        (fresh.client.post("/summarize", json={"q": "Abc"}), summarized),
        (fresh.translate("Abc", target="de"), ("/translate", "", 200)),
        (fresh.translate("Abc", target="zz"), ("/translate", "", 400)),
        (fresh.client.post("/translate", content=b" " * 1001), ("unknown", "", 413)),
        (fresh.client.get("/translate"), ("/translate", "", 405)),
        (fresh.client.get("/nowhere"), ("unknown", "", 404)),
        (fresh.client.get("/health/live"), ("/health/live", "", 200)),
    ]:
        assert answer.status_code == labels[-1]
        assert_counted(fresh, labels)
    fresh.translate("Abc")
    assert_counted(fresh, translated, 2)
    search.decode = fail
    assert fresh.translate("Abc").status_code == 500
    assert_counted(fresh, ("/translate", "translate:de:en", 500))
    assert fresh.metric("dragoman_request_seconds_count", route="/translate") == 6
    assert fresh.metric("dragoman_request_seconds_count", route="/summarize") == 1


def test_a_failure_that_no_one_foresaw_is_counted_as_500(fresh: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh.state.translator, "run", fail)
    assert_error(fresh.translate("Abc"), 500, "Internal error; the server's log has the details")
    assert_counted(fresh, ("/translate", "translate:de:en", 500))


def test_a_failure_of_the_network_is_logged_and_the_next_request_is_answered(
    live: Live, output: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(live.bundle.search, "search", fail)
        assert_error(live.translate(TEXT), 500, "The text could not be decoded; the server's log says why")
    assert "RuntimeError: out of memory" in caplog.text
    assert live.translate(TEXT).json() == {"translatedText": output}


def test_sentences_batches_and_seconds_are_measured(fresh: Live) -> None:
    fresh.translate(["Abc", "De"])
    wait_until(lambda: fresh.metric("dragoman_pieces_total", direction="out") == 9)  # five letters, two tags, two ends
    assert fresh.metric("dragoman_pieces_total", bundle="fake", direction="in") == 9
    for name, value in [
        ("batch_sentences_sum", 2),
        ("batch_sentences_count", 1),
        ("decode_seconds_count", 1),
        ("queue_seconds_count", 2),
    ]:
        assert fresh.metric(f"dragoman_{name}") == value


def test_what_waits_and_what_is_in_progress_is_seen(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    threads = [threading.Thread(target=fresh.translate, args=(text,)) for text in ("Abc", ["De", "F"])]
    threads[0].start()
    search.wait_for_batches(1)
    threads[1].start()
    wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 2)
    assert fresh.metric("dragoman_requests_in_progress") == 3  # the one that asks is in progress too
    search.gate.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    wait_until(lambda: fresh.metric("dragoman_requests_in_progress") == 1)
    assert fresh.metric("dragoman_queued_sentences") == 0


def test_no_text_and_no_unknown_code_becomes_a_label(live: Live) -> None:
    live.translate("Geheimnis", source="geheim")
    live.client.post("/translate", params={"q": "Geheimnis", "api_key": "geheim"})
    live.client.get("/geheim")
    assert "geheim" not in live.client.get("/metrics").text.lower()


def test_no_text_is_logged(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", "service"):
        live.translate("Geheimnis")
        live.client.post("/translate", params={**VALID, "q": "Geheimnis"})
        wait_until(lambda: caplog.text.count("/translate") >= 2)
    assert "Geheimnis" not in caplog.text


# While it cannot serve


def assert_not_ready(live: Live, reason: str) -> None:
    ready, alive = live.client.get("/health/ready"), live.client.get("/health/live")
    assert (ready.status_code, ready.json()["status"]) == (503, reason)
    assert alive.status_code == 200
    for answer in [
        live.translate("Apfel"),
        live.translate("Apfel", target="de"),
        live.client.post("/summarize", json={"q": "Apfel"}),
    ]:
        assert_error(answer, 503, f"Not ready: {reason}")
        assert int(answer.headers["retry-after"]) > 0


@pytest.fixture
def loading(reversal_models: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Live, threading.Event]]:
    """Run a service that loads its networks once the event is set."""
    gate = threading.Event()

    def load_later(*arguments: Any) -> Catalogue:
        assert gate.wait(PATIENCE_SECONDS)
        return load_catalogue(*arguments)

    monkeypatch.setattr(state_module, "load_catalogue", load_later)
    try:
        with running(local_settings(reversal_models), wait_for_networks=False) as live:
            yield live, gate
            gate.set()
    finally:
        gate.set()


def test_while_it_loads_it_lives_but_is_not_ready(loading: tuple[Live, threading.Event]) -> None:
    live, gate = loading
    assert_not_ready(live, "loading")
    for route in ("/languages", "/models"):
        assert_error(live.client.get(route), 503, "Not ready: loading")
    assert live.client.get("/metrics").status_code == 200
    assert_error(live.client.post("/translate", json={}), 400)
    gate.set()
    wait_until(lambda: live.client.get("/health/ready").status_code == 200)
    assert live.translate("Apfel").status_code == 200


def test_without_any_bundle_it_lives_but_is_not_ready(tmp_path: Path) -> None:
    with running(local_settings(tmp_path), wait_for_networks=False) as live:
        wait_until(lambda: live.client.get("/models").status_code == 200)
        assert_not_ready(live, "no bundle can be served")
        assert live.client.get("/languages").json() == live.client.get("/models").json() == []


def test_an_engine_that_stopped_asks_for_a_restart(fresh: Live) -> None:
    fresh.state.engine.close()
    alive = fresh.client.get("/health/live")
    assert (alive.status_code, alive.json()) == (503, {"status": "the engine has stopped"})
    assert fresh.client.get("/health/ready").status_code == 503
    assert_error(fresh.translate("Abc"), 503)


@pytest.mark.parametrize("fresh", [{"max_queued_pieces": 1}], indirect=True)
def test_a_full_queue_is_told_with_when_to_come_again(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    with ThreadPoolExecutor() as pool:
        first = pool.submit(fresh.translate, "Abc")
        search.wait_for_batches(1)
        second = pool.submit(fresh.translate, "Def")  # larger than the queue, but nothing waits
        wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 1)
        refused = fresh.translate("Ghi")
        assert_error(refused, 503)
        assert refused.headers["retry-after"] == "1"
        search.gate.set()
        assert first.result().json() == {"translatedText": "cbA"}
        assert second.result().json() == {"translatedText": "feD"}


# In company


def test_two_hundred_requests_at_once_are_each_answered_as_if_alone(live: Live) -> None:
    random = Random(0)
    sentences = reversal.random_sentences(150, seed=5)
    requests: list[tuple[str, dict[str, Any]]] = []
    for n in range(200):
        texts = random.sample(sentences, random.choice([1, 1, 1, 2, 3, 6]))
        q: object = random.choice([" ".join(texts), "\n".join(texts), texts])
        if n % 4 == 0:
            requests.append(("/summarize", {"q": q}))
        else:
            requests.append(("/translate", {"q": q, "source": "de", "target": "en", "alternatives": n % 3}))

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(requests))
        base = str(live.client.base_url)
        async with httpx.AsyncClient(base_url=base, limits=limits, timeout=60, trust_env=False) as client:
            return await asyncio.gather(*(client.post(route, json=fields) for route, fields in requests))

    batches = live.metric("dragoman_batch_sentences_count")
    together = [(answer.status_code, answer.json()) for answer in asyncio.run(all_at_once())]
    batches = live.metric("dragoman_batch_sentences_count") - batches
    alone = [(answer.status_code, answer.json()) for answer in (live.client.post(r, json=f) for r, f in requests)]
    assert together == alone
    assert {status for status, _ in together} == {200}
    assert batches < len(requests) / 2


def hang_up(connection: socket.socket) -> None:
    """Close a connection at once, so that the other side finds it reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def errors_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


@pytest.mark.parametrize(
    ("content_type", "start"),
    [(JSON, '{"q": "Ap'), (FORM, "q=Ap"), (MULTIPART, '--x\r\nContent-Disposition: form-data; name="q"\r\n\r\nAp')],
)
def test_a_client_that_hangs_up_within_its_body_harms_no_one(
    content_type: str, start: str, fresh: Live, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\nContent-Length: 100\r\n\r\n"
    connection = fresh.connect()
    connection.sendall((head + start).encode())
    wait_until(lambda: fresh.metric("dragoman_requests_in_progress") == 2)
    hang_up(connection)
    assert_counted(fresh, ("/translate", "", 499))
    assert fresh.translate("Abc").json() == {"translatedText": "cbA"}
    assert errors_in(caplog) == []


def test_a_client_that_hangs_up_while_its_text_is_decoded_harms_no_one(
    fresh: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    search.gate.clear()
    body = json.dumps(VALID)
    head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = fresh.connect()
    connection.sendall((head + body).encode())
    search.wait_for_batches(1)
    with ThreadPoolExecutor() as pool:
        other = pool.submit(fresh.translate, "Abc")
        wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 1)
        hang_up(connection)
        search.gate.set()
        assert other.result().json() == {"translatedText": "cbA"}
    wait_until(lambda: fresh.metric("dragoman_requests_in_progress") == 1)
    assert errors_in(caplog) == []
