"""Whatever HTML is sent, and whatever the network makes of its words: what holds of the answer's markup."""

import re
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.markup import Kind, cut
from tests.service.echoes import ALL, OF_NO_WORDS_BUT_THE_SOURCE_S, Echoes, Network, copying, serving_echoes
from tests.service.mixtures import BROKEN_PAGES, GERMAN, PAGES, PLACED, SPANS_OF_HTML, VERBATIM, pages

FORM = settings(derandomize=True, deadline=None, max_examples=100)
PAIRS = st.sampled_from([("de", "en"), ("en", "de"), ("fr", "en"), ("zh", "en"), ("en", "zh"), ("fr", "de")])


@pytest.fixture(scope="module")
def echoes() -> Iterator[Echoes]:
    with serving_echoes() as echoes:
        yield echoes


def tags(html: str) -> list[str]:
    """Return all that is written between the words, in its order."""
    return [part.raw.strip() for part in cut(html) if part.kind is not Kind.TEXT]


@given(PAGES | BROKEN_PAGES, st.sampled_from(ALL), PAIRS)
@FORM
def test_any_html_has_an_answer_of_the_same_markup(
    echoes: Echoes, html: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, html, *pair, format="html")
    assert Counter(tags(answer)) == Counter(tags(html))


@given(PAGES | BROKEN_PAGES, PAIRS)
@FORM
def test_markup_keeps_its_order_where_the_words_do(echoes: Echoes, html: str, pair: tuple[str, str]) -> None:
    assert tags(echoes.translate(copying, html, *pair, format="html")) == tags(html)


@given(PAGES, st.sampled_from(OF_NO_WORDS_BUT_THE_SOURCE_S), PAIRS)
@FORM
def test_every_span_outside_of_tags_is_in_the_answer_as_often_as_in_the_html(
    echoes: Echoes, html: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, html, *pair, format="html")
    for span in SPANS_OF_HTML + VERBATIM:
        assert answer.count(span) == html.count(span), span


@given(pages(GERMAN + SPANS_OF_HTML + VERBATIM + PLACED))
@FORM
def test_html_whose_words_a_network_copies_comes_back_as_it_was_but_for_white_space(echoes: Echoes, html: str) -> None:
    answer = echoes.translate(copying, html, format="html")
    assert "".join(answer.split()) == "".join(html.split())
