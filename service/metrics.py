"""Prometheus metrics of one service; a registry of its own, so that tests can make many."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """All metrics by name; no label holds text, an address or a key."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "dragoman_requests",
            "Requests answered, by route, task and status",
            ["route", "task", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "dragoman_request_seconds",
            "Time from a request's arrival to the end of its answer",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.requests_in_progress = Gauge(
            "dragoman_requests_in_progress", "Requests accepted and not yet answered", registry=self.registry
        )
        self.queue_seconds = Histogram(
            "dragoman_queue_seconds",
            "Time that a sentence waits for its batch",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.decode_seconds = Histogram(
            "dragoman_decode_seconds", "Time to decode a batch", buckets=SECONDS, registry=self.registry
        )
        self.batch_sentences = Histogram(
            "dragoman_batch_sentences",
            "Sentences decoded together",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.queued_sentences = Gauge(
            "dragoman_queued_sentences", "Sentences that wait for a batch", registry=self.registry
        )
        self.pieces = Counter(
            "dragoman_pieces", "Pieces read and written", ["bundle", "direction"], registry=self.registry
        )
        self.bundles = Gauge("dragoman_bundles", "Bundles found, by state", ["state"], registry=self.registry)
