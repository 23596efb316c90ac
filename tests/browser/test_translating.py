"""What a person does with the page to have texts translated and summarized."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: see make test-browser")

from playwright.sync_api import Page, Request, expect

GERMAN = "Ich bin müde. Wir haben keine Zeit. Er wohnt in Berlin."
ABSTRACT = (
    "We present a simple method for training neural networks for machine translation on small data. It regularizes "
    "the encoder with noise and needs no labels. On three benchmarks it outperforms strong baselines by a large margin."
)
expect.set_options(timeout=30_000)


def translate(page: Page, text: str) -> None:
    page.fill("#source", text)
    expect(page.locator("#target [data-sentence]").first).to_be_visible()
    expect(page.locator("#state")).to_have_text("")


def asked(page: Page) -> list[Request]:
    requests: list[Request] = []
    page.on("request", lambda one: requests.append(one) if one.url.endswith("/translate") else None)
    return requests


def test_text_is_translated_after_a_pause_in_typing_and_not_for_each_letter(page: Page) -> None:
    requests = asked(page)
    page.locator("#source").press_sequentially("Ich bin müde.", delay=5)
    expect(page.locator("#target")).to_have_text("I'm tired.")
    assert 1 <= len(requests) <= 3  # on a busy machine a letter may take longer than the pause


def test_what_is_typed_cancels_the_request_that_is_running(page: Page) -> None:
    requests = asked(page)
    with page.expect_request("**/translate"):
        page.fill("#source", "Ich bin müde. " * 400)
    page.fill("#source", "Danke")
    expect(page.locator("#target")).to_have_text("Thank you")
    page.wait_for_timeout(0)  # lets events come in
    assert [request.failure for request in requests] == ["net::ERR_ABORTED", None]


def test_sentences_show_as_they_come_and_nothing_on_the_page_moves(page: Page) -> None:
    page.evaluate("""
        window.seen = [];
        new MutationObserver(() => seen.push(document.getElementById("target").textContent.length))
            .observe(document.getElementById("target"), { childList: true });
        window.shifted = 0;
    """)
    page.fill("#source", f"{GERMAN} " * 40)
    expect(page.locator("#target [data-sentence]")).to_have_count(120)
    seen = page.evaluate("seen")
    assert len(seen) > 10
    assert seen == sorted(seen)
    assert page.evaluate("shifted") < 0.001


def test_the_language_that_was_detected_is_named_with_its_confidence(page: Page) -> None:
    translate(page, GERMAN)
    expect(page.locator("#detected")).to_have_text(re.compile(r"^German \(\d+ %\)$"))


def test_swapping_translates_the_output_back(page: Page) -> None:
    translate(page, "Ich bin müde.")
    page.click("#swap")
    expect(page.locator("#source")).to_have_value("I'm tired.")
    expect(page.locator("#from")).to_have_value("en")
    expect(page.locator("#to")).to_have_value("de")
    expect(page.locator("#target")).to_have_text("Ich bin müde.")


def test_a_pair_without_a_network_says_through_which_language_it_went(page: Page) -> None:
    page.select_option("#to", "de")
    translate(page, "Je ne sais pas où elle habite.")
    expect(page.locator("#target")).to_have_text("Ich weiß nicht, wo sie wohnt.")
    expect(page.locator("#via")).to_have_text("through English")
    page.click("[data-sentence]")
    expect(page.locator("#hypotheses li").first).to_contain_text("Ich weiß nicht, wo sie wohnt.")


def test_a_summary_has_the_lines_and_words_that_are_asked_for(page: Page) -> None:
    page.click("[data-mode=summarize]")
    translate(page, ABSTRACT)
    first = page.inner_text("#target")
    page.fill("#sentences", "2")
    page.select_option("#length", "long")
    expect(page.locator("#target [data-sentence]")).to_have_count(2)
    expect(page.locator("#target")).not_to_have_text(first)
    expect(page.locator("#swap")).to_be_disabled()


def test_the_output_is_copied(page: Page) -> None:
    translate(page, "Ich bin müde.")
    page.click("#copy")
    expect(page.locator("#state")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "I'm tired."


def test_a_link_holds_text_and_settings_and_no_request_holds_the_link(page: Page, visit: Callable[..., Page]) -> None:
    page.select_option("#to", "fr")
    translate(page, "I am tired & hungry: 100 %.")
    page.click("#share")
    expect(page.locator("#state")).to_have_text("Copied")
    link = page.evaluate("navigator.clipboard.readText()")
    assert "#" in link
    other = visit(link)
    for shown in (page, other):
        shown.reload()
        expect(shown.locator("#source")).to_have_value("I am tired & hungry: 100 %.")
        expect(shown.locator("#to")).to_have_value("fr")
        expect(shown.locator("#target [data-sentence]").first).to_be_visible()


def test_a_file_that_is_chosen_is_translated_and_can_be_downloaded(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Ich bin müde.\n")
    page.set_input_files("#file", file)
    expect(page.locator("#file-name")).to_have_text("letter.txt")
    expect(page.locator("#file-state")).to_have_text("Done")
    expect(page.locator("#progress")).to_have_js_property("value", 1)
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.path().read_text() == "I'm tired.\n"


def test_a_file_that_is_dropped_is_translated(page: Page) -> None:
    dropped = page.evaluate_handle("""() => {
        const dropped = new DataTransfer();
        dropped.items.add(new File(["Ich bin müde."], "note.txt"));
        return dropped;
    }""")
    page.dispatch_event("#panes", "dragover", {"dataTransfer": dropped})
    expect(page.locator("#panes")).to_have_class(re.compile(r"\bover\b"))
    page.dispatch_event("#panes", "drop", {"dataTransfer": dropped})
    expect(page.locator("#file-name")).to_have_text("note.txt")
    expect(page.locator("#file-state")).to_have_text("Done")


def test_a_hostile_text_is_shown_as_text(page: Page) -> None:
    page.select_option("#from", "en")  # it is its own translation
    hostile = "<img src=x onerror=\"document.title='x'\"><script>document.title='x'</script>"
    page.fill("#source", hostile)
    expect(page.locator("#target")).to_have_text(hostile)
    assert page.locator("#target img, #target script").count() == 0
    assert page.title() == "Dragoman"


def test_text_from_right_to_left_is_written_so(page: Page) -> None:
    page.select_option("#from", "en")
    page.fill("#source", "שלום עולם")
    expect(page.locator("#target")).to_have_text("שלום עולם")
    for pane in ("#source", "#target"):
        assert page.locator(pane).evaluate("pane => getComputedStyle(pane).direction") == "rtl"
