"""The routes that do work on texts: translate, summarize, detect."""

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from model.config import Task
from service.answers import Plan, Translated, itself, shaped_as, summarize_response, translate_response
from service.errors import InvalidRequest, ServiceError
from service.requests import read_body, unless_client_leaves
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
    TranslateRequest,
    TranslateResponse,
)
from service.state import ServiceState
from service.translator import Options, Translator, aside

Result = TypeVar("Result")


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
    413: {"model": ErrorResponse, "description": "The body is over the limit"},
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
    body = await read_body(request, TranslateRequest)
    _check(body, state)
    translator = state.translator
    languages = state.languages
    for code in (body.target,) if body.source == AUTO else (body.source, body.target):
        if code not in languages:
            raise InvalidRequest(f"{code} is not supported")
    plans = await aside(_characters(body), lambda: [_read(text, body, state, translator) for text in body.texts])
    options = _options(body, state)
    by_route: dict[tuple[Task, ...], list[int]] = {}
    for place, plan in enumerate(plans):
        if body.glossary and len(plan.route) > 1:
            pivot = plan.route[0].target
            raise InvalidRequest(f"Invalid request: glossary has no effect on what is translated through {pivot}")
        by_route.setdefault(plan.route, []).append(place)
    if len(by_route) == 1:
        request.state.task = next(iter(by_route))[-1] if plans[0].route else ""
    if body.stream:
        return await _stream(request, body, plans, options, translator)

    async def run(route: tuple[Task, ...], places: Sequence[int]) -> list[tuple[int, Translated]]:
        texts = [body.texts[place] for place in places]
        answers = await translator.run_along(route, texts, options) if route else [itself(text) for text in texts]
        return [(place, Translated(plans[place], answer)) for place, answer in zip(places, answers, strict=True)]

    async def run_all() -> list[Translated]:
        if len(by_route) == 1:
            found = [await run(*one) for one in by_route.items()]
        else:
            found = await _all([run(*one) for one in by_route.items()])
        return [translated for _, translated in sorted((one for of in found for one in of), key=lambda one: one[0])]

    return _json(translate_response(body, await unless_client_leaves(request, run_all()), translator.catalogue))


async def _all(work: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Do all at once; when one fails, give up the others and fail as it did."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _read(text: str, body: TranslateRequest, state: ServiceState, translator: Translator) -> Plan:
    detection = state.detector.detect(text)[0] if body.source == AUTO else None
    source = detection.language if detection else body.source
    is_nothing = detection is not None and not detection.confidence  # or none of the languages that are known
    if source == body.target or is_nothing:
        return Plan(detection, ())
    if detection is None and state.detector.is_clearly(body.target, text, said_to_be=source):
        return Plan(None, ())
    route = translator.catalogue.route(source, body.target)
    if not route:
        raise InvalidRequest(f"Translation from {source} to {body.target} is not supported")
    return Plan(detection, tuple(route))


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
                        yield _event("sentence", json.dumps(one._asdict(), ensure_ascii=False))
        else:
            answers = await translator.run_along(plan.route, [text], options) if plan.route else [itself(text)]
            (answer,) = answers
        response = translate_response(body, [Translated(plan, answer)], translator.catalogue)
        yield _event("answer", response.model_dump_json(exclude_none=True))

    async def with_errors(first: str, rest: AsyncIterator[str]) -> AsyncIterator[str]:
        yield first
        try:
            async for event in rest:
                yield event
        except ServiceError as error:  # the status has been sent
            yield _event("error", json.dumps({"error": str(error)}))

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
    body = await read_body(request, SummarizeRequest)
    _check(body, state)
    translator = state.translator
    # Not made of the request's code, which need not be one.
    task = next((t for t in translator.catalogue.serving if t.kind == "summarize" and t.source == body.source), None)
    if task is None:
        raise InvalidRequest(f"{body.source} is not supported")
    request.state.task = task
    answers = await unless_client_leaves(request, translator.run(task, body.texts, _options(body, state)))
    return _json(summarize_response(body, task, answers, translator.catalogue))


@work.post(
    "/detect",
    response_model=list[DetectedLanguage] | list[list[DetectedLanguage]],
    responses=ERRORS,
    openapi_extra=describe_body(DetectRequest, text={"q": "Guten Morgen!"}),
)
async def detect(request: Request) -> Response:
    """Say which languages a text may be in, best first; for a list, of each of its texts."""
    state = await get_state(request)
    body = await read_body(request, DetectRequest)
    _check_texts(body, state)
    state.translator  # noqa: B018 – NotReady while nothing is loaded
    found = await aside(_characters(body), lambda: [state.detector.detect(text) for text in body.texts])
    content = shaped_as(body, [[one._asdict() for one in of_text] for of_text in found])
    return Response(json.dumps(content), media_type="application/json")


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


def _options(body: TextRequest, state: ServiceState) -> Options:
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


def _check_texts(body: TextRequest | DetectRequest, state: ServiceState) -> None:
    settings = state.settings
    if not body.texts:
        raise InvalidRequest("Invalid request: q parameter is an empty list")
    if len(body.texts) > settings.text_limit:
        raise InvalidRequest(f"Invalid request: {len(body.texts)} texts exceed the limit of {settings.text_limit}")
    characters = _characters(body)
    if characters > settings.char_limit:
        raise InvalidRequest(f"Invalid request: request ({characters}) exceeds text limit ({settings.char_limit})")


def _characters(body: TextRequest | DetectRequest) -> int:
    return sum(map(len, body.texts))
