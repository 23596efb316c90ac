import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service import app as app_module
from service import tracing as tracing_module
from service.tracing import Tracing
from tests.service.fakes import GatedSearch, wait_until
from tests.service.live import VALID, Live, local_settings, running, serve_fakes

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
DECODED = ["decode", "queue"]


class Traced:
    """A service, and the spans that it has made."""

    def __init__(self, live: Live, tracing: Tracing, exporter: InMemorySpanExporter) -> None:
        self.live = live
        self.tracing = tracing
        self._exporter = exporter

    def post(self, path: str = "/translate", headers: Mapping[str, str] | None = None, **fields: Any) -> int:
        return self.live.client.post(path, json=VALID | fields, headers=headers).status_code

    def spans(self, number: int = 3) -> dict[str, ReadableSpan]:
        """Return the spans by name when there are so many; the client is answered before all have ended."""
        wait_until(lambda: len(self._exporter.get_finished_spans()) >= number)
        spans = self._exporter.get_finished_spans()
        assert len(spans) == number
        return {span.name: span for span in spans}


@pytest.fixture
def traced(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Traced]:
    """Run a service that keeps its spans."""
    serve_fakes(monkeypatch, search, "translate:de:en", "summarize:en")
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    monkeypatch.setattr(app_module, "start_tracing", lambda: tracing)
    with running(local_settings(tmp_path)) as live:
        yield Traced(live, tracing, exporter)
        search.gate.set()


def test_a_request_is_a_span_with_its_time_in_the_queue_and_its_decoding_in_it(traced: Traced) -> None:
    assert traced.post(q="Abc.\nDe.", beam_size=3, headers={"X-Request-ID": "the-id"}) == 200
    spans = traced.spans()
    request, queue, decode = (spans[name] for name in ("POST /translate", "queue", "decode"))
    assert request.kind is SpanKind.SERVER
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/translate",
        "http.response.status_code": 200,
        "dragoman.request_id": "the-id",
        "dragoman.task": "translate:de:en",
    }
    pieces = len("Abc.") + len("De.") + 2 * 2  # a tag and an end each
    asked = {"dragoman.sentences": 2, "dragoman.source_pieces": pieces, "dragoman.beam_size": 3}
    assert queue.attributes == asked
    outcome = {"dragoman.target_pieces": pieces, "dragoman.cancelled_sentences": 0}
    assert decode.attributes == asked | outcome
    assert request.context
    for span in (queue, decode):
        assert span.parent
        assert span.context
        assert span.parent.span_id == request.context.span_id
        assert span.context.trace_id == request.context.trace_id
    assert queue.start_time
    assert queue.end_time == decode.start_time
    assert decode.end_time
    assert queue.start_time <= decode.start_time <= decode.end_time


def test_it_belongs_to_the_trace_of_the_client(traced: Traced) -> None:
    traced.post(headers=TRACEPARENT)
    request = traced.spans()["POST /translate"]
    assert request.parent
    assert request.context
    assert f"{request.parent.span_id:016x}" == PARENT
    assert f"{request.context.trace_id:032x}" == TRACE


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-01", "ä"])
def test_a_trace_that_cannot_be_is_not_continued(traceparent: str, traced: Traced) -> None:
    headers: Any = {"traceparent": traceparent.encode()}
    assert traced.post(headers=headers) == 200
    assert traced.spans()["POST /translate"].parent is None


def test_what_a_client_does_not_want_sampled_is_not(traced: Traced) -> None:
    traced.post(headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    traced.post(headers=TRACEPARENT)
    assert all(span.context and f"{span.context.trace_id:032x}" == TRACE for span in traced.spans().values())


@pytest.mark.parametrize(
    ("path", "fields", "name", "status", "code"),
    [
        ("/translate", {"target": "zz"}, "POST /translate", 400, StatusCode.UNSET),
        ("/nowhere", {}, "POST", 404, StatusCode.UNSET),
    ],
)
def test_what_is_refused_is_a_span_with_its_status(
    path: str, fields: dict[str, str], name: str, status: int, code: StatusCode, traced: Traced
) -> None:
    assert traced.post(path, **fields) == status
    span = traced.spans(1)[name]
    assert span.attributes
    assert span.attributes["http.response.status_code"] == status
    assert span.status.status_code is code


def test_a_request_for_the_head_alone_has_the_route_too(traced: Traced) -> None:
    assert traced.live.client.head("/languages").status_code == 200
    span = traced.spans(1)["HEAD /languages"]
    assert span.attributes
    assert span.attributes["http.request.method"] == "HEAD"
    assert span.attributes["http.route"] == "/languages"


def test_an_unforeseen_error_is_an_error_whose_message_stays_here(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("Geheimnis")

    monkeypatch.setattr(traced.live.state.translator, "run_each", fail)
    assert traced.post() == 500
    span = traced.spans(1)["POST /translate"]
    assert span.status.status_code is StatusCode.ERROR
    assert "Geheimnis" not in span.to_json()


def test_what_cannot_be_decoded_is_an_error(traced: Traced, search: GatedSearch) -> None:
    def fail(*_: object) -> list[Any]:
        raise RuntimeError("out of memory")

    search.answer = fail
    assert traced.post(q="Abc") == 500
    spans = traced.spans()
    assert {spans[name].status.status_code for name in ("POST /translate", "decode")} == {StatusCode.ERROR}


def test_what_is_given_up_in_the_queue_was_never_decoded(traced: Traced, search: GatedSearch) -> None:
    search.gate.clear()
    thread = threading.Thread(target=traced.post)
    thread.start()
    search.wait_for_steps(1)
    assert traced.post(timeout_ms=1) == 504
    assert traced.spans(2).keys() == {"POST /translate", "queue"}
    search.gate.set()
    thread.join()


def test_a_stream_is_traced_to_its_end(traced: Traced) -> None:
    assert traced.post(stream=True) == 200
    assert traced.spans().keys() == {"POST /translate", *DECODED}


def test_no_text_and_no_address_is_in_a_span(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if something else in the process had configured OpenTelemetry, which makes FastAPI trace query strings.
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: traced.tracing.provider)
    traced.live.client.post("/translate", params=VALID | {"q": "Geheimnis", "api_key": "Schluessel"})
    said = "".join(span.to_json() for span in traced.spans().values())
    assert not {one for one in ("Geheimnis", "Schluessel", "127.0.0.1") if one in said}


def test_a_collector_that_does_not_answer_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_module, "CLOSE_SECONDS", 0.0)
    answers = threading.Event()
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(provider, "shutdown", answers.wait)
    Tracing(provider).close()
    answers.set()


def test_who_asks_how_the_service_is_is_no_span(traced: Traced) -> None:
    traced.live.client.get("/health/ready")
    traced.live.client.get("/metrics")
    traced.post(target="zz")
    traced.spans(1)
