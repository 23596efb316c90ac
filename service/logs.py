"""What the service logs: a line for each event, as text or as JSON, with the id of the request that it belongs to."""

import logging
import re
import secrets
import sys
import time
from contextvars import ContextVar

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from service.settings import Settings

SANE_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)
LINE = "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s"
FIELDS = ("asctime", "levelname", "name", "message")
UNWANTED = ("color_message",)  # uvicorn's messages once more, for terminals
NAMES = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "exception"}

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that is being answered. Set once, in the context that the server makes for each request."""

text_log = logging.getLogger("service.texts")
"""For sources and outputs, and nothing else is; silent unless the settings ask for them."""
text_log.disabled = True


def new_request_id(sent: str) -> str:
    """Return the id that a client sent, if it is one that may stand in a log and a header, else one of our own."""
    return sent if SANE_ID.fullmatch(sent) else secrets.token_hex(16)


def log_to_stderr(settings: Settings) -> None:
    """Log to standard error in the form of the settings, all loggers of the process alike."""
    formatter: logging.Formatter
    if settings.log_format == "json":
        formatter = JsonFormatter(
            FIELDS, rename_fields=NAMES, json_ensure_ascii=False, reserved_attrs=[*RESERVED_ATTRS, *UNWANTED]
        )
    else:
        formatter = logging.Formatter(LINE, defaults={"request_id": "-"})
    formatter.converter = time.gmtime
    formatter.default_time_format, formatter.default_msec_format = "%Y-%m-%dT%H:%M:%S", "%s.%03dZ"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(with_request_id)
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    text_log.disabled = not settings.log_texts


def with_request_id(record: logging.LogRecord) -> bool:
    """Give a record the id of the request in whose context it was made; none where there is none."""
    if (current := request_id.get()) is not None:
        record.request_id = current
    return True
