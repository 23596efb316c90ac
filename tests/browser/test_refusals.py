"""What the page says when it gets no answer, and how it gets one after all."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: see make test-browser")

from playwright.sync_api import Page, Route, expect

from service.bench.server import free_port
from service.keys import KeyScope, add_key
from tests.service.live import local_settings, running

expect.set_options(timeout=60_000)


def test_a_text_that_is_too_long_is_not_sent_and_the_page_says_by_how_much(page: Page) -> None:
    page.fill("#source", "a" * 20_001)
    expect(page.locator("#problem")).to_have_text("The text is too long: 20001 of 20000 characters.")
    page.fill("#source", "Danke")
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#target")).to_have_text("Thank you")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_service_is_asked_again_when_it_said_so(page: Page, status: int) -> None:
    body = json.dumps({"error": "Too busy"})
    page.route(
        "**/translate",
        lambda route: route.fulfill(status=status, headers={"Retry-After": "1"}, body=body),
        times=1,
    )
    page.fill("#source", "Danke")
    expect(page.locator("#problem")).to_have_text("The service is busy; trying again in 1 s.")
    expect(page.locator("#target")).to_have_text("Thank you")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_busy_service_is_sent_a_file_again(page: Page) -> None:
    page.route("**/translate_file", lambda route: route.fulfill(status=503, headers={"Retry-After": "1"}), times=1)
    page.set_input_files("#file", {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Danke"})
    expect(page.locator("#file-state")).to_have_text("The service is busy; trying again in 1 s.")
    expect(page.locator("#file-state")).to_have_text("Done")


def test_a_pair_that_nothing_translates_is_named(visit: Callable[..., Page], starters: str) -> None:
    page = visit("about:blank")

    def no_german_into_chinese(route: Route) -> None:
        languages = route.fetch().json()
        route.fulfill(json=[one | {"targets": ["de", "en"]} if one["code"] == "de" else one for one in languages])

    page.route("**/languages", no_german_into_chinese)
    page.goto(f"{starters}/#from=de&to=en&q=Danke")
    expect(page.locator("#target")).to_have_text("Thank you")
    page.select_option("#to", "zh")
    expect(page.locator("#problem")).to_have_text("No bundle translates from German to Chinese.")


def test_what_the_service_refuses_is_shown_with_its_reason(page: Page) -> None:
    page.click("[data-mode=summarize]")
    page.fill("#source", "We present a method.")
    page.fill("#sentences", "99")
    expect(page.locator("#problem")).to_contain_text("The service refused: Invalid request: sentences")


def test_a_service_that_is_gone_is_waited_for(visit: Callable[..., Page], one_bundle: Path) -> None:
    settings = local_settings(one_bundle, port=free_port(), dtype="float32")
    with running(settings) as live:
        page = visit(f"{live.url}/#q=Danke")
        expect(page.locator("#target")).to_have_text("Thank you")
    page.fill("#source", "Ich bin müde.")
    expect(page.locator("#problem")).to_have_text("The service does not answer; trying again.")
    with running(settings):
        expect(page.locator("#target")).to_have_text("I'm tired.")
        expect(page.locator("#problem")).to_be_hidden()


def test_a_service_with_keys_asks_for_one_and_says_when_it_is_wrong(
    visit: Callable[..., Page], one_bundle: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    key = add_key(keys, "page", frozenset([KeyScope.TRANSLATE]), None)
    with running(local_settings(one_bundle, keys=keys, dtype="float32")) as live:
        page = visit(f"{live.url}/#q=Danke")
        expect(page.locator("#problem")).to_have_text("The service asks for an API key.")
        expect(page.locator("#key")).to_be_focused()
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#problem")).to_have_text("The service refused: Invalid API key")
        page.fill("#key", key)
        page.keyboard.press("Enter")
        expect(page.locator("#target")).to_have_text("Thank you")
        expect(page.locator("#problem")).to_be_hidden()
        assert key not in page.url
        assert page.evaluate("Object.keys(localStorage).length") == 0
