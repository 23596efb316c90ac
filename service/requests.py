"""A request's fields, out of whichever form the client sent: JSON, urlencoded, multipart or the query string."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from service.errors import InvalidRequest, describe_invalid_fields

MAX_FORM_FIELDS = 100

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


async def read_body(request: Request, model: type[Body]) -> Body:
    """Read and validate the request; InvalidRequest names what is missing or wrong."""
    fields = await _fields(request)
    if request.scope["query_string"]:
        fields = {**request.query_params, **fields}
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise InvalidRequest(describe_invalid_fields(error)) from error


async def _fields(request: Request) -> dict[str, Any]:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/json" or content_type.endswith("+json"):
        return _json_object(await request.body())
    if content_type == "multipart/form-data":
        return await _multipart(request)
    # Read in any case, or a stream that is under way would stumble over the rest, where that is too large.
    body = await request.body()
    if body.lstrip().startswith(b"{"):  # curl -d says that it is a form
        raise InvalidRequest("Invalid request: the body looks like JSON, which needs Content-Type: application/json")
    return _urlencoded(body) if content_type == "application/x-www-form-urlencoded" else {}


async def _multipart(request: Request) -> dict[str, Any]:
    try:
        async with request.form(max_files=0, max_fields=MAX_FORM_FIELDS) as form:
            return {name: value for name, value in form.items() if isinstance(value, str)}
    except ValueError as error:  # the client chose a charset of Python's, such as "undefined", that decodes nothing
        raise InvalidRequest("Invalid form: its text cannot be decoded") from error


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("Invalid JSON format") from error
    if not isinstance(fields, dict):
        raise InvalidRequest("Invalid JSON format: an object is expected")
    return fields


def _urlencoded(body: bytes) -> dict[str, Any]:
    # Starlette's own parser takes bytes that are not percent-encoded for Latin-1.
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS))
    except ValueError as error:
        raise InvalidRequest("Invalid form: not urlencoded UTF-8, or too many fields") from error


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Do the work for a request whose body has been read; cancelled, with ClientDisconnect, when the client leaves."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(request))
    leaving.add_done_callback(lambda _: working.cancel())
    try:
        return await working
    except asyncio.CancelledError:
        if not leaving.done():
            raise
        leaving.result()  # raises what is wrong with the rest of a body that no one read, as its size
        raise ClientDisconnect from None
    finally:
        if not leaving.cancel():
            leaving.exception()  # or asyncio would complain that nobody asked for it


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
