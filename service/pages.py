"""What pages may do in a browser, the page to try the service, and the one that shows the API."""

from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WEB = Path(__file__).parent / "web"
DOCS = "/docs"
STATIC = "/static-offline-docs"
"""Where fastapi-offline serves what the page of the API needs."""

_POLICY = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class PageHeaders:
    """Tell browsers to take every answer to GET for what it says it is, and what a page may load and who may frame it.

    A page that says nothing of its own may load what this service serves, and runs nothing that stands in it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers.setdefault("Cache-Control", "no-cache")  # or a page would meet scripts of another version
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Content-Security-Policy", _POLICY.format(scripts=""))
                    headers["X-Frame-Options"] = "DENY"  # for browsers that do not know frame-ancestors
            await send(message)

        await self.app(scope, receive, with_headers)


def add_page(app: FastAPI) -> None:
    """Serve the page to try the service."""
    app.mount("/web", StaticFiles(directory=WEB))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html")


def add_docs(app: FastAPI) -> None:
    """Serve the page of the API; the one script that stands in it is named in its policy, so that no other runs."""
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=f"{app.title}'s API",
        swagger_js_url=f"{STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC}/favicon.png",
    )
    script = bytes(page.body).partition(b"<script>")[2].partition(b"</script>")[0]
    allowed = f" 'sha256-{b64encode(sha256(script).digest()).decode()}'"
    headers = {"Content-Security-Policy": _POLICY.format(scripts=allowed)}

    @app.get(DOCS, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page.body, headers=headers)
