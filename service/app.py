"""The application: settings in, a FastAPI app out."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from service.errors import install_error_handlers
from service.file_routes import TRANSLATE_FILE, files
from service.metrics import Metrics
from service.middleware import BodyLimit, ErrorsInJson, HeadAsGet, Observe
from service.pages import STATIC, PageHeaders, add_docs, add_page
from service.routes import router
from service.settings import Settings
from service.state import ServiceState
from service.telemetry import start_tracing
from service.text_routes import work

logger = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its state is in ``app.state.service``."""
    state = ServiceState(settings, Metrics())
    tracing = start_tracing()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(state.load())
        at_times = [asyncio.create_task(go()) for go in (state.downloads.watch, state.watch, state.return_memory)]
        for task in at_times:
            task.add_done_callback(_tell_of_failure)
        yield
        for task in at_times:
            task.cancel()
        await loading
        state.downloads.close()
        await state.access.close()
        await asyncio.to_thread(state.engine.close)
        if tracing:
            await asyncio.to_thread(tracing.close)

    app = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        static_url=STATIC,
        title="Dragoman",
        version=version("dragoman"),
        description="Translates and summarizes with LSTM + attention networks; LibreTranslate's protocol.",
        lifespan=lifespan,
        # FastAPI's own traces hold query strings, in which texts may be, and its logs the messages of exceptions.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.service = state
    app.include_router(work)
    app.include_router(files)
    app.include_router(router)
    install_error_handlers(app)
    add_page(app)
    add_docs(app)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, of_path={TRANSLATE_FILE: settings.max_file_bytes})
    # By default any page may ask, as LibreTranslate's, and see why a body was refused; no cookie says who asks.
    origins = [origin.strip() for origin in settings.cors_origins.split(",")]
    app.add_middleware(
        CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=["X-Request-ID"]
    )
    app.add_middleware(ErrorsInJson)
    app.add_middleware(PageHeaders)
    # So far out that it sees the status of every answer, of refused bodies too.
    app.add_middleware(Observe, state=state)
    app.add_middleware(HeadAsGet)
    if tracing:
        state.engine.follow = tracing.follow
        app.add_middleware(tracing.middleware)
    return app


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        logger.error("what was done from time to time is done no more", exc_info=error)
