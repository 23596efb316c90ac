"""A real browser on a real service of the starters; what needs them is skipped where no browser is to be had."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.settings import STARTERS
from tests.service.live import local_settings, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = [
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 30_000
WATCH = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
document.addEventListener("securitypolicyviolation", (event) => console.error("policy", event.violatedDirective));
"""


@pytest.fixture(scope="module")  # an event loop runs beside it, which tests of other modules could not bear
def browser() -> "Iterator[Browser]":
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"no browser is installed (none of {', '.join(BROWSERS)}): see make test-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def starters() -> Iterator[str]:
    with running(local_settings(STARTERS)) as live:
        yield live.url


@pytest.fixture
def one_bundle(tmp_path: Path) -> Path:
    """Return a folder with one starter, which is there sooner than all."""
    name = "translate-de-fr-en"
    shutil.copytree(STARTERS / name, tmp_path / "models" / name)
    return tmp_path / "models"


@pytest.fixture
def visit(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Return what opens a page in a context of its own; fails the test for errors of scripts and of the policy."""
    wrong: list[str] = []
    contexts = []

    def visit(url: str, **options: Any) -> "Page":
        context = browser.new_context(
            **{"locale": "en-US", "permissions": ["clipboard-read", "clipboard-write"], **options}
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(WATCH)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        # What the service refuses or cannot answer is there too, and is what some tests are about.
        page.on(
            "console",
            lambda said: (
                wrong.append(said.text) if said.type == "error" and "Failed to load resource" not in said.text else None
            ),
        )
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture
def page(visit: "Callable[..., Page]", starters: str) -> "Page":
    """Return the page of the starters, which knows what they can do."""
    page = visit(starters)
    page.wait_for_selector("#from option[value=de]", state="attached")
    return page
