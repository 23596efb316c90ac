import math
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from service import metrics as metrics_module
from service.metrics import Metrics

README = Path(metrics_module.__file__).parents[1] / "README.md"
GB = 1_000_000_000


def families(metrics: Metrics) -> list[Metric]:
    """Return our own metrics, not those of the process."""
    return [family for family in metrics.registry.collect() if family.name.startswith("dragoman_")]


def exposed_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" else family.name


def with_gpu() -> Metrics:
    metrics = Metrics()
    metrics.measure_gpu(lambda: (3 * GB, 80 * GB))
    return metrics


def test_two_services_in_one_process_do_not_count_for_each_other() -> None:
    one, other = Metrics(), Metrics()
    one.requests.labels("/translate", "translate:de:en", "200").inc()
    labels = {"route": "/translate", "task": "translate:de:en", "status": "200"}
    assert one.registry.get_sample_value("dragoman_requests_total", labels) == 1
    assert other.registry.get_sample_value("dragoman_requests_total", labels) is None


def test_all_metrics_are_exposed_with_a_description() -> None:
    assert all(len(family.documentation.split()) >= 4 for family in families(with_gpu()))


def test_the_readme_lists_the_metrics_that_there_are_with_their_types() -> None:
    rows = re.findall(r"^\| `(dragoman_\w+)(?:\{[\w,]+\})?` \| (\w+) \| \w+", README.read_text(), re.MULTILINE)
    assert sorted(rows) == sorted((exposed_name(family), family.type) for family in families(with_gpu()))


def test_the_readme_lists_the_labels_that_there_are() -> None:
    listed = dict(re.findall(r"^\| `(dragoman_\w+)(?:\{([\w,]+)\})?`", README.read_text(), re.MULTILINE))
    metrics = with_gpu()
    collectors: Any = metrics.registry._names_to_collectors  # what has no series yet tells its labels nowhere else
    there_are = {exposed_name(one): ",".join(collectors[one.name]._labelnames) for one in families(metrics)}
    assert listed == there_are


def test_no_series_says_since_when_another_counts() -> None:
    metrics = Metrics()
    metrics.requests.labels("/translate", "", 200).inc()
    assert "_created" not in generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("buckets", [metrics_module.SECONDS, metrics_module.STEP_SECONDS, metrics_module.COUNTS])
def test_buckets_rise_and_no_two_are_further_apart_than_what_a_quantile_may_be_wrong_by(
    buckets: tuple[float, ...],
) -> None:
    assert all(1 < larger / smaller <= 4 for smaller, larger in pairwise(buckets))


def test_what_the_service_is_is_told_once() -> None:
    metrics = Metrics()
    metrics.describe_device(torch.device("cpu"))
    (sample,) = next(family for family in families(metrics) if family.name == "dragoman_build_info").samples
    assert sample.value == 1
    assert sample.labels.keys() == {"version", "torch", "device"}
    assert (sample.labels["torch"], sample.labels["device"]) == (torch.__version__, "cpu")


def test_the_memory_of_a_gpu_is_measured_only_where_there_is_one() -> None:
    assert Metrics().registry.get_sample_value("dragoman_gpu_memory_size_bytes") is None
    registry = with_gpu().registry
    assert registry.get_sample_value("dragoman_gpu_memory_size_bytes") == 80 * GB
    assert registry.get_sample_value("dragoman_gpu_memory_used_bytes") == 77 * GB


def test_a_gpu_that_does_not_answer_takes_no_other_metric_with_it() -> None:
    def failing() -> tuple[int, int]:
        raise RuntimeError("CUDA error: device-side assert triggered")

    metrics = Metrics()
    metrics.measure_gpu(failing)
    used = metrics.registry.get_sample_value("dragoman_gpu_memory_used_bytes")
    assert used is not None
    assert math.isnan(used)
    assert "dragoman_ready" in generate_latest(metrics.registry).decode()


@pytest.mark.parametrize("name", ["process_resident_memory_bytes", "python_info"])
def test_the_process_is_measured_too(name: str) -> None:
    assert name in generate_latest(Metrics().registry).decode()
