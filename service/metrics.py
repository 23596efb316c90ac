"""Prometheus metrics of one service; a registry of its own, so that tests can make many."""

import math
from collections.abc import Callable
from importlib.metadata import version

import torch
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# Close together around what a short sentence takes: 7 ms on a fast core, 34 ms on a slow one.
SECONDS = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
STEP_SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


class Metrics:
    """All metrics by name; no label holds text, an address or a key, nor anything else that a client chooses freely."""

    def __init__(self) -> None:
        # No series beside each counter and histogram that says since when it counts.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._measure_requests()
        self._measure_decoding()
        self._measure_steps()
        self._describe_service()

    def _measure_requests(self) -> None:
        self.requests = Counter(
            "dragoman_requests",
            "Requests answered, by route, task and status; an error within a stream counts with a status of its own",
            ["route", "task", "status"],
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "dragoman_request_seconds",
            "Time from the arrival of a request to the end of its answer, by route and status",
            ["route", "status"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.requests_in_progress = Gauge(
            "dragoman_requests_in_progress",
            "Requests that came and are not answered yet; health checks and scrapes are not counted",
            registry=self.registry,
        )
        self.overloaded_requests = Counter(
            "dragoman_overloaded_requests",
            "Requests refused as the queue was full, too many files were there, or the answer would be late",
            registry=self.registry,
        )
        self.characters = Counter(
            "dragoman_characters",
            "Characters translated or summarized, by task; through English, for both of its tasks",
            ["task"],
            registry=self.registry,
        )
        self.detected_languages = Counter(
            "dragoman_detected_languages",
            "Texts whose language was to be detected, by the language found; unknown where nothing spoke for any",
            ["language"],
            registry=self.registry,
        )

    def _measure_decoding(self) -> None:
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
        self.queued_sentences = Gauge("dragoman_queued_sentences", "Sentences in the queue now", registry=self.registry)
        self.sentences_in_flight = Gauge(
            "dragoman_sentences_in_flight", "Sentences being decoded now", registry=self.registry
        )
        self.dropped_sentences = Counter(
            "dragoman_dropped_sentences",
            "Sentences given up while they were decoded, because the client left or its time was over",
            registry=self.registry,
        )
        self.pieces = Counter(
            "dragoman_pieces",
            "Pieces of text read (direction in) and written (direction out), by bundle",
            ["bundle", "direction"],
            registry=self.registry,
        )

    def _measure_steps(self) -> None:
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
        self.choose_seconds = Histogram(
            "dragoman_choose_seconds",
            "Time to choose among what sentences that end together have found, by the reverse direction too",
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
        self.engine_cpu_seconds = Counter(
            "dragoman_engine_cpu_seconds",
            "Processor time of the threads that decode, without the OpenMP threads that help them",
            registry=self.registry,
        )
        self.stalled_seconds = Gauge(
            "dragoman_stalled_seconds",
            "How long the step that takes longest has been under way; 0 while there is no work",
            registry=self.registry,
        )

    def _describe_service(self) -> None:
        self.ready = Gauge(
            "dragoman_ready", "Whether requests are served (1), as at /health/ready, or not (0)", registry=self.registry
        )
        self.draining = Gauge(
            "dragoman_draining", "Whether the service is shutting down (1) or not (0)", registry=self.registry
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
        self.bundle_info = Gauge(
            "dragoman_bundle_info",
            "Always 1, for each task that is served: by which bundle, and in which type of number it computes",
            ["bundle", "version", "dtype", "task"],
            registry=self.registry,
        )
        self._build_info = Gauge(
            "dragoman_build_info",
            "Always 1: the versions of the service and of PyTorch, and the device, cpu or the name of the GPU",
            ["version", "torch", "device"],
            registry=self.registry,
        )

    def describe_device(self, device: torch.device) -> None:
        """Say what computes, and how full its memory is where it is a GPU."""
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        self._build_info.labels(version("dragoman"), torch.__version__, name).set(1)
        if device.type == "cuda":
            self.measure_gpu(lambda: torch.cuda.mem_get_info(device))

    def measure_gpu(self, free_and_size: Callable[[], tuple[int, int]]) -> None:
        """Expose a GPU's memory; NaN when the GPU does not answer, which is when the other metrics are wanted most."""

        def memory() -> tuple[float, float]:
            try:
                return free_and_size()
            except RuntimeError:
                return math.nan, math.nan

        def used() -> float:
            free, size = memory()
            return size - free

        gauge = Gauge(
            "dragoman_gpu_memory_used_bytes",
            "Memory of the GPU in use, by whichever process; only where there is a GPU",
            registry=self.registry,
        )
        gauge.set_function(used)
        gauge = Gauge(
            "dragoman_gpu_memory_size_bytes",
            "Memory that the GPU has; only where there is a GPU",
            registry=self.registry,
        )
        gauge.set_function(lambda: memory()[1])
