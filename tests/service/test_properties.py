"""Whatever text is sent, and whatever the network makes of it: what holds of the translation's form."""

import json
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from service.paragraphs import unwrap
from service.spans import protect
from tests.service.echoes import Echoes, Network, copying, silent
from tests.service.mixtures import (
    FORM,
    GERMAN,
    NETWORKS,
    PAIRS,
    QUIET,
    SENTENCES,
    SPANS,
    STRANGE,
    TEXTS,
    Line,
    lines_of,
    ordinary,
    text_of,
    wrapped,
)

SPANS_WITHOUT_SPACES = tuple(span for span in SPANS if " " not in span)
"""Those that no wrap breaks."""
SPANS_WITHOUT_PAIRS = tuple(span for span in SPANS if "`" not in span)
"""Of broken ones, what is between them would be one."""


def is_wrapped(text: str, language: str) -> bool:
    return any(unwrap(text, language).wraps)


def split(text: str) -> list[str]:
    """Return the lines of a text with their ends; of a last one without an end, whatever it has."""
    *lines, last = f"{text}|".splitlines(keepends=True)
    return [*lines, last[:-1]]


@given(TEXTS, NETWORKS, PAIRS)
@FORM
def test_any_text_has_an_answer_of_the_same_lines_indented_and_ended_as_they_were(
    echoes: Echoes, text: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, text, *pair)
    if is_wrapped(text, pair[0]):
        return
    for line, answered in zip(split(text), split(answer), strict=True):
        assert answered.endswith(line[len(line.rstrip()) :])
        assert answered.startswith(line[: len(line) - len(line.lstrip())])
        assert any(map(str.isalpha, line)) or answered == line


@given(lines_of(ordinary(SENTENCES + SPANS) | STRANGE), NETWORKS, PAIRS)
@FORM
def test_bullets_stay(echoes: Echoes, lines: list[Line], network: Network, pair: tuple[str, str]) -> None:
    text = text_of(lines)
    answered = split(echoes.translate(network, text, *pair))
    for place, line in enumerate(lines):
        number = len(split(text_of(lines[:place]))) - 1
        assert is_wrapped(text, pair[0]) or answered[number].startswith(line.before)


@given(lines_of(ordinary(SENTENCES + SPANS)).map(text_of), QUIET, PAIRS)
@FORM
def test_every_span_is_in_the_answer_as_often_as_in_the_text(
    echoes: Echoes, text: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, text, *pair)
    for span in SPANS:
        assert answer.count(span) == text.count(span), span


@given(wrapped(SENTENCES + SPANS_WITHOUT_PAIRS), QUIET, PAIRS)
@FORM
def test_no_span_is_broken_that_was_whole(echoes: Echoes, text: str, network: Network, pair: tuple[str, str]) -> None:
    answer = echoes.translate(network, text, *pair)
    for span in SPANS:
        assert answer.count(span) >= text.count(span), span


@given(TEXTS, QUIET, PAIRS)
@FORM
def test_what_was_found_to_be_a_span_is_in_the_answer(
    echoes: Echoes, text: str, network: Network, pair: tuple[str, str]
) -> None:
    answer = echoes.translate(network, text, *pair)
    for span, times in Counter(protect(unwrap(text, pair[0]).text).spans).items():
        assert answer.count(span) >= times


@given(
    lines_of(ordinary(GERMAN + SPANS)).map(text_of) | wrapped(GERMAN + SPANS_WITHOUT_SPACES),
    st.sampled_from([copying, silent]),
)
@FORM
def test_what_a_network_copies_or_says_nothing_of_comes_back_as_it_was(
    echoes: Echoes, text: str, network: Network
) -> None:
    assert echoes.translate(network, text) == text


@given(TEXTS, NETWORKS)
@FORM
def test_a_stream_ends_with_the_answer_that_is_there_without_one(echoes: Echoes, text: str, network: Network) -> None:
    *_, last, _ = echoes.ask("/translate", network, text, source="de", target="en", stream=True).text.split("\n\n")
    assert json.loads(last.partition("data: ")[2])["translatedText"] == echoes.translate(network, text)
