"""The application: settings in, a FastAPI app out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi_offline import FastAPIOffline

from service.errors import install_error_handlers
from service.file_routes import TRANSLATE_FILE, files
from service.metrics import Metrics
from service.middleware import BodyLimit, Observe
from service.routes import router
from service.settings import Settings
from service.state import ServiceState
from service.text_routes import work


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its state is in ``app.state.service``."""
    state = ServiceState(settings, Metrics())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(state.load())
        watching = [asyncio.create_task(watch()) for watch in (state.downloads.watch, state.watch)]
        yield
        for task in watching:
            task.cancel()
        await loading
        state.downloads.close()
        await asyncio.to_thread(state.engine.close)

    app = FastAPIOffline(
        redoc_url=None,
        title="Dragoman",
        version=version("dragoman"),
        description="Translates and summarizes with LSTM + attention networks; LibreTranslate's protocol.",
        lifespan=lifespan,
    )
    app.state.service = state
    app.include_router(work)
    app.include_router(files)
    app.include_router(router)
    install_error_handlers(app)
    # Any page may ask, as LibreTranslate's; no cookie says who does.
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, of_path={TRANSLATE_FILE: settings.max_file_bytes})
    # Outermost, so that it sees the status of every answer, of refused bodies too.
    app.add_middleware(Observe, state=state)
    return app
