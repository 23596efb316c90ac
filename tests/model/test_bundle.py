import gc
import math
from pathlib import Path
from weakref import ref

import pytest
import torch

from model import precision
from model.bundle import (
    CARD,
    GLOSSARY,
    MANIFEST,
    NETWORK,
    BundleError,
    Score,
    load_bundle,
    load_manifest,
    render_card,
    write_description,
)
from model.config import GONE, CardConfig, DecodingConfig, DType, Task
from model.precision import available
from tests.model.bundles import CPU, assert_refused, edit_manifest
from tests.reversal import SUMMARIZE, TRANSLATE, Trained, random_sentences


def test_a_bundle_loads_with_what_its_manifest_says(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle, CPU)
    assert bundle.manifest == load_manifest(tiny_bundle)
    assert bundle.manifest.tasks == [TRANSLATE, SUMMARIZE]
    assert len(bundle.tokenizer) == bundle.manifest.pieces == 300
    source = bundle.tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    (found,) = bundle.search.search([source], bundle.manifest.decoding)
    assert found


def test_a_translation_of_both_directions_has_its_reverse_and_the_card_says_that_it_is_heeded(
    tiny_bundle: Path,
) -> None:
    bundle = load_bundle(tiny_bundle, CPU)
    choosing = bundle.manifest.decoding.model_copy(update={"reverse_weight": 0.25})
    one_way = bundle.manifest.model_copy(update={"decoding": choosing})
    both_ways = one_way.model_copy(update={"tasks": [TRANSLATE, TRANSLATE.reverse, SUMMARIZE]})
    manifests = (bundle.manifest, one_way, both_ways)
    found = [[bundle._replace(manifest=one).reverse_of(task) for task in one.tasks] for one in manifests]
    assert found == [[None, None], [None, None], [TRANSLATE.reverse, TRANSLATE, None]]
    said = "; the best chosen by both directions, the other with weight 0.25."
    assert [said in render_card(one) for one in manifests] == [False, False, True]


@pytest.mark.parametrize("dtype", available(CPU))
def test_a_bundle_is_served_in_the_type_that_is_asked_for(tiny_bundle: Path, dtype: DType) -> None:
    bundle = load_bundle(tiny_bundle, CPU, dtype)
    assert bundle.dtype == dtype
    source = bundle.tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    for hypothesis in bundle.search.search([source], DecodingConfig(n_best=5))[0]:
        assert math.isfinite(hypothesis.score)
        assert all(math.isfinite(value) for value in hypothesis.log_probabilities)


