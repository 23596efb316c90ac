"""The dashboard and the alert rules ask for metrics that the service exports, and for nothing else."""

import json
import re
from pathlib import Path

import pytest

from service.metrics import Metrics

DOCKER = Path(__file__).parents[2] / "docker"
DASHBOARD = DOCKER / "grafana/dashboards/dragoman.json"
ALERTS = DOCKER / "prometheus/alerts.yml"
NAME = re.compile(r"\b(?:dragoman|process)_\w+")


def exported() -> set[str]:
    """Names of the series of all metrics, also of those that have no series yet."""
    names = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + suffix for suffix in suffixes}
    return names


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    rules = re.findall(r"expr: (?:\|\n((?: {10,}.*\n)+)|(.*))", ALERTS.read_text())
    return [target["expr"] for panel in panels for target in panel["targets"]] + ["".join(rule) for rule in rules]


@pytest.mark.parametrize("expression", expressions())
def test_dashboard_and_alerts_ask_for_metrics_that_the_service_exports(expression: str) -> None:
    asked = set(NAME.findall(expression))
    assert asked <= exported() or asked <= {"dragoman_gpu_memory_used_bytes", "dragoman_gpu_memory_size_bytes"}


def test_an_unknown_metric_would_be_found() -> None:
    assert NAME.findall("rate(dragoman_invented_total[5m])") == ["dragoman_invented_total"]
    assert "dragoman_invented_total" not in exported()


def test_each_alert_says_what_to_do() -> None:
    alerts = ALERTS.read_text().split("- alert:")[1:]
    assert len(alerts) >= 10
    assert all("summary:" in alert and "action:" in alert and "severity:" in alert for alert in alerts)
