"""What the page shows of a sentence's decoding, and how decoding is changed."""

import re

import pytest

pytest.importorskip("playwright.sync_api", reason="no playwright: see make test-browser")

from playwright.sync_api import Page, expect

expect.set_options(timeout=30_000)


@pytest.fixture
def inside(page: Page) -> Page:
    """Look inside the second of two sentences."""
    page.fill("#source", "Ich bin müde. Das Wetter ist heute schön.")
    page.click("[data-sentence='1']")
    expect(page.locator("#chosen")).to_be_visible()
    return page


def pieces(page: Page, of: str) -> int:
    return page.locator(f"#{of}-pieces .piece").count()


def test_a_sentence_is_chosen_by_keyboard_as_by_pointer(inside: Page) -> None:
    expect(inside.locator("[data-sentence='1']")).to_have_attribute("aria-pressed", "true")
    inside.focus("[data-sentence='0']")
    inside.keyboard.press("Enter")
    expect(inside.locator("[data-sentence='0']")).to_have_attribute("aria-pressed", "true")
    expect(inside.locator("[data-sentence='1']")).to_have_attribute("aria-pressed", "false")
    expect(inside.locator("#hypotheses li").first).to_contain_text("tired")


def test_hypotheses_have_their_scores_and_the_best_stands_first(inside: Page) -> None:
    hypotheses = inside.locator("#hypotheses li")
    scores = [float(one) for one in hypotheses.locator(".score").all_inner_texts()]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert inside.inner_text("[data-sentence='1']") in hypotheses.first.inner_text()


def test_each_piece_shows_how_sure_the_network_was(inside: Page) -> None:
    colours = inside.locator("#target-pieces .piece").evaluate_all(
        "pieces => pieces.map((one) => getComputedStyle(one).borderBottomColor)"
    )
    assert len(set(colours)) > 1
    inside.hover("#target-pieces .piece >> nth=1")
    expect(inside.locator("#piece")).to_have_text(
        re.compile(r"^␣weather: \d+ % sure; attended most to ␣Wetter \(\d+ %\)")
    )


def test_the_map_has_a_row_for_each_piece_and_a_column_for_each_piece_of_the_source(inside: Page) -> None:
    assert inside.locator("#map tbody tr").count() == pieces(inside, "target") > 3
    assert inside.locator("#map thead th").count() == pieces(inside, "source") > 3


def test_arrow_keys_go_through_the_pieces_and_light_up_what_each_attended_to(inside: Page) -> None:
    inside.focus("#target-pieces .piece >> nth=0")
    inside.keyboard.press("ArrowRight")
    chosen = inside.locator("#target-pieces .piece[aria-selected=true]")
    expect(chosen).to_have_text("␣weather")
    expect(chosen).to_be_focused()
    expect(inside.locator("#map tr.pointed th")).to_have_text("␣weather")
    strongest = inside.locator("#source-pieces").evaluate("""pieces => {
        const alpha = (one) => Number(/[/,] *([\\d.]+)\\)$/.exec(getComputedStyle(one).backgroundColor)?.[1] ?? 1);
        return [...pieces.children].sort((a, b) => alpha(b) - alpha(a))[0].textContent;
    }""")
    assert strongest == "␣Wetter"
    inside.keyboard.press("ArrowLeft")
    expect(chosen).to_have_text("␣The")


def test_beam_and_length_penalty_are_sent_and_what_they_change_is_shown(inside: Page) -> None:
    with inside.expect_request(
        lambda one: one.url.endswith("/translate") and '"stream":true' in (one.post_data or "")
    ) as request:
        inside.locator("#beam").fill("1")
    assert request.value.post_data_json["beam_size"] == 1
    expect(inside.locator("#beam-value")).to_have_text("1")
    expect(inside.locator("#changes")).to_have_text(
        re.compile(r"^With (the defaults: |these settings nothing changes)")
    )
    inside.locator("#penalty").fill("3")
    expect(inside.locator("#penalty-value")).to_have_text("3")
    inside.click("#defaults")
    expect(inside.locator("#beam-value")).to_have_text("5")
    expect(inside.locator("#penalty-value")).to_have_text("1")
    expect(inside.locator("#changes")).to_have_text("")