def test_otherwise_it_is_served_in_whichever_was_fastest(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[DType] = [dtype for dtype in available(CPU) if dtype != "float32"] or ["float32"]
    seconds = dict.fromkeys(tried, 2.0)
    for fastest in seconds:
        trials = iter({**seconds, fastest: 1.0}.values())
        monkeypatch.setattr(precision, "_trial_seconds", lambda *_, trials=trials: next(trials))
        assert load_bundle(tiny_bundle, CPU).dtype == fastest


def test_which_type_is_fastest_is_tried_once_for_bundles_with_networks_of_one_kind(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = load_bundle(tiny_bundle, CPU)
    trained_otherwise = {"files": {**same.manifest.files, NETWORK: "0"}}
    loaded = same._replace(dtype="float32", manifest=same.manifest.model_copy(update=trained_otherwise))
    of_another_kind = {**trained_otherwise, "pieces": 299}
    other = same._replace(dtype="int8", manifest=same.manifest.model_copy(update=of_another_kind))
    monkeypatch.setattr(precision, "available", lambda _: ["int8", "bfloat16", "float32"])
    monkeypatch.setattr(precision, "_trial_seconds", None)
    assert load_bundle(tiny_bundle, CPU, loaded=[other, loaded]).dtype == "float32"
    assert load_bundle(tiny_bundle, CPU, "int8", loaded=[loaded]).dtype == "int8"
    with pytest.raises(TypeError):
        load_bundle(tiny_bundle, CPU, loaded=[other])


def test_keys_of_networks_that_are_gone_are_read_over(tiny_bundle: Path) -> None:
    expected = load_manifest(tiny_bundle)
    old = dict.fromkeys(GONE["network"], 0.1)
    edit_manifest(tiny_bundle, lambda f: {**f, "networks": [{**network, **old} for network in f["networks"]]})
    assert load_manifest(tiny_bundle) == expected


def test_a_network_that_is_loaded_already_is_not_loaded_again(tiny_bundle: Path) -> None:
    before = load_bundle(tiny_bundle, CPU, "float32")
    edit_manifest(tiny_bundle, lambda fields: {**fields, "version": "2", "decoding": {"beam_size": 3}})
    after = load_bundle(tiny_bundle, CPU, loaded=[before])
    assert after.search is before.search
    assert after.dtype == "float32"
    assert (after.manifest.version, after.manifest.decoding.beam_size) == ("2", 3)
    assert load_bundle(tiny_bundle, CPU, "int8", loaded=[before]).search is not before.search


def test_a_network_that_is_loaded_already_must_know_the_tasks_of_the_new_manifest(tiny_bundle: Path) -> None:
    before = load_bundle(tiny_bundle, CPU, "float32")
    edit_manifest(tiny_bundle, lambda fields: {**fields, "tasks": ["translate:de:fr"]})
    with pytest.raises(BundleError, match="no tag for the task"):
        load_bundle(tiny_bundle, CPU, loaded=[before])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_bundle_that_nobody_uses_any_more_is_freed_without_a_garbage_collector(
    tiny_bundle: Path, dtype: DType
) -> None:
    bundle = load_bundle(tiny_bundle, CPU, dtype)
    source = bundle.tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    bundle.search.search([source], bundle.manifest.decoding)
    left = [ref(bundle.search), ref(bundle.search.network)]
    gc.disable()
    try:
        del bundle
        assert [one() for one in left] == [None, None]
    finally:
        gc.enable()


def test_bundles_share_the_code_of_a_step_which_is_never_freed(tiny_bundle: Path, trained_reversal: Trained) -> None:
    first, second = (load_bundle(folder, CPU, "float32") for folder in (tiny_bundle, trained_reversal.bundle))
    one, other = (bundle.search.batch()._step for bundle in (first, second))
    assert isinstance(one, torch.jit.RecursiveScriptModule)
    assert isinstance(other, torch.jit.RecursiveScriptModule)
    assert one._c._type() == other._c._type()


def test_a_bundle_may_have_a_glossary_for_each_of_its_translations(tiny_bundle: Path) -> None:
    assert load_bundle(tiny_bundle, CPU, "float32").glossaries == {}
    (tiny_bundle / GLOSSARY).write_text('{"translate:de:en": {"Vertrag": "agreement"}}')
    assert load_bundle(tiny_bundle, CPU, "float32").glossaries == {TRANSLATE: {"Vertrag": "agreement"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Invalid JSON"),
        ("{", "Invalid JSON"),
        ("\xff", "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        ("[]", "should be an object"),
        ('{"de-en": {}}', "de-en.kind: "),
        ('{"translate:de:en": []}', "translate:de:en: "),
        ('{"translate:de:en": {"Vertrag": 7}}', "translate:de:en.Vertrag: "),
        ('{"translate:de:en": {"": "x"}}', "translate:de:en"),
        ('{"translate:de:en": {"Vertrag": " "}}', "translate:de:en.Vertrag: "),
        ('{"translate:de:en": {"Vertrag": "%s"}}' % ("x" * 201), "translate:de:en.Vertrag: "),
        ('{"translate:de:en": {"Vertrag": "\\ud800"}}', ""),
        ('{"translate:en:de": {}}', "translate:en:de is no translation among the tasks translate:de:en, summarize:en"),
        ('{"summarize:en": {}}', "summarize:en is no translation among the tasks"),
    ],
    ids=range(14),
)
def test_a_broken_glossary_is_refused_for_a_reason(tiny_bundle: Path, content: str, message: str) -> None:
    (tiny_bundle / GLOSSARY).write_bytes(content.encode("latin-1"))
    assert_refused(tiny_bundle, f"{GLOSSARY}: .*{message}")


def test_a_glossary_that_cannot_be_read_is_refused(tiny_bundle: Path) -> None:
    (tiny_bundle / GLOSSARY).mkdir()
    assert_refused(tiny_bundle, f"{GLOSSARY} cannot be read")


def test_scores_go_into_the_manifest_and_the_card_and_the_bundle_still_loads(tiny_bundle: Path) -> None:
    score = Score(
        task=Task.parse("translate:de:en"),
        test="test.tsv",
        pairs=7,
        dtype="int8",
        values={"BLEU": 43.54321, "chrF2": 60.0, "BLEU signature": "nrefs:1|tok:13a"},
    )
    manifest = load_manifest(tiny_bundle).model_copy(update={"scores": (score,)})
    card = (tiny_bundle / CARD).read_text(encoding="utf-8")
    assert "Not measured." in card
    written = write_description(tiny_bundle, manifest)
    assert load_bundle(tiny_bundle, CPU).manifest == written
    assert written.scores == (score,)
    card = (tiny_bundle / CARD).read_text(encoding="utf-8")
    assert "| translate:de:en | test.tsv | 7 | int8 | BLEU | 43.5 |" in card
    assert "| translate:de:en | test.tsv | 7 | int8 | chrF2 | 60.0 |" in card
    assert card.count("nrefs:1|tok:13a") == 1
    assert "Not measured." not in card


@pytest.mark.parametrize("killed_at", [CARD, MANIFEST])
def test_a_kill_while_scores_are_saved_leaves_a_bundle_that_loads(
    killed_at: str, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_manifest(tiny_bundle)
    score = Score(task=TRANSLATE, test="test.tsv", pairs=1, dtype="int8", values={"BLEU": 1.0})

    def write(path: Path, content: bytes) -> None:
        if path.name == killed_at:
            raise KeyboardInterrupt
        path.write_bytes(content)

    monkeypatch.setattr("model.bundle.write_atomically", write)
    with pytest.raises(KeyboardInterrupt):
        write_description(tiny_bundle, before.model_copy(update={"scores": (score,)}))
    assert load_bundle(tiny_bundle, CPU, "float32").manifest == before


def test_the_card_says_what_the_recipe_says(tiny_bundle: Path) -> None:
    card = CardConfig(summary="Übersetzt.", data="Tatoeba", licence="CC BY 2.0", limits="Numbers.")
    write_description(tiny_bundle, load_manifest(tiny_bundle).model_copy(update={"card": card}))
    text = (tiny_bundle / CARD).read_text(encoding="utf-8")
    for expected in ("# reversal 1\n\nÜbersetzt.", "## Data\n\nTatoeba", "## Licence\n\nCC BY 2.0", "Numbers."):
        assert expected in text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_bundle_decodes_on_a_gpu_as_on_a_cpu(trained_reversal: Trained) -> None:
    found = []
    for device in (CPU, torch.device("cuda")):
        bundle = load_bundle(trained_reversal.bundle, device, "float32")
        sources = [bundle.tokenizer.encode_source(sentence, TRANSLATE) for sentence in random_sentences(50, seed=9)]
        found.append([h[0].pieces for h in bundle.search.search(sources, bundle.manifest.decoding)])
    assert found[0] == found[1]
