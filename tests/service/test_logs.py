import asyncio
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from service.logs import log_to_stderr, request_id, text_log
from service.metrics import Metrics
from service.middleware import Observe
from service.state import ServiceState
from tests.service.fakes import GatedSearch, wait_until
from tests.service.live import Live, assert_error, local_settings
from tests.service.test_middleware import nobody, swallow, swallow_request

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
ID = {"X-Request-ID": "the-id"}


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Take back what a test has made of the loggers of this process."""
    root = logging.getLogger()
    before = root.level, root.handlers[:], text_log.disabled
    root.handlers = []  # or they would be closed when others take their place
    yield
    root.level, root.handlers, text_log.disabled = before


def log_as(log_format: Literal["text", "json"], **changes: Any) -> None:
    log_to_stderr(local_settings(Path("nowhere"), log_format=log_format, **changes))


def in_request(log: logging.Logger, message: str) -> None:
    """Log a message as a request would."""

    async def request() -> None:
        request_id.set("the-id")
        log.warning(message)

    asyncio.run(request())


def records(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Return what was logged as JSON, each line by itself."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_of_json_says_when_how_grave_who_and_what(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("json")
    logging.getLogger("uvicorn.error").info("line\nbreak %d", 1, extra={"color_message": "\33[36m"})
    (record,) = records(capsys)
    assert re.fullmatch(TIME, record.pop("time"))
    assert record == {"level": "INFO", "logger": "uvicorn.error", "message": "line\nbreak 1"}


def test_within_a_request_each_line_has_its_id(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("json")
    in_request(logging.getLogger("any"), "within")
    logging.getLogger("any").warning("without")
    within, without = records(capsys)
    assert within["request_id"] == "the-id"
    assert "request_id" not in without


def test_as_text_a_line_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("text")
    in_request(logging.getLogger("any"), "within")
    logging.getLogger("any").warning("without")
    within, without = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"{TIME} WARNING any the-id within", within)
    assert re.fullmatch(rf"{TIME} WARNING any - without", without)


def test_an_exception_is_one_line_of_json_with_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("json")
    try:
        raise ZeroDivisionError("by zero")
    except ZeroDivisionError:
        logging.getLogger("any").exception("failed")
    (record,) = records(capsys)
    assert record["message"] == "failed"
    assert record["exception"].startswith("Traceback (most recent call last):\n")
    assert record["exception"].endswith("ZeroDivisionError: by zero")


def test_the_access_log_has_fields_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("json")
    state = ServiceState(local_settings(Path("nowhere")), Metrics())
    scope = {"type": "http", "method": "POST", "path": "/x", "query_string": b"q=secret", "headers": []}
    asyncio.run(Observe(swallow_request, state)(scope, nobody, swallow))
    (record,) = records(capsys)
    assert record["logger"] == "service.access"
    assert record.keys() >= {"method", "route", "status", "task", "seconds", "request_id"}
    assert "secret" not in str(record)


def test_what_is_less_grave_than_the_setting_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log_as("json", log_level="error")
    logging.getLogger("any").warning("not grave")
    assert records(capsys) == []


# What a running service logs


def logged(caplog: pytest.LogCaptureFixture, logger: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == logger]


@pytest.mark.parametrize("wanted", [True, False])
def test_texts_are_logged_only_where_the_settings_ask_for_them(
    wanted: bool, fresh: Live, caplog: pytest.LogCaptureFixture
) -> None:
    text_log.disabled = not wanted
    logging.getLogger().addHandler(caplog.handler)
    with caplog.at_level("DEBUG"):
        fresh.translate("Geheimnis\nZwei")
        fresh.client.post("/translate", params={"q": "Geheimnis", "source": "de", "target": "en"})
        fresh.client.post("/summarize", json={"q": "Geheimnis"})
        wait_until(lambda: len(logged(caplog, "service.access")) >= 3)
    ours = [record for record in caplog.records if not record.name.startswith("http")]  # the client logs, too
    assert ("Geheimnis" in str([record.__dict__ for record in ours])) == wanted
    if wanted:
        first = logged(caplog, "service.texts")[0].__dict__
        assert (first["source_text"], first["output_text"]) == ("Geheimnis\nZwei", "sinmieheG\niewZ")
        assert "\n" not in logged(caplog, "service.texts")[0].getMessage()


def test_every_answer_has_the_id_of_its_request(fresh: Live, search: GatedSearch) -> None:
    post, get = fresh.client.post, fresh.client.get
    valid = {"q": "Abc. Def.", "source": "de", "target": "en"}
    answers = [
        post("/translate", json=valid, headers=ID),
        post("/translate", json=valid | {"stream": True}, headers=ID),
        post("/translate", json=valid | {"target": "zz"}, headers=ID),
        post("/translate", content=b" " * 1001, headers=ID),
        get("/translate", headers=ID),
        get("/nowhere", headers=ID),
        get("/health", headers=ID),
        fresh.client.options("/translate", headers=ID | {"Origin": "a", "Access-Control-Request-Method": "POST"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 400, 413, 405, 404, 200, 200]
    assert [answer.headers.get_list("X-Request-ID") for answer in answers] == [["the-id"]] * len(answers)
    assert search.sentences


def test_an_unforeseen_error_is_answered_and_logged_with_the_id_of_its_request(
    fresh: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    log_as("json")
    monkeypatch.setattr(fresh.state.translator, "run_each", fail)
    answer = fresh.client.post("/translate", json={"q": "Abc", "source": "de", "target": "en"}, headers=ID)
    assert_error(answer, 500)
    assert answer.headers["X-Request-ID"] == "the-id"
    said: list[dict[str, Any]] = []

    def there_are_both() -> bool:
        said.extend(records(capsys))
        return {"service.access", "uvicorn.error"} <= {record["logger"] for record in said}

    wait_until(there_are_both)
    (trace,) = [record for record in said if "exception" in record]
    assert trace["request_id"] == "the-id"
    assert "ZeroDivisionError" in trace["exception"]


def test_what_the_engine_cannot_decode_is_logged_with_the_ids_of_the_requests(
    fresh: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> list[Any]:
        raise RuntimeError("out of memory")

    search.answer = fail
    logging.getLogger().addHandler(caplog.handler)
    body = {"q": ["Abc", "Def"], "source": "de", "target": "en"}
    assert fresh.client.post("/translate", json=body, headers=ID).status_code == 500
    (record,) = [record for record in logged(caplog, "service.worker") if record.exc_info]
    assert record.getMessage() == "decoding 2 sentences with fake failed, of the requests the-id"
