"""The routes that do work on texts: translate, summarize, detect."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from service.access import read_admitted
from service.answers import Plan, Translated, shaped_as, summarize_response, translate_response
from service.catalogue import whole
from service.chinese import TRADITIONAL, in_script, script_to_write, served_as
from service.codes import code_for, route_between, with_codes_of
from service.errors import InvalidRequest, ServiceError
from service.keys import KeyScope
from service.requests import unless_client_leaves
from service.routes import get_state
from service.run import Answer
from service.schemas import (
    AUTO,
    DECODING_FIELDS,
    MAX_LENGTH,
    DetectedLanguage,
    DetectRequest,
    ErrorResponse,
    SummarizeRequest,
    SummarizeResponse,
    TextRequest,
    TextsRequest,
    TranslateRequest,
    TranslateResponse,
)
from service.state import ServiceState
from service.translator import Options, Translator, aside


class DirectRoute(APIRoute):
    """Hands the request to its endpoint and sends the response, both as they are; FastAPI only describes them.

    To look for dependencies, and to validate answers that were just made, would take it a tenth of a millisecond.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; the endpoint has to take the request and nothing else, and its errors are the application's."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # which refuses it
            return
        response: Response = await self.endpoint(Request(scope, receive))
        await response(scope, receive, send)


work = APIRouter(route_class=DirectRoute)


def describe_body(model: type[BaseModel], **examples: dict[str, Any]) -> dict[str, Any]:
    """Describe a body that comes as JSON or as a form."""
    schema = model.model_json_schema()
    named = {name: {"value": value} for name, value in examples.items()}
    forms = ("application/x-www-form-urlencoded", "multipart/form-data")
    content = {"application/json": {"schema": schema, "examples": named}, **{f: {"schema": schema} for f in forms}}
    return {"requestBody": {"required": True, "content": content}}


ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorResponse, "description": "The request has to be changed"},
    403: {"model": ErrorResponse, "description": "The API key is wrong, or not for this"},
    408: {"model": ErrorResponse, "description": "The body took too long to come in"},
    413: {"model": ErrorResponse, "description": "The body is over the limit"},
    415: {"model": ErrorResponse, "description": "The body is compressed"},
    429: {"model": ErrorResponse, "description": "Too many requests; see Retry-After"},
    500: {"model": ErrorResponse, "description": "The network failed; the log says why"},
    503: {"model": ErrorResponse, "description": "Loading, shutting down or too busy; see Retry-After"},
    504: {"model": ErrorResponse, "description": "No answer in the time that the request or the server allows"},
}


STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The translation; with `stream`, as events",
        "content": {"text/event-stream": {"schema": {"type": "object"}}},
    }
}


@work.post(
    "/translate",
    response_model=TranslateResponse,
    responses=ERRORS | STREAM,
    openapi_extra=describe_body(
        TranslateRequest,
        text={"q": "Guten Morgen!", "source": "de", "target": "en"},
        list={"q": ["Guten Morgen!", "Wie geht's?"], "source": "auto", "target": "en", "alternatives": 2},
        html={"q": "<p>Guten <b>Morgen</b>!</p>", "source": "de", "target": "en", "format": "html"},
    ),
)
async def translate(request: Request) -> Response:
    """Translate a text, or each text of a list. Line breaks stay where they were, and in HTML all tags."""
    state = await get_state(request)
    body = await read_admitted(request, TranslateRequest, KeyScope.TRANSLATE)
    _check(body, state)
    translator = state.translator
    body = with_codes_of(state.languages, body)
    plans = await aside(_characters(body), lambda: [_read(text, body, state, translator) for text in body.texts])
    options = _options(body, request, state)
    routes = [plan.route for plan in plans]
    if len(set(routes)) == 1:
        request.state.task = whole(routes[0]) or ""
    if body.stream:
        return await _stream(request, body, plans, options, translator)

    answers = await unless_client_leaves(request, translator.run_each(routes, body.texts, options))
    translated = list(map(Translated, plans, answers))
    return _json(await aside(_characters(body), lambda: translate_response(body, translated, translator.catalogue)))


def _read(text: str, body: TranslateRequest, state: ServiceState, translator: Translator) -> Plan:
    detection = state.detect(text)[0] if body.source == AUTO else None
    source = detection.language if detection else body.source
    is_nothing = detection is not None and not detection.confidence  # or none of the languages that are known
    if is_nothing:
        return Plan(detection, ())
    if served_as(source) == served_as(body.target):
        return Plan(detection, (), script_to_write(text, source, body.target))
    if detection is None and state.detector.is_clearly(body.target, text, said_to_be=source):
        return Plan(None, ())
    route = route_between(source, body.target, translator.catalogue)
    return Plan(detection, tuple(route), TRADITIONAL if body.target == TRADITIONAL else None)


