from typing import Any

import pytest

from model.hypothesis import Hypothesis
from service.translator import Translator
from tests.reversal import TRANSLATE
from tests.service.fakes import GatedSearch
from tests.service.languages.asking import ask, events
from tests.service.live import Live, assert_error


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
