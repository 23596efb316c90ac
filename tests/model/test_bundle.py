import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model import precision
from model.bundle import (
    CARD,
    FILES,
    FORMAT,
    MANIFEST,
    NETWORK,
    TOKENIZER,
    USED,
    BundleError,
    Score,
    checksum,
    load_bundle,
    load_manifest,
    write_description,
)
from model.config import CardConfig, DecodingConfig, DType, Task
from model.precision import available
from tests.reversal import SUMMARIZE, TRANSLATE, Trained, random_sentences

CPU = torch.device("cpu")


def assert_refused(folder: Path, message: str) -> None:
    with pytest.raises(BundleError, match=message) as caught:
        load_bundle(folder, CPU)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / MANIFEST
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(edit(fields)), encoding="utf-8")


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Put another file in a bundle, with a manifest that vouches for it."""
    (folder / name).write_bytes(content)
    edit_manifest(folder, lambda fields: {**fields, "files": {**fields["files"], name: checksum(content)}})


def test_a_bundle_loads_with_what_its_manifest_says(tiny_bundle: Path) -> None:
    bundle = load_bundle(tiny_bundle, CPU)
    assert bundle.manifest == load_manifest(tiny_bundle)
    assert bundle.manifest.tasks == [TRANSLATE, SUMMARIZE]
    assert len(bundle.tokenizer) == bundle.manifest.pieces == 300
    source = bundle.tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    (found,) = bundle.search.search([source], bundle.manifest.decoding)
    assert found


@pytest.mark.parametrize("dtype", available(CPU))
def test_a_bundle_is_served_in_the_type_that_is_asked_for(tiny_bundle: Path, dtype: DType) -> None:
    bundle = load_bundle(tiny_bundle, CPU, dtype)
    assert bundle.dtype == dtype
    source = bundle.tokenizer.encode_source("Birne Apfel", SUMMARIZE)
    for hypothesis in bundle.search.search([source], DecodingConfig(n_best=5))[0]:
        assert math.isfinite(hypothesis.score)
        assert all(math.isfinite(value) for value in hypothesis.log_probabilities)


def test_otherwise_it_is_served_in_whichever_was_fastest(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = dict.fromkeys(available(CPU), 2.0)
    for fastest in seconds:
        trials = iter({**seconds, fastest: 1.0}.values())
        monkeypatch.setattr(precision, "_trial_seconds", lambda *_, trials=trials: next(trials))
        assert load_bundle(tiny_bundle, CPU).dtype == fastest


def test_which_type_is_fastest_is_tried_once_for_bundles_with_networks_of_one_kind(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = load_bundle(tiny_bundle, CPU)._replace(dtype="float32")
    other = loaded._replace(dtype="int8", manifest=loaded.manifest.model_copy(update={"pieces": 299}))
    monkeypatch.setattr(precision, "_trial_seconds", None)
    assert load_bundle(tiny_bundle, CPU, loaded=[other, loaded]).dtype == "float32"
    assert load_bundle(tiny_bundle, CPU, "int8", loaded=[loaded]).dtype == "int8"
    with pytest.raises(TypeError):
        load_bundle(tiny_bundle, CPU, loaded=[other])


@pytest.mark.parametrize("name", [MANIFEST, *USED])
def test_a_missing_file_is_named(tiny_bundle: Path, name: str) -> None:
    (tiny_bundle / name).unlink()
    assert_refused(tiny_bundle, f"{name} is missing")


def test_a_folder_that_is_missing_or_a_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", f"{MANIFEST} is missing")
    (tmp_path / "file").write_bytes(b"")
    assert_refused(tmp_path / "file", "is a file, and a bundle is a folder: name the one that dragoman export made")


@pytest.mark.parametrize("name", USED)
def test_an_altered_file_is_named(tiny_bundle: Path, name: str) -> None:
    content = bytearray((tiny_bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tiny_bundle / name).write_bytes(content)
    assert_refused(tiny_bundle, f"{name} is not the file that was exported")


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"{}", b'"format"', b"\xff\xfe", b"null", b"[" * 100_000], ids=range(9)
)
def test_a_manifest_that_is_none_is_refused(tiny_bundle: Path, content: bytes) -> None:
    (tiny_bundle / MANIFEST).write_bytes(content)
    assert_refused(tiny_bundle, f"{MANIFEST} is not a manifest")


@pytest.mark.parametrize(("format_", "age"), [(FORMAT + 1, "a newer"), (FORMAT - 1, "an older"), (0, "an older")])
def test_another_format_is_refused_for_that_reason_whatever_else_it_brings(
    tiny_bundle: Path, format_: int, age: str
) -> None:
    edit_manifest(tiny_bundle, lambda fields: {**fields, "format": format_, "novelty": True})
    assert_refused(tiny_bundle, f"has format {format_}, made by {age} Dragoman; this one reads {FORMAT}: export again")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "1"}, "format: "),
        ({"novelty": 1}, "novelty: "),
        ({"tasks": []}, "tasks: "),
        ({"tasks": ["translate:de"]}, "tasks.0"),
        ({"tasks": "translate:de:en"}, "tasks: "),
        ({"dtype": "int4"}, "dtype: "),
        ({"files": {NETWORK: "0"}}, "lists the files network.ts, not"),
        ({"files": dict.fromkeys((*FILES, "../secret"), "0")}, "lists the files"),
        ({"decoding": {"beam_size": 0}}, "decoding.beam_size: "),
    ],
    ids=str,
)
def test_a_manifest_with_a_wrong_entry_names_it(tiny_bundle: Path, changes: dict[str, Any], message: str) -> None:
    edit_manifest(tiny_bundle, lambda fields: {**fields, **changes})
    assert_refused(tiny_bundle, f"{MANIFEST}: .*{message}")


@pytest.mark.parametrize("key", ["name", "version", "tasks", "networks", "pieces", "decoding", "files"])
def test_a_manifest_without_an_entry_names_it(tiny_bundle: Path, key: str) -> None:
    edit_manifest(tiny_bundle, lambda fields: {name: value for name, value in fields.items() if name != key})
    assert_refused(tiny_bundle, f"{MANIFEST}: .*{key}: Field required")


@pytest.mark.parametrize("name", [NETWORK, TOKENIZER])
@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_file_that_was_exported_broken_is_refused(tiny_bundle: Path, name: str, content: bytes) -> None:
    replace_file(tiny_bundle, name, content)
    assert_refused(tiny_bundle, f"{name} cannot be loaded: ")


def test_a_manifest_that_does_not_fit_its_tokenizer_is_refused(tiny_bundle: Path) -> None:
    edit_manifest(tiny_bundle, lambda fields: {**fields, "tasks": ["translate:de:fr"]})
    assert_refused(tiny_bundle, f"{TOKENIZER} has no tag for the task translate:de:fr")
    edit_manifest(tiny_bundle, lambda fields: {**fields, "pieces": 299})
    assert_refused(tiny_bundle, f"{TOKENIZER} has 300 pieces, the manifest says 299")


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
