"""How soon the page paints in a browser that has never seen it, on loopback, and what it weighs.

    .venv/bin/python benchmarks/page.py [VISITS]

Needs a browser, which ``make browser`` gets; by default ten visits, each with an empty cache.
"""

import shutil
import sys
from statistics import median
from typing import NamedTuple

from playwright.sync_api import Browser, Response, sync_playwright
from rich.console import Console

from service.bench.server import served
from service.settings import Settings

VISITS = 10
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"

console = Console(width=120)


class Visit(NamedTuple):
    """What a visitor saw."""

    paint_ms: float
    """From the start of the navigation until the first text or picture was painted."""
    ready_ms: float
    """Until the languages were there to choose from."""
    kilobytes: float
    files: int


def visit(browser: Browser, url: str) -> Visit:
    """Open the page in a context of its own."""
    sizes: list[int] = []
    with browser.new_context() as context:
        page = context.new_page()

        def note(response: Response) -> None:
            response.finished()
            sizes.append(len(response.body()))

        page.on("response", note)
        page.goto(url)
        page.wait_for_selector("#to option", state="attached")
        ready_ms = page.evaluate("performance.now()")
        page.wait_for_function(PAINT)
        return Visit(page.evaluate(PAINT), ready_ms, sum(sizes) / 1000, len(sizes))


def main() -> None:
    """Print the figures."""
    executable = next(filter(None, map(shutil.which, BROWSERS)))
    with served(Settings()) as target, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        visits = [visit(browser, target.url) for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else VISITS)]
        browser.close()
    paints = [one.paint_ms for one in visits]
    console.print(f"{visits[0].files} files and answers of {visits[0].kilobytes:.0f} kB in all")
    console.print(f"first paint, ms: median {median(paints):.0f}, all {' '.join(f'{ms:.0f}' for ms in paints)}")
    console.print(f"ready to be used, ms: median {median(one.ready_ms for one in visits):.0f}")


if __name__ == "__main__":
    main()
