from typing import Any

import pytest

from tests.service.fakes import GatedSearch
from tests.service.live import TEXT, Live, assert_error


def test_a_summary_says_in_how_many_parts_it_was_made_when_there_were_several(live: Live) -> None:
    long = "Ananas Aprikose Banane Brombeere Mirabelle Kirsche. " * 4
    assert live.client.post("/summarize", json={"q": TEXT}).json().keys() == {"summaryText"}
    assert live.client.post("/summarize", json={"q": long}).json()["parts"] > 1
    parts = live.client.post("/summarize", json={"q": [TEXT, long, ""]}).json()["parts"]
    assert (parts[0], parts[1] > 1, parts[2]) == (1, True, 0)


@pytest.mark.parametrize("code", ["de", "zz", "auto", "12", "e n", "-en", "\x00"])
def test_a_summary_in_a_language_without_one_is_refused(code: str, live: Live) -> None:
    answer = live.client.post("/summarize", json={"q": TEXT, "source": code})
    assert_error(answer, 400, f"{code} is not supported, only en")


@pytest.mark.parametrize("code", ["en", "EN-us", "en_GB", "", None])
def test_a_text_is_english_unless_its_code_says_otherwise(code: str | None, live: Live) -> None:
    assert live.client.post("/summarize", json={"q": TEXT, "source": code}).json().keys() == {"summaryText"}


@pytest.mark.parametrize(("sentences", "lines"), [(1, 1), (2, 2), (3, 3), (50, 4)])
def test_so_many_parts_of_a_text_have_a_line_each_as_were_asked_for_and_it_has_sentences(
    sentences: int, lines: int, fresh: Live, search: GatedSearch
) -> None:
    answer = fresh.client.post("/summarize", json={"q": "Ab. Cd. Ef. Gh.", "sentences": sentences}).json()
    assert len(answer["summaryText"].split("\n")) == len(search.sentences) == answer.get("parts", 1) == lines


@pytest.mark.parametrize(("length", "words"), [("short", 6), ("long", 18), (7, 7), ("7", 7), (150, 150)])
def test_a_length_bounds_the_pieces_of_a_line(length: Any, words: int, fresh: Live, search: GatedSearch) -> None:
    assert fresh.client.post("/summarize", json={"q": "Ab", "length": length}).status_code == 200
    (config,) = search.configs
    assert (config.min_length, config.max_length) == (words, min(2 * words, 256))


def test_what_is_asked_of_pieces_outranks_a_length(fresh: Live, search: GatedSearch) -> None:
    fresh.client.post("/summarize", json={"q": "Ab", "length": "long", "max_length": 20})
    assert [(config.min_length, config.max_length) for config in search.configs] == [(18, 20)]


@pytest.mark.parametrize("length", ["huge", 0, 151, -1, 1.5, [], {}])
def test_a_length_that_is_none_is_refused(length: Any, fresh: Live) -> None:
    answer = fresh.client.post("/summarize", json={"q": "Ab", "length": length})
    message = "Invalid request: length parameter should be short, medium, long, or a number of words from 1 to 150"
    assert_error(answer, 400, message)
