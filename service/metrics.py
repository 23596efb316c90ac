"""Prometheus metrics of one service; a registry of its own, so that tests can make many."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
STEP_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


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
            "Time from the arrival of a request to the end of its answer, by route",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.requests_in_progress = Gauge(
            "dragoman_requests_in_progress",
            "Requests that came and are not answered yet; health checks and scrapes are not counted",
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "dragoman_queue_seconds",
            "Time that a sentence waits in the queue, from its arrival until decoding begins",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.decode_seconds = Histogram(
            "dragoman_decode_seconds",
            "Time from when a sentence leaves the queue until it is decoded",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.encode_seconds = Histogram(
            "dragoman_encode_seconds",
            "Time to encode sentences that leave the queue together; what is being decoded on that thread stands still",
            buckets=STEP_SECONDS,
            registry=self.registry,
        )
        self.step_seconds = Histogram(
            "dragoman_step_seconds",
            "Time of a decoder step, which adds a piece to every sentence being decoded on a thread",
            buckets=STEP_SECONDS,
            registry=self.registry,
        )
        self.step_sentences = Histogram(
            "dragoman_step_sentences", "Sentences in a decoder step", buckets=COUNTS, registry=self.registry
        )
        self.step_rows = Histogram(
            "dragoman_step_rows",
            "Hypotheses in a decoder step: up to the beam size for each of its sentences",
            buckets=COUNTS,
            registry=self.registry,
        )
        self.queued_sentences = Gauge("dragoman_queued_sentences", "Sentences in the queue now", registry=self.registry)
        self.sentences_in_flight = Gauge(
            "dragoman_sentences_in_flight", "Sentences being decoded now", registry=self.registry
        )
        self.dropped_sentences = Counter(
            "dragoman_dropped_sentences",
            "Sentences given up while they were decoded, because the client left or its time was over",
            registry=self.registry,
        )
        self.engine_cpu_seconds = Counter(
            "dragoman_engine_cpu_seconds",
            "Processor time of the threads that decode, without the OpenMP threads that help them",
            registry=self.registry,
        )
        self.pieces = Counter(
            "dragoman_pieces",
            "Pieces of text read (direction in) and written (direction out), by bundle",
            ["bundle", "direction"],
            registry=self.registry,
        )
        self.bundles = Gauge(
            "dragoman_bundles",
            "Bundles found in the folder, by state: ready, outdated because the new one failed to load, or failed",
            ["state"],
            registry=self.registry,
        )
        self.reloads = Counter(
            "dragoman_reloads",
            "Times that the folder was loaded, by outcome: done, or failed as a whole",
            ["outcome"],
            registry=self.registry,
        )
