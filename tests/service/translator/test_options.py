import math
import re

import pytest

from model.bundle import Bundle
from model.config import DecodingConfig, Task
from model.reverse import MARGIN, Found, Reverse
from service.catalogue import Catalogue
from service.errors import InvalidRequest
from service.translator import Translator
from tests.reversal import TRANSLATE
from tests.service.engines import new_engine
from tests.service.fakes import GatedSearch, fake_bundle
from tests.service.translator.running import answer_with, run


def test_only_the_best_is_asked_of_the_network_unless_more_is_wanted(
    translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    run(translator, TRANSLATE, ["Abc."])
    assert search.configs == [bundle.manifest.decoding]


@pytest.mark.parametrize("n_best", [2, 3, 16])
def test_the_beam_is_as_wide_as_the_outputs_wanted(n_best: int, translator: Translator, search: GatedSearch) -> None:
    run(translator, TRANSLATE, ["Abc."], n_best=n_best)
    assert search.configs == [DecodingConfig(beam_size=max(2, n_best), n_best=n_best)]


@pytest.mark.parametrize(
    "decoding",
    [
        {"beam_size": 7},
        {"length_penalty": 0.5, "coverage_penalty": 0.2},
        {"no_repeat_ngram": 3, "repetition_penalty": 1.5},
        {"min_length": 0, "max_length": 9},
    ],
)
def test_what_a_request_asks_for_replaces_what_the_bundle_does(
    decoding: dict[str, int | float], translator: Translator, search: GatedSearch, bundle: Bundle
) -> None:
    run(translator, TRANSLATE, ["Abc. Def."], decoding=decoding)
    assert search.configs == [bundle.manifest.decoding.model_copy(update=decoding)] * 2
    run(translator, TRANSLATE, ["Abc."])
    assert search.configs[2:] == [bundle.manifest.decoding]


@pytest.mark.parametrize(
    ("decoding", "message"),
    [
        ({"min_length": 9, "max_length": 3}, "Invalid request: min_length 9 exceeds max_length 3"),
        ({"min_length": 257}, "Invalid request: min_length 257 exceeds max_length 256 (the bundle's default)"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    decoding: dict[str, int], message: str, translator: Translator, search: GatedSearch
) -> None:
    with pytest.raises(InvalidRequest, match=f"^{re.escape(message)}$"):
        run(translator, TRANSLATE, ["Abc."], decoding=decoding)
    assert search.admissions == []


def test_a_default_that_a_request_contradicts_is_called_one(
    translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle.manifest, "decoding", DecodingConfig(min_length=5))
    with pytest.raises(InvalidRequest, match=r"min_length 5 \(the bundle's default\) exceeds max_length 3$"):
        run(translator, TRANSLATE, ["Abc."], decoding={"max_length": 3})


def test_a_beam_that_is_narrower_than_the_outputs_wanted_is_widened(
    translator: Translator, search: GatedSearch
) -> None:
    run(translator, TRANSLATE, ["Abc."], decoding={"beam_size": 1}, n_best=3)
    assert [(config.beam_size, config.n_best) for config in search.configs] == [(3, 3)]


@pytest.mark.parametrize(
    ("task", "weight", "is_chosen"),
    [("translate:de:en", 0.5, True), ("translate:de:en", 0.0, False), ("translate:fr:en", 0.5, False)],
)
def test_of_all_that_the_beam_has_found_the_best_is_chosen_by_the_reverse_direction_if_the_bundle_has_it(
    task: str, weight: float, is_chosen: bool, search: GatedSearch
) -> None:
    asked: list[Found] = []
    answer_with(search, "A", "B", "C")
    search.choose = lambda found: asked.extend(found) or [one.hypotheses[1:2] for one in found]  # type: ignore[attr-defined,func-returns-value]
    made = fake_bundle(search, tasks=["translate:de:en", "translate:en:de", "translate:fr:en"])
    engine = new_engine()
    engine.start()
    translator = Translator(Catalogue([], dict.fromkeys(made.manifest.tasks, made)), engine)
    decoding = {"reverse_weight": weight, "beam_size": 3, "length_penalty": 0.5}
    (answer,) = run(translator, Task.parse(task), ["Abc."], decoding=decoding)
    engine.close()
    assert answer.texts[0] == ("B" if is_chosen else "A")
    assert search.configs == [made.manifest.decoding.model_copy(update=decoding | {"n_best": 3 if is_chosen else 1})]
    assert [sentence.margin for sentence in search.sentences] == [MARGIN if is_chosen else math.inf]
    assert engine.metrics.registry.get_sample_value("dragoman_choose_seconds_count") == is_chosen
    if is_chosen:
        tag = made.tokenizer.encode_source("", Task.parse("translate:en:de"))[0]
        assert [(one.source, one.reverse) for one in asked] == [(search.sources[0], Reverse(tag, 0.5, 0.5, 1))]


@pytest.mark.parametrize("attention", [True, False])
def test_attention_is_asked_of_the_network_only_when_wanted(
    attention: bool, translator: Translator, search: GatedSearch
) -> None:
    run(translator, TRANSLATE, ["Abc. Def."], attention=attention)
    assert [sentence.attention for sentence in search.sentences] == [attention] * 2


def test_terms_of_a_bundle_that_stays_are_not_read_again(
    translator: Translator, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.translator.Glossary", None)
    (answer,) = run(Translator(translator.catalogue, translator.engine, translator), TRANSLATE, ["Abc"])
    assert answer.texts == ["cbA"]
    changed = dict.fromkeys(bundle.manifest.tasks, bundle._replace(glossaries={TRANSLATE: {"Abc": "x"}}))
    with pytest.raises(TypeError, match="not callable"):
        Translator(translator.catalogue._replace(serving=changed), translator.engine, translator)
