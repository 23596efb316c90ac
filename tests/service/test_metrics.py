import pytest
from prometheus_client import generate_latest

from service.metrics import Metrics

NAMES = {
    "requests",
    "request_seconds",
    "requests_in_progress",
    "queue_seconds",
    "decode_seconds",
    "encode_seconds",
    "step_seconds",
    "step_sentences",
    "step_rows",
    "queued_sentences",
    "sentences_in_flight",
    "dropped_sentences",
    "engine_cpu_seconds",
    "pieces",
    "bundles",
}


def test_two_services_in_one_process_do_not_count_for_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.requests.labels("/translate", "translate:de:en", "200").inc()
    labels = {"route": "/translate", "task": "translate:de:en", "status": "200"}
    assert one.registry.get_sample_value("dragoman_requests_total", labels) == 1
    assert other.registry.get_sample_value("dragoman_requests_total", labels) is None


def test_all_metrics_are_exposed_with_a_description() -> None:
    families = {
        family.name.removeprefix("dragoman_"): family.documentation
        for family in Metrics().registry.collect()
        if family.name.startswith("dragoman_")
    }
    assert families.keys() == NAMES
    assert all(len(documentation.split()) >= 4 for documentation in families.values())


@pytest.mark.parametrize("name", ["process_resident_memory_bytes", "python_info"])
def test_the_process_is_measured_too(name: str) -> None:
    assert name in generate_latest(Metrics().registry).decode()
