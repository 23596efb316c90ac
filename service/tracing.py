"""OpenTelemetry's traces: a span for each request, and in it one for its time in the queue and one for its decoding.

Not opentelemetry-instrumentation-asgi, which puts the query string, where a text may be, and the client's address into
each span.
"""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.types import ASGIApp, Receive, Scope, Send

from model.config import DecodingConfig
from model.hypothesis import Hypothesis
from service.logs import request_id
from service.middleware import UNKNOWN_ROUTE, WATCHERS

CLOSE_SECONDS = 5.0
PARENT_HEADERS = {b"traceparent", b"tracestate"}


class Tracing:
    """What makes the spans and exports them."""

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self.tracer = provider.get_tracer("dragoman")

    def follow(self, sources: Sequence[Sequence[int]], config: DecodingConfig) -> "Followed":
        """Begin to follow sentences that the current request is about to queue together."""
        attributes = {
            "dragoman.sentences": len(sources),
            "dragoman.source_pieces": sum(map(len, sources)),
            "dragoman.beam_size": config.beam_size,
        }
        return Followed(self.tracer, attributes, len(sources))

    def middleware(self, app: ASGIApp) -> "TraceRequests":
        """Return what makes a span of each request to the application."""
        return TraceRequests(app, self.tracer)

    def close(self) -> None:
        """Export what is left; a collector that does not answer holds nobody up for more than CLOSE_SECONDS."""
        closing = threading.Thread(target=self.provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)


class Followed:
    """Sentences that a request queued together: until the first leaves the queue, and until the last is decoded."""

    def __init__(self, tracer: trace.Tracer, attributes: dict[str, int], sentences: int) -> None:
        self._tracer = tracer
        self._attributes = attributes
        self._context = trace.set_span_in_context(trace.get_current_span(), Context())
        self._lock = threading.Lock()
        self._left = sentences
        self._target_pieces = 0
        self._cancelled = 0
        self._failed = False
        self._queued_ns = time.time_ns()
        self._admitted_ns: int | None = None

    def admitted(self) -> None:
        """Note that a sentence has left the queue."""
        if self._admitted_ns is None:  # of threads that come here at once, either may be the first
            self._admitted_ns = time.time_ns()

    def done(self, future: Future[list[Hypothesis]]) -> None:
        """Note what became of a sentence; the last one ends the spans."""
        with self._lock:
            if future.cancelled():
                self._cancelled += 1
            elif future.exception():
                self._failed = True
            else:
                self._target_pieces += len(future.result()[0].pieces)
            self._left -= 1
            is_last = not self._left
        if is_last:
            self._make_spans()

    def _make_spans(self) -> None:
        ended_ns = time.time_ns()
        queue = self._tracer.start_span("queue", self._context, start_time=self._queued_ns, attributes=self._attributes)
        queue.end(self._admitted_ns or ended_ns)
        if self._admitted_ns is None:  # given up before
            return
        outcome = {"dragoman.target_pieces": self._target_pieces, "dragoman.cancelled_sentences": self._cancelled}
        attributes = self._attributes | outcome
        decode = self._tracer.start_span("decode", self._context, start_time=self._admitted_ns, attributes=attributes)
        if self._failed:
            decode.set_status(trace.StatusCode.ERROR)
        decode.end(ended_ns)


class TraceRequests:
    """Make a span of each request, within the trace that its ``traceparent`` names; goes around ``Observe``.

    It holds no more of the request than the log does, and of an exception only that there was one, as its message may
    quote a text.
    """

    def __init__(self, app: ASGIApp, tracer: trace.Tracer) -> None:
        self.app = app
        self.tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(WATCHERS):
            await self.app(scope, receive, send)
            return
        carrier = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in PARENT_HEADERS}
        scope.setdefault("state", {})  # where Observe leaves what it saw: for HEAD, a copy of the scope is between
        with self.tracer.start_as_current_span(
            scope["method"],
            self._propagator.extract(carrier),
            trace.SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                await self.app(scope, receive, send)
            finally:
                _describe(span, scope)


def _describe(span: trace.Span, scope: Scope) -> None:
    status = scope["state"]["status"]
    route = scope["state"]["route"]
    attributes = {
        "http.request.method": scope["method"],
        "http.response.status_code": status,
        "dragoman.request_id": request_id.get() or "",
    }
    if route != UNKNOWN_ROUTE:
        span.update_name(f"{scope['method']} {route}")
        attributes["http.route"] = route
    if task := scope["state"].get("task"):
        attributes["dragoman.task"] = str(task)
    span.set_attributes(attributes)
    if status >= 500:
        span.set_status(trace.StatusCode.ERROR)


def start_exporting() -> Tracing:
    """Export spans over OTLP by HTTP, in the background; where to, and how many, is in OpenTelemetry's variables."""
    ours = Resource.create({"service.name": "dragoman", "service.version": version("dragoman")})
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)
