import subprocess
import sys

import pytest

from service.settings import SettingsError
from service.telemetry import start_tracing
from service.tracing import Tracing

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: NOWHERE, "OTEL_SDK_DISABLED": "true"},
        {ENDPOINT: NOWHERE, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_an_endpoint_nothing_is_traced(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert start_tracing() is None


@pytest.mark.parametrize("name", [ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_with_an_endpoint_everything_is_traced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, NOWHERE)
    tracing = start_tracing()
    assert isinstance(tracing, Tracing)
    tracing.close()


def test_the_variables_of_opentelemetry_name_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, NOWHERE)
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    names = []
    for name in (None, "contracts"):
        if name:
            monkeypatch.setenv("OTEL_SERVICE_NAME", name)
        tracing = start_tracing()
        assert tracing
        attributes = tracing.provider.resource.attributes
        assert attributes["deployment.environment.name"] == "test"
        names.append(attributes["service.name"])
        tracing.close()
    assert names == ["dragoman", "contracts"]


def test_a_protocol_that_is_not_spoken_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, NOWHERE)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but traces are exported by http"):
        start_tracing()


def test_with_an_endpoint_and_without_the_library_the_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ENDPOINT, NOWHERE)
    monkeypatch.delitem(sys.modules, "service.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(SettingsError, match=rf"{ENDPOINT} is set, but opentelemetry is missing: pip install"):
        start_tracing()


def test_where_nothing_is_traced_nothing_of_it_is_imported() -> None:
    code = "import service.server, sys; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = said.stdout.split()
    assert "service.telemetry" in imported
    # FastAPI itself imports opentelemetry's API in some releases.
    assert not [name for name in imported if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
