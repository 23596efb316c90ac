from typing import Any

import pytest

from tests.service.fakes import GatedSearch
from tests.service.languages.asking import ENGLISH, FRENCH, GERMAN, ask
from tests.service.live import Live, assert_error


def test_with_auto_the_answer_says_what_a_text_was_taken_for(served: Live) -> None:
    answer = ask(served, GERMAN)
    assert answer["translatedText"] == GERMAN[::-1]
    assert answer["detectedLanguage"]["language"] == "de"
    assert 90 < answer["detectedLanguage"]["confidence"] <= 100
    assert "detectedLanguage" not in ask(served, GERMAN, "de")


def test_each_text_of_a_list_has_a_language_of_its_own(served: Live) -> None:
    answer = ask(served, [FRENCH, ENGLISH, GERMAN, "123", GERMAN])
    assert [one["language"] for one in answer["detectedLanguage"]] == ["fr", "en", "de", "en", "de"]
    assert answer["translatedText"] == [FRENCH[::-1], ENGLISH, GERMAN[::-1], "123", GERMAN[::-1]]


@pytest.mark.parametrize("text", ["", "123", "😀", "…"])
def test_a_text_in_no_language_comes_back_with_a_confidence_of_0(text: str, served: Live) -> None:
    answer = ask(served, text)
    assert (answer["translatedText"], answer["detectedLanguage"]) == (text, {"confidence": 0.0, "language": "en"})


def test_a_text_that_is_in_the_target_language_comes_back_as_it_is(served: Live, search: GatedSearch) -> None:
    assert ask(served, ENGLISH, "de", "en") == {"translatedText": ENGLISH}
    assert ask(served, GERMAN, "en", "de") == {"translatedText": GERMAN}
    assert search.sentences == []
    assert ask(served, "Hotel", "de", "en") == {"translatedText": "letoH"}
    assert ask(served, "I do not know what Ich habe heute keine Zeit means.", "de", "en")["translatedText"][0] == "."


@pytest.mark.parametrize("text", ["Hallo Welt, wie geht es dir?", "Guten Morgen"])
def test_detect_says_the_languages_best_first(text: str, served: Live) -> None:
    answer = served.client.post("/detect", data={"q": text})
    found = answer.json()
    assert answer.status_code == 200
    assert found[0]["language"] == "de"
    assert [one["confidence"] for one in found] == sorted((one["confidence"] for one in found), reverse=True)
    assert served.client.post("/detect", json={"q": [text, ENGLISH]}).json()[1][0]["language"] == "en"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Invalid request: missing q parameter"),
        ({"q": 5}, "Invalid request: q parameter should be a text or a list of texts"),
        ({"q": []}, "Invalid request: q parameter is an empty list"),
        ({"q": "a" * 30_000}, "Invalid request: request (30000) exceeds text limit (20000)"),
    ],
)
def test_detect_refuses_what_is_no_text(body: dict[str, Any], message: str, served: Live) -> None:
    assert_error(served.client.post("/detect", json=body), 400, message)


def test_detect_takes_null_for_nothing(served: Live) -> None:
    assert served.client.post("/detect", json={"q": GERMAN, "api_key": None}).json()[0]["language"] == "de"
    assert_error(served.client.post("/detect", json={"q": None}), 400, "Invalid request: missing q parameter")


def test_a_code_with_a_territory_is_that_of_its_language(served: Live) -> None:
    for source, target in [("de-DE", "en-US"), ("de_AT", "EN_gb"), ("de-1996", "en")]:
        assert ask(served, "Abc", source, target) == {"translatedText": "cbA"}
    body = {"q": "Abc", "source": "en-US"}
    assert served.client.post("/summarize", json=body).json() == {"summaryText": "cbA"}


def test_a_language_that_is_not_served_is_named_as_the_client_did(served: Live) -> None:
    for code in ("zt", "pb", "pt-BR", "xx-DE", "-de", "auto"):
        for route, body, only in [
            ("/translate", {"source": "de", "target": code}, "de, en, fr"),
            ("/summarize", {"source": code}, "en"),
        ]:
            message = f"{code.lower()} is not supported, only {only}"
            assert_error(served.client.post(route, json={"q": "Abc"} | body), 400, message)


def test_a_code_that_is_left_empty_is_missing(served: Live) -> None:
    for field in ("source", "target"):
        body = {"q": "Abc", "source": "de", "target": "en"} | {field: ""}
        message = f"Invalid request: missing {field} parameter"
        assert_error(served.client.post("/translate", data=body), 400, message)
        assert_error(served.client.post("/translate", json=body), 400, message)


def test_what_a_form_leaves_empty_has_its_default(served: Live) -> None:
    body = {"q": "Abc", "source": "de", "target": "en", "format": "", "alternatives": "", "api_key": "", "glossary": ""}
    assert served.client.post("/translate", data=body).json() == {"translatedText": "cbA"}


def test_a_pair_that_no_network_translates_goes_through_english_and_the_answer_says_so(served: Live) -> None:
    assert ask(served, "Abc def.", "de", "fr") == {"translatedText": "Abc def.", "via": "en"}
    assert ask(served, ["Abc def."], "fr", "de", alternatives=1)["via"] == ["en"]
    assert ask(served, [GERMAN, ENGLISH], "auto", "fr")["via"] == ["en", None]


def test_languages_lists_what_can_be_reached(served: Live) -> None:
    assert [(one["code"], one["targets"]) for one in served.client.get("/languages").json()] == [
        ("de", ["de", "en", "fr"]),
        ("en", ["de", "en", "fr"]),
        ("fr", ["de", "en", "fr"]),
    ]


def test_frontend_settings_are_those_that_librettranslate_s_clients_ask_for(served: Live) -> None:
    assert served.client.get("/frontend/settings").json() == {
        "apiKeys": False,
        "charLimit": 20_000,
        "filesTranslation": True,
        "frontendTimeout": 500,
        "keyRequired": False,
        "language": {"source": {"code": "auto", "name": "Auto Detect"}, "target": {"code": "en", "name": "English"}},
        "suggestions": False,
        "supportedFilesFormat": [".txt", ".md", ".html", ".srt", ".docx", ".pptx", ".odt", ".odp", ".epub"],
    }


def test_any_page_may_ask(served: Live) -> None:
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    preflight = served.client.options("/translate", headers=asked | {"Access-Control-Request-Headers": "content-type"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "*")
    answer = served.client.post("/translate", json={"q": "x"}, headers=asked)
    assert answer.headers["access-control-allow-origin"] == "*"
