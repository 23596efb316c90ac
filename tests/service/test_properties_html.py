"""Whatever HTML is sent, and whatever the network makes of its words: what holds of the answer's markup."""

import re
from collections import Counter

from hypothesis import example, given

from service.markup import Kind, cut
from tests.service.echoes import Echoes, Network, copying
from tests.service.mixtures import (
    BROKEN_PAGES,
    FORM,
    GERMAN,
    NETWORKS,
    PAGES,
    PAIRS,
    PLACED,
    QUIET,
    SPANS_OF_HTML,
    VERBATIM,
    pages,
)


def tags(html: str) -> list[str]:
    """Return all that is written between the words, in its order."""
    return [part.raw.strip() for part in cut(html) if part.kind is not Kind.TEXT]


@given(PAGES | BROKEN_PAGES, NETWORKS, PAIRS)
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


@given(PAGES, QUIET, PAIRS)
@FORM
def test_every_span_outside_of_tags_is_in_the_answer_as_often_as_in_the_html(
    echoes: Echoes, html: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, html, *pair, format="html")
    for span in SPANS_OF_HTML + VERBATIM:
        assert answer.count(span) == html.count(span), span


@given(pages(GERMAN + SPANS_OF_HTML + VERBATIM + PLACED))
@example("Guten Morgen!\n<b>{{ user.name }} Guten Morgen!</b>")  # the brackets are no marks in front of the words
@example("www.a.de @b @c @d @e @f @g @h <b>99 % Guten Morgen!</b>")  # more than masks, and digits that are bytes
@FORM
def test_html_whose_words_a_network_copies_comes_back_but_for_white_space_and_signs_of_numbers(
    echoes: Echoes, html: str
) -> None:
    answer = echoes.translate(copying, html, format="html")
    assert _without_signs(answer) == _without_signs(html)


def _without_signs(html: str) -> str:
    return re.sub(r"(?<=\d)[.,](?=\d)|\s+", "", html)
