import asyncio
import json
import logging
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from tests import reversal
from tests.service.fakes import GatedSearch, wait_until
from tests.service.live import (
    FORM,
    JSON,
    MULTIPART,
    TEXT,
    VALID,
    Live,
    assert_counted,
    assert_error,
    local_settings,
    running,
)


@pytest.mark.parametrize(("dtype", "threads"), [("float32", 1), ("int8", 2)])
def test_two_hundred_requests_at_once_are_each_answered_as_if_alone(
    dtype: str, threads: int, reversal_models: Path
) -> None:
    with running(local_settings(reversal_models, dtype=dtype, threads=threads)) as live:
        hold_that_together_is_as_alone(live)


def hold_that_together_is_as_alone(live: Live) -> None:
    random = Random(0)
    sentences = reversal.random_sentences(150, seed=5)
    requests: list[tuple[str, dict[str, Any]]] = []
    for n in range(200):
        texts = random.sample(sentences, random.choice([1, 1, 1, 2, 3, 6]))
        q: object = random.choice([" ".join(texts), "\n".join(texts), texts])
        if n % 4 == 0:
            requests.append(("/summarize", {"q": q}))
        else:
            options: dict[str, Any] = random.choice(
                [{}, {"alternatives": 2}, {"beam_size": 5, "length_penalty": 0.5}, {"scores": True}]
            )
            requests.append(("/translate", {"q": q, "source": "de", "target": "en", **options}))

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(requests))
        base = str(live.client.base_url)
        async with httpx.AsyncClient(base_url=base, limits=limits, timeout=60, trust_env=False) as client:
            return await asyncio.gather(*(client.post(route, json=fields) for route, fields in requests))

    together = asyncio.run(all_at_once())
    steps_together = live.metric("dragoman_step_seconds_count")
    alone = [live.client.post(route, json=fields) for route, fields in requests]
    steps_alone = live.metric("dragoman_step_seconds_count") - steps_together
    assert {answer.status_code for answer in together} == {200}
    for one, other in zip(map(httpx.Response.json, together), map(httpx.Response.json, alone), strict=True):
        scores, other_scores = (scores_of(answer.pop("details", [])) for answer in (one, other))
        assert one == other
        assert scores == pytest.approx(other_scores, abs=1e-4)
    assert steps_together < steps_alone / 2


def scores_of(details: list[Any]) -> list[float]:
    """Return the scores of sentences, or of lists of sentences."""
    return [score for one in details for score in (scores_of(one) if isinstance(one, list) else [one["score"]])]


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
    wait_until(lambda: fresh.metric("dragoman_requests_in_progress") == 1)
    hang_up(connection)
    assert_counted(fresh, ("/translate", "", 499))
    assert fresh.translate("Abc").json() == {"translatedText": "cbA"}
    assert errors_in(caplog) == []


def posted(live: Live, **fields: Any) -> socket.socket:
    """Return a connection on which a translation was asked for."""
    body = json.dumps(VALID | fields)
    head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n"
    connection = live.connect()
    connection.sendall((head + body).encode())
    return connection


@pytest.mark.parametrize("leave", [hang_up, socket.socket.close])
def test_a_client_that_hangs_up_frees_its_rows_and_harms_no_one(
    leave: Callable[[socket.socket], None], fresh: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    search.gate.clear()
    connection = posted(fresh, q="Abc. Def.")
    search.wait_for_steps(1)
    with ThreadPoolExecutor() as pool:
        other = pool.submit(fresh.translate, "Abc")
        wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 1)
        assert fresh.metric("dragoman_sentences_in_flight") == 2
        leave(connection)
        assert_counted(fresh, ("/translate", "translate:de:en", 499))
        search.gate.set()
        assert other.result().json() == {"translatedText": "cbA"}
    wait_until(lambda: fresh.metric("dragoman_sentences_in_flight") == 0)
    assert fresh.metric("dragoman_dropped_sentences_total") == len(search.dropped) == 2
    assert max(map(len, search.steps)) == 2  # who joined did so when the others had gone
    assert fresh.metric("dragoman_requests_in_progress") == 0
    assert errors_in(caplog) == []


def test_a_client_that_hangs_up_while_its_text_waits_is_not_decoded_for(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    with ThreadPoolExecutor() as pool:
        other = pool.submit(fresh.translate, "Abc")
        search.wait_for_steps(1)
        connection = posted(fresh, q="Def.")
        wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 1)
        hang_up(connection)
        assert_counted(fresh, ("/translate", "translate:de:en", 499))
        search.gate.set()
        assert other.result().json() == {"translatedText": "cbA"}
    wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 0)
    assert len(search.admissions) == 1
    assert fresh.metric("dragoman_dropped_sentences_total") == 0


@pytest.mark.parametrize(
    ("fresh", "timeout", "seconds"),
    [
        ({}, {"timeout_ms": 1}, "0.001"),
        ({}, {"timeout_ms": 150}, "0.15"),
        ({"timeout_seconds": 0.15}, {}, "0.15"),
        ({"timeout_seconds": 0.15}, {"timeout_ms": 10**9}, "0.15"),
        ({"timeout_seconds": 0.15}, {"timeout_ms": 10**400}, "0.15"),
    ],
    indirect=["fresh"],
)
def test_a_deadline_that_passes_is_told_and_frees_what_was_begun(
    timeout: dict[str, Any], seconds: str, fresh: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    search.gate.clear()
    assert_error(fresh.translate("Abc. Def.", **timeout), 504, f"No answer within {seconds} s")
    assert_counted(fresh, ("/translate", "translate:de:en", 504))
    search.gate.set()
    wait_until(lambda: fresh.metric("dragoman_queued_sentences") == 0)  # which the engine may come to after the answer
    wait_until(lambda: fresh.metric("dragoman_sentences_in_flight") == 0)
    assert len(search.steps) <= 1
    assert errors_in(caplog) == []


def test_a_deadline_far_away_changes_nothing(live: Live, output: str) -> None:
    assert live.translate(TEXT, timeout_ms=20_000).json() == {"translatedText": output}


def test_a_body_that_no_one_reads_is_refused_when_it_grows_over_the_limit(fresh: Live, search: GatedSearch) -> None:
    search.gate.clear()
    parts = (b" " * 200 for _ in range(11))
    answer = fresh.client.post("/translate", params=VALID, content=parts, headers={"content-type": "text/plain"})
    assert_error(answer, 413, "Invalid request: body exceeds the limit of 1000 bytes")
    search.gate.set()
    wait_until(lambda: fresh.metric("dragoman_sentences_in_flight") == 0)
    assert fresh.metric("dragoman_queued_sentences") == 0
