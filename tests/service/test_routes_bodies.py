import contextlib
import json
import socket
from http.client import HTTPResponse
from random import Random

import httpx
import pytest

from tests.service.live import FORM, JSON, MULTIPART, TEXT, VALID, Live, assert_error

JSON_AS_SOMETHING_ELSE = "Invalid request: the body looks like JSON, which needs Content-Type: application/json"
ONE_PART = b'--x\r\nContent-Disposition: form-data; name="q"\r\n\r\nApfel\r\n--x--\r\n'


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
        (ONE_PART, MULTIPART + "; charset=undefined", "Invalid form: its text cannot be decoded"),
        (json.dumps(VALID).encode(), "text/plain", JSON_AS_SOMETHING_ELSE),
        (json.dumps(VALID).encode(), FORM, JSON_AS_SOMETHING_ELSE),
        (b"q", "text/plain", "Invalid request: missing q parameter"),
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


@pytest.mark.parametrize("path", ["/nowhere", "/translate/x", "/%00", "/../etc/passwd"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_refused(method: str, path: str, live: Live) -> None:
    assert_error(live.client.request(method, path), 404)


NO_TEXTS = "Invalid request: q parameter should be a text or a list of texts"
TERMS = b",".join(b'"%d":1' % number for number in range(80_000))


def parts(number: int, more: str = "") -> bytes:
    one = '--x\r\nContent-Disposition: form-data; name="a{}"{}\r\n\r\nb\r\n'
    return "".join(one.format(place, more) for place in range(number)).encode() + b"--x--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        (parts(10_000), MULTIPART, "Too many fields. Maximum number of fields is 100."),
        (parts(10_000, '; filename="f"'), MULTIPART, "Too many files. Maximum number of files is 0."),
        (b"--x\r\nX: " + b"a" * 900_000, MULTIPART, None),
        (b"--x\r\n" + b"X: a\r\n" * 150_000, MULTIPART, None),
        (b'{"q": [' + b"[]," * 300_000 + b"1]}", JSON, NO_TEXTS),
        (b'{"q": [' + b'"",' * 300_000 + b'""]}', JSON, None),
        (b'{"q": "a", "source": "de", "target": "en", "glossary": {' + TERMS + b"}}", JSON, None),
    ],
    ids=["fields", "files", "a long header", "many headers", "lists", "texts", "terms"],
)
def test_a_body_of_very_many_parts_is_refused(body: bytes, content_type: str, message: str | None, live: Live) -> None:
    answer = live.client.post("/translate", content=body, headers={"content-type": content_type})
    assert_error(answer, 400, message)


@pytest.mark.parametrize("encoding", ["gzip", "br", "Deflate", "x" * 1000, "\xff"])
@pytest.mark.parametrize("route", ["/translate", "/translate_file", "/detect"])
def test_a_compressed_body_is_refused_unread(encoding: str, route: str, live: Live) -> None:
    headers = {b"Content-Type": JSON.encode(), b"Content-Encoding": encoding.encode("latin-1")}
    assert_error(live.client.post(route, content=b"x", headers=headers), 415)  # type: ignore[arg-type]


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
