"""The routes of the service."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from babel import Locale
from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from model.config import Task
from model.tokenizer import END
from service.errors import InvalidRequest
from service.requests import read_body, unless_client_leaves
from service.schemas import (
    DECODING_FIELDS,
    ErrorResponse,
    Health,
    Language,
    SentenceDetails,
    ServedBundle,
    SummarizeRequest,
    SummarizeResponse,
    TextRequest,
    TranslateRequest,
    TranslateResponse,
)
from service.settings import Settings
from service.state import ServiceState
from service.translator import Answer, Options, Translator


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


router = APIRouter()
work = APIRouter(route_class=DirectRoute)


async def get_state(request: Request) -> ServiceState:
    """Return what the application made at its start; async, as FastAPI would run another in a thread."""
    state: ServiceState = request.app.state.service
    return state


State = Annotated[ServiceState, Depends(get_state)]


def _body(model: type[BaseModel], **examples: dict[str, Any]) -> dict[str, Any]:
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


@work.post(
    "/translate",
    response_model=TranslateResponse,
    responses=ERRORS,
    openapi_extra=_body(
        TranslateRequest,
        text={"q": "Guten Morgen!", "source": "de", "target": "en"},
        list={"q": ["Guten Morgen!", "Wie geht's?"], "source": "de", "target": "en", "alternatives": 2},
    ),
)
async def translate(request: Request) -> Response:
    """Translate a text, or each text of a list. Line breaks stay where they were."""
    state = await get_state(request)
    body = await read_body(request, TranslateRequest)
    _check(body, state)
    translator = state.translator
    codes = state.languages
    for code in (body.source, body.target):
        if code not in codes:
            raise InvalidRequest(f"{code} is not supported")
    task = None
    if body.source == body.target:
        answers = [Answer([text], [], [], []) for text in body.texts]
    else:
        task = Task(kind="translate", source=body.source, target=body.target)
        request.state.task = task
        answers = await _run(request, task, body, translator, state.settings)
    return _json(
        TranslateResponse(
            translatedText=_shaped_as(body, [answer.texts[0] for answer in answers]),
            alternatives=_shaped_as(body, [answer.texts[1:] for answer in answers]) if body.alternatives else None,
            details=_details(body, task, answers, state),
        )
    )


@work.post(
    "/summarize",
    response_model=SummarizeResponse,
    responses=ERRORS,
    openapi_extra=_body(SummarizeRequest, text={"q": "We present a network that …"}),
)
async def summarize(request: Request) -> Response:
    """Write a headline for a text, or for each text of a list."""
    state = await get_state(request)
    body = await read_body(request, SummarizeRequest)
    _check(body, state)
    translator = state.translator
    # Not made of the request's code, which need not be one.
    task = next((t for t in state.catalogue.serving if t.kind == "summarize" and t.source == body.source), None)
    if task is None:
        raise InvalidRequest(f"{body.source} is not supported")
    request.state.task = task
    answers = await _run(request, task, body, translator, state.settings)
    parts = [len(answer.sources) for answer in answers]
    return _json(
        SummarizeResponse(
            summaryText=_shaped_as(body, [answer.texts[0] for answer in answers]),
            alternatives=_shaped_as(body, [answer.texts[1:] for answer in answers]) if body.alternatives else None,
            details=_details(body, task, answers, state),
            parts=_shaped_as(body, parts) if max(parts) > 1 else None,
        )
    )


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")


async def _run(
    request: Request, task: Task, body: TextRequest, translator: Translator, settings: Settings
) -> list[Answer]:
    """Run the task with what the body asks for; give up when the client leaves."""
    timeout_seconds = settings.timeout_seconds
    if body.timeout_ms is not None:  # compared before it is divided, as no float holds what JSON can spell
        timeout_seconds = min(1000 * timeout_seconds, body.timeout_ms) / 1000
    options = Options(
        decoding={name: value for name in DECODING_FIELDS if (value := getattr(body, name)) is not None},
        n_best=1 + body.alternatives,
        attention=body.attention,
        timeout_seconds=timeout_seconds,
    )
    return await unless_client_leaves(request, translator.run(task, body.texts, options))


def _details(body: TextRequest, task: Task | None, answers: list[Answer], state: ServiceState) -> Any:
    if not (body.scores or body.attention):
        return None
    if task is None:  # the text is its own translation
        return _shaped_as(body, [[] for _ in answers])
    tokenizer = state.catalogue.serving[task].tokenizer

    def written(pieces: Sequence[int], spans: Mapping[str, str]) -> list[str]:
        return [spans.get(piece, piece) for piece in tokenizer.pieces(pieces)]

    return _shaped_as(
        body,
        [
            [
                SentenceDetails(
                    source=written(source, spans),
                    target=written([*hypothesis.pieces, END], spans),
                    score=hypothesis.score,
                    log_probabilities=list(hypothesis.log_probabilities) if body.scores else None,
                    attention=[list(weights) for weights in hypothesis.attention] if hypothesis.attention else None,
                )
                for source, hypothesis, spans in zip(answer.sources, answer.hypotheses, answer.spans, strict=True)
            ]
            for answer in answers
        ],
    )


def _check(body: TextRequest, state: ServiceState) -> None:
    settings = state.settings
    if not body.texts:
        raise InvalidRequest("Invalid request: q parameter is an empty list")
    if len(body.texts) > settings.text_limit:
        raise InvalidRequest(f"Invalid request: {len(body.texts)} texts exceed the limit of {settings.text_limit}")
    characters = sum(map(len, body.texts))
    if characters > settings.char_limit:
        raise InvalidRequest(f"Invalid request: request ({characters}) exceeds text limit ({settings.char_limit})")
    if body.format != "text":
        raise InvalidRequest(f"{body.format} format is not supported")
    if body.alternatives > settings.alternatives_limit:
        raise InvalidRequest(f"Invalid request: alternatives parameter must be <= {settings.alternatives_limit}")


def _shaped_as(body: TextRequest, values: list[Any]) -> Any:
    """Return one value for one text, a list for a list."""
    return values[0] if isinstance(body.q, str) else values


@router.get("/languages")
async def languages(state: State) -> list[Language]:
    """List the languages that can be translated from, and into what; a language is always a target of itself."""
    return [
        Language(
            code=code,
            name=NAMES.get(code, code),
            targets=sorted({code, *(task.target for task in state.translations if task.source == code)}),
        )
        for code in state.languages
    ]


# Not Locale.parse, which fails on a language that has a name but no locale, such as Klingon.
NAMES = {code.replace("_", "-").lower(): name for code, name in Locale("en").languages.items()}


@router.get("/models", response_model_exclude_none=True)
async def models(state: State) -> list[ServedBundle]:
    """List the bundles found: what they do and reach, or why they are not served."""
    return [
        ServedBundle(
            folder=entry.folder,
            status="ready",
            name=entry.bundle.manifest.name,
            version=entry.bundle.manifest.version,
            tasks=[str(task) for task in entry.bundle.manifest.tasks],
            parameters=entry.bundle.manifest.parameters,
            dtype=entry.bundle.dtype,
            max_source_pieces=entry.bundle.manifest.max_source_pieces,
            scores=[score.model_dump(mode="json") for score in entry.bundle.manifest.scores],
        )
        if entry.bundle
        else ServedBundle(folder=entry.folder, status="failed", error=entry.error)
        for entry in state.catalogue.entries
    ]


HEALTH: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not now; status says why"}}


# Some load balancers ask with HEAD.
@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", responses=HEALTH, response_model_exclude_none=True)
async def live(state: State, response: Response) -> Health:
    """Say whether the process should go on: 503 asks for a restart."""
    if state.engine_failed:
        response.status_code = 503
        return Health(status="the engine has stopped")
    return Health(status="ok")


@router.head("/health", include_in_schema=False)
@router.head("/health/ready", include_in_schema=False)
@router.get("/health", responses=HEALTH, response_model_exclude_none=True)
@router.get("/health/ready", responses=HEALTH, response_model_exclude_none=True)
async def ready(state: State, response: Response) -> Health:
    """Say whether requests can be served: 503 while loading, while draining, and when no bundle could be loaded."""
    reason = state.why_not_ready
    if reason:
        response.status_code = 503
    failed = [entry.error for entry in state.entries if entry.error]
    return Health(status=reason or "ok", failed=failed or None)


@router.get("/metrics", include_in_schema=False)
async def metrics(state: State) -> Response:
    """Return the metrics in Prometheus' text format."""
    return Response(generate_latest(state.metrics.registry), media_type=CONTENT_TYPE_LATEST)
