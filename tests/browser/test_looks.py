"""How the page looks to whom: themes, languages, sizes of windows, assistive technology, and how much it weighs."""

from collections.abc import Callable
from importlib.resources import files

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: see make test-browser")
pytest.importorskip("axe_playwright_python", reason="no axe-core: see make test-browser")

from playwright.sync_api import Page, expect

from service.pages import WEB

expect.set_options(timeout=30_000)

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
LINK = "#q=Ich bin müde. Wir haben keine Zeit."


def violations(page: Page) -> list[str]:
    """Return what axe-core finds serious or critical, with where."""
    page.evaluate(AXE)  # from outside of the page, whose policy is not asked
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [f"{one['id']}: {one['nodes'][0]['target']}" for one in found if one["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_state(visit: Callable[..., Page], starters: str, scheme: str) -> None:
    page = visit(starters, color_scheme=scheme)
    page.wait_for_selector("#from option[value=de]", state="attached")
    assert violations(page) == []  # empty
    page.fill("#source", "Ich bin müde. Wir haben keine Zeit.")
    page.click("[data-sentence='1']")
    page.hover("#target-pieces .piece >> nth=1")
    page.click("#status")
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Danke"})
    expect(page.locator("#download")).to_be_visible()
    assert violations(page) == []  # translated, looked into, with a file
    page.fill("#source", "a" * 20_001)
    expect(page.locator("#problem")).to_be_visible()
    assert violations(page) == []  # refused
    page.click("[data-mode=summarize]")
    assert violations(page) == []


@pytest.mark.parametrize("width", [1280, 800, 390])
def test_nothing_overflows_a_window_of_any_width(visit: Callable[..., Page], starters: str, width: int) -> None:
    page = visit(starters + "/" + LINK, viewport={"width": width, "height": 800})
    page.click("[data-sentence='1']")
    expect(page.locator("#chosen")).to_be_visible()
    page.click("#status")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


def test_dark_and_light_follow_the_system_until_one_is_chosen(visit: Callable[..., Page], starters: str) -> None:
    page = visit(starters, color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_selector("#from option[value=de]", state="attached")
    page.click("#theme")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "light")


@pytest.mark.parametrize(
    ("locale", "summarize", "german"),
    [
        ("en-GB", "Summarize", "German"),
        ("de-DE", "Zusammenfassen", "Deutsch"),
        ("fr-FR", "Résumer", "allemand"),
        ("zh-CN", "摘要", "德语"),
        ("pl-PL", "Summarize", "German"),
    ],
)
def test_the_page_speaks_the_language_of_the_browser_where_it_can(
    visit: Callable[..., Page], starters: str, locale: str, summarize: str, german: str
) -> None:
    page = visit(starters, locale=locale)
    expect(page.locator("[data-mode=summarize]")).to_have_text(summarize)
    expect(page.locator("#from option[value=de]")).to_have_text(german)


def test_a_chosen_language_of_the_page_is_kept(page: Page) -> None:
    page.select_option("#page-language", "fr")
    expect(page.locator("#copy")).to_have_text("Copier")
    page.select_option("#page-language", "zh")
    expect(page.locator("#copy")).to_have_text("复制")
    page.reload()
    expect(page.locator("#copy")).to_have_text("复制")
    expect(page.locator("html")).to_have_attribute("lang", "zh")


def test_nothing_moves_for_who_wants_no_motion(visit: Callable[..., Page], starters: str) -> None:
    page = visit(starters + "/" + LINK, reduced_motion="reduce")
    sentence = page.locator("[data-sentence]").first
    assert sentence.evaluate("one => getComputedStyle(one).transitionDuration") == "0s"


def test_the_page_asks_no_other_server_and_weighs_little(visit: Callable[..., Page], starters: str) -> None:
    page = visit("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(starters)
    page.wait_for_selector("#from option[value=de]", state="attached")
    assert all(url.startswith(starters) for url in asked)
    assert sum(file.stat().st_size for file in WEB.iterdir()) < 150_000
