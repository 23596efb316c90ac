"""The routes that tell what the service can do, and how it is."""

from typing import Annotated, Any

from babel import Locale
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.catalogue import PIVOT
from service.keys import KeyScope
from service.schemas import (
    AUTO,
    DECODING_FIELDS,
    ErrorResponse,
    FrontendLanguage,
    FrontendLanguages,
    FrontendSettings,
    Health,
    Language,
    Reloaded,
    ServedBundle,
)
from service.state import ServiceState

router = APIRouter()


async def get_state(request: Request) -> ServiceState:
    """Return what the application made at its start; async, as FastAPI would run another in a thread."""
    state: ServiceState = request.app.state.service
    return state


State = Annotated[ServiceState, Depends(get_state)]


@router.get("/languages")
async def languages(state: State) -> list[Language]:
    """List the languages that can be translated from, and into what; a language is always a target of itself."""
    return [
        Language(
            code=code,
            name=NAMES.get(code.lower(), code),
            targets=[target for target in state.languages if state.catalogue.reaches(code, target)],
        )
        for code in state.languages
    ]


@router.get("/frontend/settings")
async def frontend_settings(state: State) -> FrontendSettings:
    """Tell what LibreTranslate's page and clients ask before they begin."""
    first = next(iter(state.languages), PIVOT)
    target = PIVOT if PIVOT in state.languages else first
    return FrontendSettings(
        apiKeys=state.access.key_required,
        keyRequired=state.access.key_required,
        charLimit=state.settings.char_limit,
        language=FrontendLanguages(
            source=FrontendLanguage(code=AUTO, name="Auto Detect"),
            target=FrontendLanguage(code=target, name=NAMES.get(target, target)),
        ),
    )


# Not Locale.parse, which fails on a language that has a name but no locale, such as Klingon.
NAMES = {code.replace("_", "-").lower(): name for code, name in Locale("en").languages.items()}


@router.get("/models", response_model_exclude_none=True)
async def models(state: State) -> list[ServedBundle]:
    """List the bundles found: what they do and reach, or why they are not served."""
    return [
        ServedBundle(
            folder=entry.folder,
            status="ready",
            error=entry.error,
            name=entry.bundle.manifest.name,
            version=entry.bundle.manifest.version,
            tasks=[str(task) for task in entry.bundle.manifest.tasks],
            serving=[
                str(task) for task in entry.bundle.manifest.tasks if state.catalogue.serving.get(task) is entry.bundle
            ],
            parameters=entry.bundle.manifest.parameters,
            dtype=entry.bundle.dtype,
            max_source_pieces=entry.bundle.manifest.max_source_pieces,
            decoding=entry.bundle.manifest.decoding.model_dump(mode="json", include=set(DECODING_FIELDS)),
            scores=[score.model_dump(mode="json") for score in entry.bundle.manifest.scores],
        )
        if entry.bundle
        else ServedBundle(folder=entry.folder, status="failed", error=entry.error)
        for entry in state.catalogue.entries
    ]


@router.post(
    "/models/reload",
    responses={
        400: {"model": ErrorResponse, "description": "There is no API key in the request's header"},
        403: {"model": ErrorResponse, "description": "The API key is not for admin"},
        429: {"model": ErrorResponse, "description": "Asked too often; see Retry-After"},
        500: {"model": ErrorResponse, "description": "The folder cannot be read; nothing has changed"},
        503: {"model": ErrorResponse, "description": "Shutting down"},
    },
)
async def reload(request: Request, state: State) -> Reloaded:
    """Load the bundles that changed; requests are answered meanwhile, and none fails for it."""
    await state.access.admit(request, KeyScope.ADMIN)
    await state.access.admit_by_body(request, KeyScope.ADMIN, None)
    return Reloaded(**(await state.reload())._asdict())


HEALTH: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not now; status says why"}}


@router.get("/health/live", responses=HEALTH, response_model_exclude_none=True)
async def live(state: State, response: Response) -> Health:
    """Say whether the process should go on: 503 asks for a restart."""
    if state.engine_failed:
        response.status_code = 503
        return Health(status="the engine has stopped")
    return Health(status="ok")


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