async def _stream(
    request: Request, body: TranslateRequest, plans: Sequence[Plan], options: Options, translator: Translator
) -> Response:
    if not isinstance(body.q, str):
        raise InvalidRequest("Invalid request: stream parameter is for a single text, not for a list")
    (plan,), text = plans, body.q

    async def events() -> AsyncIterator[str]:
        if len(plan.route) == 1:
            async with aclosing(translator.stream(plan.route[0], text, options)) as stream:
                async for one in stream:
                    if isinstance(one, Answer):
                        answer = one
                    else:
                        output = in_script(one.output, "text", plan.script) if plan.script else one.output
                        said = one._replace(output=output)._asdict()
                        yield _event("sentence", json.dumps(said, ensure_ascii=False))
        else:
            (answer,) = await translator.run_each([plan.route], [text], options)
        translated = [Translated(plan, answer)]
        response = await aside(len(text), lambda: translate_response(body, translated, translator.catalogue))
        yield _event("answer", response.model_dump_json(exclude_none=True))

    async def with_errors(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
        yield first
        try:
            async for event in rest:
                yield event
        except ServiceError as error:  # the status has been sent
            request.state.error = error
            yield _event("error", json.dumps({"error": str(error), "status": error.status}))

    rest = events()

    async def begin() -> str:
        return await anext(rest)

    first = await unless_client_leaves(request, begin())  # what goes wrong before it has a status of its own
    return StreamingResponse(with_errors(first, rest), media_type="text/event-stream")


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


@work.post(
    "/summarize",
    response_model=SummarizeResponse,
    responses=ERRORS,
    openapi_extra=describe_body(SummarizeRequest, text={"q": "We present a network that …"}),
)
async def summarize(request: Request) -> Response:
    """Write a headline for a text, or for each text of a list."""
    state = await get_state(request)
    body = await read_admitted(request, SummarizeRequest, KeyScope.SUMMARIZE)
    _check(body, state)
    translator = state.translator
    tasks = {task.source: task for task in translator.catalogue.serving if task.kind == "summarize"}
    task = tasks[code_for(body.source, tasks)]
    request.state.task = task
    answers = await unless_client_leaves(request, translator.run(task, body.texts, _options(body, request, state)))
    return _json(await aside(_characters(body), lambda: summarize_response(body, task, answers, translator.catalogue)))


@work.post(
    "/detect",
    response_model=list[DetectedLanguage] | list[list[DetectedLanguage]],
    responses=ERRORS,
    openapi_extra=describe_body(DetectRequest, text={"q": "Guten Morgen!"}),
)
async def detect(request: Request) -> Response:
    """Say which languages a text may be in, best first; for a list, of each of its texts."""
    state = await get_state(request)
    body = await read_admitted(request, DetectRequest, KeyScope.TRANSLATE)
    _check_texts(body, state)
    state.translator  # noqa: B018 – NotReady while nothing is loaded
    found = await aside(_characters(body), lambda: [state.detect(text) for text in body.texts])
    content = shaped_as(body, [[one._asdict() for one in of_text] for of_text in found])
    return Response(json.dumps(content), media_type="application/json")


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _options(body: TextRequest, request: Request, state: ServiceState) -> Options:
    timeout_seconds = state.settings.timeout_seconds
    if body.timeout_ms is not None:  # compared before it is divided, as no float holds what JSON can spell
        timeout_seconds = min(1000 * timeout_seconds, body.timeout_ms) / 1000
    summary = body if isinstance(body, SummarizeRequest) else None
    lengths = _lengths(summary.words) if summary and summary.words else {}
    return Options(
        decoding=lengths | {name: value for name in DECODING_FIELDS if (value := getattr(body, name)) is not None},
        n_best=1 + body.alternatives,
        attention=body.attention,
        timeout_seconds=timeout_seconds,
        client=request.state.client,
        text_format=body.format,
        glossary=body.glossary if isinstance(body, TranslateRequest) else {},
        parts=summary.sentences if summary else 1,
    )


def _lengths(words: int) -> dict[str, int]:
    """Return decoding options for about so many words, each of which is one or two pieces."""
    return {"min_length": words, "max_length": min(2 * words, MAX_LENGTH)}


def _check(body: TextRequest, state: ServiceState) -> None:
    _check_texts(body, state)
    if body.alternatives > state.settings.alternatives_limit:
        limit = state.settings.alternatives_limit
        raise InvalidRequest(f"Invalid request: alternatives parameter must be <= {limit}")


def _check_texts(body: TextsRequest, state: ServiceState) -> None:
    settings = state.settings
    if not body.texts:
        raise InvalidRequest("Invalid request: q parameter is an empty list")
    if len(body.texts) > settings.text_limit:
        raise InvalidRequest(f"Invalid request: {len(body.texts)} texts exceed the limit of {settings.text_limit}")
    characters = _characters(body)
    if characters > settings.char_limit:
        raise InvalidRequest(f"Invalid request: request ({characters}) exceeds text limit ({settings.char_limit})")


def _characters(body: TextsRequest) -> int:
    return sum(map(len, body.texts))
