import json
from typing import Any

import pytest

from tests import reversal
from tests.service.fakes import GatedSearch
from tests.service.live import FORM, JSON, MULTIPART, TEXT, VALID, Live, assert_error


def multipart(fields: dict[str, str]) -> bytes:
    parts = (f'--x\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in fields.items())
    return ("".join(parts) + "--x--\r\n").encode()


def test_the_trained_network_gives_the_right_answers(live: Live) -> None:
    sentences = reversal.random_sentences(40, seed=77)
    translations = live.translate(sentences).json()["translatedText"]
    right = sum(out == reversal.translation(s) for out, s in zip(translations, sentences, strict=True))
    summaries = live.client.post("/summarize", json={"q": sentences}).json()["summaryText"]
    also_right = sum(out == reversal.summary(s) for out, s in zip(summaries, sentences, strict=True))
    assert min(right, also_right) >= 36


@pytest.mark.parametrize(
    "request_",
    [
        {"json": VALID},
        {"json": VALID | {"source": "DE", "target": "En"}},
        {"json": VALID | {"format": "text", "alternatives": 0, "api_key": None, "unknown": [1]}},
        {"json": VALID, "headers": {"content-type": "application/json; charset=utf-8"}},
        {"data": VALID},
        {"content": f"q={TEXT}&source=de&target=en&api_key=", "headers": {"content-type": FORM}},
        {"content": multipart(VALID), "headers": {"content-type": MULTIPART}},
        {"params": VALID},
        {"params": VALID, "json": {}},
        {"params": {"q": "something else", "target": "xx"}, "json": VALID},
    ],
)
def test_one_text_is_answered_alike_in_every_form(request_: dict[str, Any], live: Live, output: str) -> None:
    answer = live.client.post("/translate", **request_)
    assert (answer.status_code, answer.json()) == (200, {"translatedText": output})


def test_letters_that_a_form_did_not_encode_are_utf_8(live: Live) -> None:
    encoded = live.client.post("/translate", data=VALID | {"q": "Größe 我 😀"})
    raw = live.client.post("/translate", content="q=Größe 我 😀&source=de&target=en", headers={"content-type": FORM})
    assert raw.json() == encoded.json() == live.translate("Größe 我 😀").json()


def test_a_list_is_answered_as_its_texts_are_alone(live: Live, output: str) -> None:
    answer = live.translate([TEXT, "", "Kiwi", TEXT]).json()
    assert answer == {"translatedText": [output, "", live.translate("Kiwi").json()["translatedText"], output]}


@pytest.mark.parametrize("text", ["", "\n", "😀", "12 + 3", "---"])
def test_what_holds_no_letter_comes_back_unchanged(text: str, live: Live) -> None:
    assert live.translate(text).json() == {"translatedText": text}
    assert live.translate([text]).json() == {"translatedText": [text]}
    assert live.client.post("/summarize", json={"q": [text]}).json() == {"summaryText": [text]}


def test_line_breaks_stay_where_they_were(live: Live, output: str) -> None:
    assert live.translate(f"  {TEXT} {TEXT}\r\n\r\n\t{TEXT}\n").json() == {
        "translatedText": f"  {output} {output}\r\n\r\n\t{output}\n"
    }


@pytest.mark.parametrize(
    "text", ["a\x00b", "\x01\x02\x1bc\x7f", "\ufeffApfel\u200b\u202e", "e\u0301\u0301", "\U0010ffff x"]
)
def test_odd_characters_get_an_answer(text: str, live: Live) -> None:
    assert live.translate(text).status_code == 200
    assert live.client.post("/summarize", json={"q": text}).status_code == 200


@pytest.mark.parametrize("text", ["a" * 20_000, "我" * 20_000, "Apfel " * 3_333, "A. " * 6_666, "\n" * 20_000])
def test_a_text_of_the_full_length_gets_an_answer(text: str, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    # What splits and joins it is real; to decode it would take the tiny network seconds.
    search = GatedSearch()
    monkeypatch.setattr(live.bundle.search, "batch", search.batch)
    assert live.translate(text).status_code == 200
    longest = max(map(len, search.sources), default=0)
    assert longest <= live.bundle.manifest.max_source_pieces + 2


@pytest.mark.parametrize("q", [TEXT, [TEXT, "Kiwi."]])
@pytest.mark.parametrize(("route", "field"), [("/translate", "translatedText"), ("/summarize", "summaryText")])
def test_alternatives_are_further_outputs_in_the_shape_of_q(
    q: str | list[str], route: str, field: str, live: Live, gated: GatedSearch
) -> None:
    codes = {"source": "de", "target": "en"} if route == "/translate" else {}
    answer = live.client.post(route, json={"q": q, "alternatives": 3, **codes}).json()
    outputs, alternatives = answer[field], answer["alternatives"]
    if isinstance(q, str):
        outputs, alternatives = [outputs], [alternatives]
    for output, others in zip(outputs, alternatives, strict=True):
        assert 1 <= len(others) <= 3
        assert len({output, *others}) == 1 + len(others)
    assert {config.n_best for config in gated.configs} == {4}


@pytest.mark.parametrize("code", ["de", "en", "EN"])
def test_a_text_that_is_in_the_target_language_is_its_own_translation(code: str, live: Live) -> None:
    answer = live.translate([" Apfel\n", "x"], source=code, target=code.lower())
    assert answer.json() == {"translatedText": [" Apfel\n", "x"]}
    answer = live.translate("Apfel", source=code, target=code, alternatives=2)
    assert answer.json() == {"translatedText": "Apfel", "alternatives": []}


# What is refused

TRANSLATE_ERRORS = {
    "unknown source": (VALID | {"source": "zz"}, "zz is not supported, only de, en"),
    "unknown target": (VALID | {"target": "zz"}, "zz is not supported, only de, en"),
    "both unknown": (VALID | {"source": "zz", "target": "zz"}, "zz is not supported, only de, en"),
    "a direction that was not trained": (
        VALID | {"source": "en", "target": "de"},
        "Translation from en to de is not supported",
    ),
    "no q": ({"source": "de", "target": "en"}, "Invalid request: missing q parameter"),
    "no source": ({"q": TEXT, "target": "en"}, "Invalid request: missing source parameter"),
    "no target": ({"q": TEXT, "source": "de"}, "Invalid request: missing target parameter"),
    "nothing": ({}, "Invalid request: missing q parameter"),
    "q a number": (VALID | {"q": 5}, "Invalid request: q parameter should be a text or a list of texts"),
    "q null": (VALID | {"q": None}, "Invalid request: missing q parameter"),
    "q of numbers": (VALID | {"q": ["a", 1]}, "Invalid request: q parameter should be a text or a list of texts"),
    "q empty": (VALID | {"q": []}, "Invalid request: q parameter is an empty list"),
    "q over the limit": (
        VALID | {"q": "a" * 20_001},
        "Invalid request: request (20001) exceeds text limit (20000)",
    ),
    "q over the limit together": (
        VALID | {"q": ["a" * 10_000, "b" * 10_001]},
        "Invalid request: request (20001) exceeds text limit (20000)",
    ),
    "q too many": (VALID | {"q": [""] * 1001}, "Invalid request: 1001 texts exceed the limit of 1000"),
    "half a surrogate": (
        VALID | {"q": "a\ud800"},
        "Invalid request: q parameter holds a lone surrogate, which is not Unicode text",
    ),
    "source a list": (VALID | {"source": []}, "Invalid request: source parameter should be a valid string"),
    "target half a surrogate": (
        VALID | {"target": "\udc00"},
        "Invalid request: target parameter should be a valid string, unable to parse raw data as a unicode string",
    ),
    "alternatives a word": (
        VALID | {"alternatives": "x"},
        "Invalid request: alternatives parameter should be a valid integer, unable to parse string as an integer",
    ),
    "alternatives too many": (
        VALID | {"alternatives": 6},
        "Invalid request: alternatives parameter must be <= 5",
    ),
    "alternatives far too many": (
        VALID | {"alternatives": 10**1000},
        "Invalid request: alternatives parameter must be <= 5",
    ),
    "alternatives too few": (
        VALID | {"alternatives": -1},
        "Invalid request: alternatives parameter should be greater than or equal to 0",
    ),
    "unknown format": (VALID | {"format": "md"}, "md format is not supported"),
}


@pytest.mark.parametrize(("fields", "message"), TRANSLATE_ERRORS.values(), ids=TRANSLATE_ERRORS)
def test_a_translation_that_cannot_be_made_is_refused_with_a_reason(
    fields: dict[str, Any], message: str, live: Live
) -> None:
    assert_error(
        live.client.post("/translate", content=json.dumps(fields), headers={"content-type": JSON}), 400, message
    )
