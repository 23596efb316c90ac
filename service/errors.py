"""What can go wrong for a client, and the only place where it becomes an HTTP status."""

import re

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from service.logs import request_id

SHOWN = 40
"""Characters of a term in a message."""
CLIENT_CLOSED_REQUEST = 499  # nginx's code for a client that left before the answer began


class ServiceError(Exception):
    """Base of what is answered as ``{"error": message}``."""

    status = 500
    retry_after_seconds: int | None = None


class InvalidRequest(ServiceError):
    """The client has to change the request."""

    status = 400


class Forbidden(ServiceError):
    """The API key is not known, or not for this."""

    status = 403


class NotFound(ServiceError):
    """What was asked for is not there."""

    status = 404


class BodyTooLarge(ServiceError):
    """The body is larger than the service reads."""

    status = 413


class BodyTooSlow(ServiceError):
    """The body took too long to come in."""

    status = 408


class EncodedBody(ServiceError):
    """The body is compressed, which the service does not undo: what it would be is not limited by what it is."""

    status = 415


class TooManyRequests(ServiceError):
    """The client has asked as often as it may."""

    status = 429

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NotReady(ServiceError):
    """The networks are being loaded, or the service is shutting down."""

    status = 503
    retry_after_seconds = 5


class Overloaded(ServiceError):
    """There is more work than can be done in time."""

    status = 503

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineExceeded(ServiceError):
    """The time that the request or the service allows has passed; the work was given up."""

    status = 504


class ReloadFailed(ServiceError):
    """The bundles could not be looked at; what was served is served still."""


class DecodingFailed(ServiceError):
    """The engine could not decode; the trace is in the log."""


def error_response(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return the one form that every error has."""
    return JSONResponse({"error": message}, status_code=status, headers=headers)


def describe_invalid_fields(error: ValidationError) -> str:
    """Return LibreTranslate's sentence for a missing field, and one in its manner for a wrong one.

    As pydantic's messages have a subject of their own ("Input should be a valid integer"), the field replaces it.
    """
    first = error.errors()[0]
    field, *within = map(str, first["loc"])
    if first["type"] == "missing":
        return f"Invalid request: missing {field} parameter"
    if first["type"] == "format":
        return str(first["msg"])
    said = re.sub(r"^(Value error, |Input |String )", "", first["msg"])
    whose = f"{field} parameter"
    if field == "glossary" and within:  # others name there the branch of a union, which means nothing to a client
        whose += f": the {'term' if within[1:] else 'translation of'} {within[0][:SHOWN]!r}"
    return f"Invalid request: {whose} {said[0].lower()}{said[1:]}"


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error of the application, foreseen or not, in JSON."""

    @app.exception_handler(ServiceError)
    async def on_service_error(request: Request, error: ServiceError) -> JSONResponse:
        request.state.error = error
        headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds else None
        return error_response(error.status, str(error), headers)

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> JSONResponse:
        return error_response(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def on_disconnect(_: Request, __: ClientDisconnect) -> JSONResponse:
        return error_response(CLIENT_CLOSED_REQUEST, "The client left")

    @app.exception_handler(Exception)
    async def on_unforeseen_error(_: Request, __: Exception) -> JSONResponse:
        # uvicorn closes the connection after an error that it sees, which a client that would reuse it has to know.
        # What gives all other answers their id does not see this one.
        headers = {"Connection": "close", "X-Request-ID": request_id.get() or ""}
        return error_response(500, "Internal error; the server's log says why", headers)
