"""Whether traces are wanted, as OpenTelemetry's own variables say; nothing of it is imported where they are not."""

import os
from typing import TYPE_CHECKING, Optional

from service.settings import SettingsError

if TYPE_CHECKING:
    from service.tracing import Tracing

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
HTTP = "http/protobuf"


def start_tracing() -> Optional["Tracing"]:
    """Begin to export traces where the environment names an endpoint; None where it does not.

    SettingsError when what exports them is not installed, or does not speak the protocol that is asked for.
    """
    endpoint = _first_set(ENDPOINTS)
    is_off = (
        os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    )
    if endpoint is None or is_off:
        return None
    protocol = _first_set(PROTOCOLS)
    if protocol and os.environ[protocol] != HTTP:
        raise SettingsError(f"{protocol} is {os.environ[protocol]}, but traces are exported by {HTTP} only")
    try:
        from service.tracing import start_exporting
    except ModuleNotFoundError as error:
        message = f"{endpoint} is set, but {error.name} is missing: pip install 'dragoman[telemetry]'"
        raise SettingsError(message) from error
    return start_exporting()


def _first_set(names: tuple[str, ...]) -> str | None:
    return next((name for name in names if os.environ.get(name)), None)
