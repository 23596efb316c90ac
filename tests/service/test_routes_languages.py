import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.hypothesis import Hypothesis
from model.masks import MASKS
from model.search import Sentence
from service.repetition import TIMES
from service.run import WITHOUT_REPETITION
from service.translator import Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import GatedSearch, backwards, wait_until
from tests.service.live import Live, assert_error, local_settings, running, serve_fakes

GERMAN, ENGLISH, FRENCH = "Ich habe heute keine Zeit.", "I do not have any time for that.", "Je ne suis pas fatigué."


@pytest.fixture
def served(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run a service that answers each sentence backwards, between German, English and French."""
    tasks = ("translate:de:en", "translate:en:de", "translate:fr:en", "translate:en:fr", "summarize:en")
    serve_fakes(monkeypatch, search, *tasks)
    with running(local_settings(tmp_path)) as live:
        yield live
        search.gate.set()


@pytest.fixture
def served_with_masks(search: GatedSearch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Live]:
    """Run such a service whose networks carry over what they read as masks."""
    serve_fakes(monkeypatch, search, "translate:de:en", "translate:en:fr", masks=MASKS[:8])
    with running(local_settings(tmp_path)) as live:
        yield live
        search.gate.set()


def ask(live: Live, q: Any, source: str = "auto", target: str = "en", **fields: Any) -> dict[str, Any]:
    answer = live.client.post("/translate", json={"q": q, "source": source, "target": target, **fields})
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


# Which language it is


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


# From language to language


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


# HTML


def test_of_html_the_words_are_translated_and_the_tags_stay(served: Live) -> None:
    source = '<p class="a">Abc def.</p>\n<ul><li>Ghi</li></ul><script>x = "Abc"</script><code>Abc</code>'
    answer = ask(served, source, "de", format="html")
    expected = '<p class="a">.fed cbA</p>\n<ul><li>ihG</li></ul><script>x = "Abc"</script><code>Abc</code>'
    assert answer == {"translatedText": expected}


def test_inline_tags_are_kept_though_a_network_has_no_attention_and_text_is_escaped(served: Live) -> None:
    answer = ask(served, "A <b>bc</b> &amp; <i>d</i> &lt;e&gt; f", "de", format="html")["translatedText"]
    assert [answer.count(tag) for tag in ("<b>", "</b>", "<i>", "</i>")] == [1, 1, 1, 1]
    assert "&amp;" in answer
    assert ("&lt;" in answer, "&gt;" in answer) == (True, True)


@pytest.mark.parametrize(
    "source", ["<p>Abc", "</p></p>Abc<b", "<b><i>Abc</b></i>", "<!-- Abc", "<" * 500, "&&&;", "<a href="]
)
def test_broken_html_is_answered(source: str, served: Live) -> None:
    assert isinstance(ask(served, source, "de", format="html")["translatedText"], str)


def test_a_summary_of_html_is_of_its_words_and_escaped(served: Live) -> None:
    body = {"q": "<p>Abc <b>&lt;d&gt;</b></p>", "source": "en", "format": "html"}
    assert served.client.post("/summarize", json=body).json() == {"summaryText": "&gt;d&lt; cbA"}


@pytest.mark.parametrize("text_format", ["md", "HTML", "x" * 100])
def test_a_format_that_there_is_not_is_named(text_format: str, served: Live) -> None:
    body = {"q": "Abc", "source": "de", "target": "en", "format": text_format}
    assert_error(served.client.post("/translate", json=body), 400, f"{text_format[:20]} format is not supported")


# Text


def test_a_wrapped_paragraph_is_translated_as_one_sentence(served: Live, search: GatedSearch) -> None:
    text = "wir freuen uns ihnen mitteilen zu können\ndass unser neues büro geöffnet ist.\n"
    answer = ask(served, text, "de")["translatedText"]
    assert len(search.sentences) == 1
    assert answer.count("\n") == 2
    assert answer.replace("\n", " ").strip() == text.replace("\n", " ").strip()[::-1]


def test_shouted_text_is_read_as_written_and_comes_back_shouted(served: Live, search: GatedSearch) -> None:
    assert ask(served, "ICH HABE KEINEN HUND", "de")["translatedText"] == "ICH HABE KEINEN HUND"[::-1]
    assert "".join(map(chr, search.sources[0][1:-1])) == "Ich habe keinen hund"


def test_an_output_that_repeats_itself_is_decoded_again_without_repetition(served: Live, search: GatedSearch) -> None:
    def loops_at_first(sentence: Sentence) -> list[Hypothesis]:
        if sentence.config.no_repeat_ngram:
            return backwards(sentence)
        return [Hypothesis([*map(ord, "ab " * TIMES)], -1.0, -1.0, [0.0] * (3 * TIMES + 1))]

    search.answer = loops_at_first
    assert ask(served, ["Abc", "Def"], "de")["translatedText"] == ["cbA", "feD"]
    again = search.sentences[2:]
    assert [{name: getattr(one.config, name) for name in WITHOUT_REPETITION} for one in again] == [
        WITHOUT_REPETITION
    ] * 2


def test_what_repeats_itself_in_the_source_may_do_so(served: Live, search: GatedSearch) -> None:
    assert ask(served, "ja ja ja ja ja", "de")["translatedText"] == "aj aj aj aj aj"
    assert len(search.sentences) == 1


# Glossaries


@pytest.mark.parametrize("glossary", [{"Vertrag": "agreement", "nie": "x"}, '{"vertrag": "agreement"}'])
def test_a_term_of_the_glossary_is_forced_into_the_sentences_that_have_it(
    glossary: Any, served: Live, search: GatedSearch
) -> None:
    ask(served, "Der Vertrag gilt. Das gilt auch. Verträge.", "de", glossary=glossary)
    forced = [["".join(map(chr, pieces)) for pieces in sentence.phrases] for sentence in search.sentences]
    assert forced == [["agreement"], [], []]
    assert [config.beam_size for config in search.configs] == [10, 2, 2]  # a place for each piece, and one more


def test_a_term_is_found_however_its_quotes_and_letters_are_written(served: Live, search: GatedSearch) -> None:
    ask(served, "Voici l\u2019accord.", "fr", glossary={"l'accord": "deal"})
    ask(served, "Voici l'accord.", "fr", glossary={"l\u2019accord": "deal"})
    assert [len(sentence.phrases) for sentence in search.sentences] == [1, 1]


def test_a_term_knows_what_of_the_source_it_translates(served: Live, search: GatedSearch) -> None:
    ask(served, "Der Vertrag gilt.", "de", glossary={"Vertrag": "agreement"}, alternatives=1)
    (sentence,) = search.sentences
    assert sentence.terms
    ((first, *_, last),) = sentence.terms.places
    assert "".join(map(chr, sentence.source[first : last + 1])) == "Vertrag"


def test_a_translation_that_begins_the_answer_is_written_as_sentences_and_shouts_are(
    served: Live, search: GatedSearch
) -> None:
    search.answer = lambda sentence: [Hypothesis([p for one in sentence.phrases for p in one], -1.0, -1.0)]
    glossary = {"Hund": "puppy", "Katze": "cat"}
    answer = ask(served, ["Katze", "Mein Hund", "MEINE KATZEN UND MEIN HUND"], "de", glossary=glossary)
    assert answer["translatedText"] == ["Cat", "Puppy", "PUPPY"]


def test_a_term_of_a_text_that_goes_through_another_language_is_in_the_answer(
    served_with_masks: Live, search: GatedSearch
) -> None:
    glossary = {"Vertrag": "accord", "Haus": "a<b"}
    q = ["Der Vertrag gilt.", "<p>Der <b>Vertrag</b> im Haus</p>"]
    answer = ask(served_with_masks, q[0], "de", "fr", glossary=glossary, alternatives=1, scores=True)
    assert answer["translatedText"] == "Der accord gilt."  # twice backwards
    assert answer["via"] == "en"
    assert "accord" in answer["details"][0]["source"]
    assert not any(sentence.phrases for sentence in search.sentences)
    answer = ask(served_with_masks, q, "de", "fr", glossary=glossary, format="html")
    assert answer["translatedText"] == ["Der accord gilt.", "<p>Der <b>accord</b> im a&lt;b</p>"]
    answer = events(served_with_masks, q=q[0], source="de", target="fr", glossary=glossary)
    assert answer == [("answer", {"translatedText": "Der accord gilt.", "via": "en"})]


def test_a_network_without_masks_loses_the_terms_of_such_a_text_which_is_refused(served: Live) -> None:
    body = {"q": "Vertrag", "source": "de", "target": "fr", "glossary": {"Vertrag": "accord"}}
    message = "Invalid request: glossary has no effect on what is translated through en: "
    answer = served.client.post("/translate", json=body)
    assert_error(answer, 400, f"{message}fake was trained without masks, which carry terms over")
    assert ask(served, "Haus", "de", "fr", glossary={"Vertrag": "accord"})["translatedText"] == "Haus"


def test_the_bundles_own_terms_hold_for_all_who_ask_and_the_requests_outrank_them(
    served: Live, search: GatedSearch
) -> None:
    own = {TRANSLATE: {"Vertrag": "agreement", "Haus": "home"}}
    catalogue = served.state.catalogue
    serving = {task: bundle._replace(glossaries=own) for task, bundle in catalogue.serving.items()}
    served.state._translator = Translator(catalogue._replace(serving=serving), served.state.engine)
    ask(served, "Der Vertrag", "de")
    ask(served, "Le Vertrag", "fr")
    ask(served, "Der Vertrag im Haus", "de", glossary={"vertrag": "deal"})
    ask(served, "Der Vertrag", "de", "fr")  # through English
    forced = [["".join(map(chr, pieces)) for pieces in sentence.phrases] for sentence in search.sentences]
    assert forced == [["agreement"], [], ["deal", "home"], ["agreement"], []]


@pytest.mark.parametrize("glossary", ["{", "[]", [], {"a": 1}, {"": "x"}, {"a": ""}, {"a": "b" * 300}, 5])
def test_a_glossary_that_is_none_is_refused(glossary: Any, served: Live) -> None:
    body = {"q": "Vertrag", "source": "de", "target": "en", "glossary": glossary}
    answer = served.client.post("/translate", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Invalid request: glossary parameter")


# Sentence by sentence


def events(live: Live, **body: Any) -> list[tuple[str, Any]]:
    answer = live.client.post("/translate", json=body | {"stream": True})
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (200, "text/event-stream")
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in parts]


def test_a_stream_has_each_sentence_in_order_and_at_last_what_is_answered_without(served: Live) -> None:
    body = {"q": "Abc. Def.\n\n\nGhi {x}.", "source": "de", "target": "en"}
    *sentences, last = events(served, **body)
    expected = [("", ".cbA"), (" ", ".feD"), ("\n\n\n", ".}x{ ihG")]
    assert sentences == [
        ("sentence", {"place": n, "before": before, "output": output}) for n, (before, output) in enumerate(expected)
    ]
    assert last == ("answer", served.client.post("/translate", json=body).json())


@pytest.mark.parametrize(("source", "target", "q"), [("de", "de", "Abc"), ("de", "fr", "Abc"), ("auto", "en", "12")])
def test_a_stream_of_what_is_not_translated_sentence_by_sentence_has_the_answer_alone(
    source: str, target: str, q: str, served: Live
) -> None:
    ((name, answer),) = events(served, q=q, source=source, target=target)
    assert (name, answer["translatedText"]) == ("answer", q)


def test_a_stream_that_cannot_begin_has_the_status_of_its_error(served: Live) -> None:
    body = {"q": ["Abc"], "source": "de", "target": "en", "stream": True}
    message = "Invalid request: stream parameter is for a single text, not for a list"
    assert_error(served.client.post("/translate", json=body), 400, message)
    message = "xx is not supported, only de, en, fr"
    assert_error(served.client.post("/translate", json=body | {"q": "Abc", "target": "xx"}), 400, message)


def test_a_stream_that_breaks_off_says_why(served: Live, search: GatedSearch) -> None:
    search.answer = lambda sentence: backwards(sentence) if ord("A") in sentence.source else []
    found = events(served, q="Abc. Def.", source="de", target="en")
    assert [name for name, _ in found] == ["sentence", "error"]
    assert "could not be decoded" in found[1][1]["error"]


def test_a_client_that_leaves_a_stream_is_not_decoded_for(served: Live, search: GatedSearch) -> None:
    search.answer = lambda sentence: search.gate.clear() or backwards(sentence)  # type: ignore[func-returns-value]
    body = {"q": "\n".join(["Abc def ghi."] * 50), "source": "de", "target": "en", "stream": True}
    with served.client.stream("POST", "/translate", json=body) as answer:
        next(answer.iter_lines())
    wait_until(lambda: served.metric("dragoman_requests_in_progress") == 0)
    search.answer = backwards
    search.gate.set()
    wait_until(lambda: served.metric("dragoman_sentences_in_flight") + served.metric("dragoman_queued_sentences") == 0)
    assert len(search.sentences) < 50


def test_a_stream_whose_time_is_over_says_so_and_leaves_no_error_behind(
    served: Live, search: GatedSearch, caplog: pytest.LogCaptureFixture
) -> None:
    search.answer = lambda sentence: search.gate.clear() or backwards(sentence)  # type: ignore[func-returns-value]
    found = events(served, q="Abc.\n" + "Def ghi jkl mno. " * 5, source="de", target="en", timeout_ms=2000)
    search.gate.set()
    assert found[-1] == ("error", {"error": "No answer within 2 s", "status": 504})
    assert "Exception in ASGI application" not in caplog.text


@pytest.mark.parametrize("text", ["<p>[x] Hallo <b>Welt</b></p>", "[x] <i>http://a.b ", "- [x] <b>Abc</b>"])
def test_a_box_that_is_ticked_is_no_word(text: str, served: Live) -> None:
    answer = ask(served, text, "de", format="html")["translatedText"]
    assert "[x]" in answer


@pytest.mark.parametrize("text", ["\u3164", "\u115f\u1160", "\uffa0"], ids=ascii)
def test_letters_that_show_nothing_are_not_translated(text: str, served: Live, search: GatedSearch) -> None:
    assert ask(served, text, "de") == {"translatedText": text}
    assert search.sentences == []
