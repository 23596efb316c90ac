import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from model import bundle as bundle_module
from model.bundle import GLOSSARY, MANIFEST, NETWORK, SIGNATURE, TOKENIZER, WORDS, BundleError, sign_bundle
from model.known_words import KnownWords
from service import catalogue
from service.catalogue import Catalogue, Changes, compare, load_catalogue, stamps
from service.settings import Settings, SettingsError
from tests.keys import KeyPair
from tests.reversal import TRANSLATE
from tests.service.live import local_settings
from tests.service.versions import new_version


@pytest.fixture
def models(tiny_bundle: Path) -> Path:
    """Return a folder of one bundle, ``tiny``."""
    return tiny_bundle.parent


def settings(models: Path, **changes: Any) -> Settings:
    return local_settings(models, **{"dtype": "float32", **changes})


def load(models: Path, before: Catalogue = catalogue.NOTHING) -> Catalogue:
    return load_catalogue(settings(models), before)


def test_a_bundle_that_did_not_change_is_kept_and_not_loaded_again(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(models)
    monkeypatch.setattr(bundle_module, "_load_network", pytest.fail)
    monkeypatch.setattr(catalogue, "warm_up", pytest.fail)
    after = load(models, before)
    assert after == before
    assert after.bundles[0].search is before.bundles[0].search
    assert compare(before, after) == Changes([], ["tiny"], [], {})


def test_a_new_version_replaces_the_old_one_and_is_warm(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load(models)
    new_version(models / "tiny", "2")
    warmed = []
    monkeypatch.setattr(catalogue, "warm_up", warmed.append)
    after = load(models, before)
    assert warmed == after.bundles
    assert after.bundles[0].manifest.version == "2"
    assert after.bundles[0].search is not before.bundles[0].search
    assert all(bundle is after.bundles[0] for bundle in after.serving.values())
    assert compare(before, after) == Changes(["tiny"], [], [], {})


def test_a_manifest_that_changed_counts_and_its_network_is_not_loaded_again(models: Path) -> None:
    before = load(models)
    fields = json.loads((models / "tiny" / MANIFEST).read_text())
    (models / "tiny" / MANIFEST).write_text(json.dumps(fields | {"decoding": {"beam_size": 7}}))
    after = load(models, before)
    assert after.bundles[0].manifest.decoding.beam_size == 7
    assert after.bundles[0].search is before.bundles[0].search
    assert compare(before, after) == Changes(["tiny"], [], [], {})


def test_bundles_come_and_go(models: Path) -> None:
    before = load(models)
    (models / "tiny").rename(models / "renamed")
    after = load(models, before)
    assert [entry.folder for entry in after.entries] == ["renamed"]
    assert compare(before, after) == Changes(["renamed"], [], ["tiny"], {})
    shutil.rmtree(models / "renamed")
    assert load(models, after) == ([], {})


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        (NETWORK, b"x", "tiny: network.ts is not the file that was exported: its checksum differs"),
        (MANIFEST, b"{", "tiny: bundle.json is not a manifest"),
        (TOKENIZER, None, "tiny: tokenizer.model is missing"),
    ],
)
def test_a_broken_one_leaves_the_old_version_in_place_and_says_why(
    models: Path, file: str, content: bytes | None, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = load(models)
    new_version(models / "tiny", "2")
    if content is None:
        (models / "tiny" / file).unlink()
    else:
        (models / "tiny" / file).write_bytes(content)
    after = load(models, before)
    assert after.entries == [("tiny", before.bundles[0], error)]
    assert after.serving == before.serving
    assert after.counts == {"ready": 0, "outdated": 1, "failed": 0}
    assert compare(before, after) == Changes([], [], [], {"tiny": error})
    assert error.partition(": ")[2] in caplog.text


@pytest.mark.parametrize("name", [NETWORK, TOKENIZER])
def test_a_file_that_is_damaged_beside_its_old_manifest_is_told_and_mended_without_loading(
    models: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, noticed = load(models), stamps(models)
    content = (models / "tiny" / name).read_bytes()
    (models / "tiny" / name).write_bytes(content[:-1])
    assert stamps(models) != noticed
    after = load(models, before)
    error = f"tiny: {name} is not the file that was exported: its checksum differs"
    assert after.entries == [("tiny", before.bundles[0], error)]
    assert after.counts["outdated"] == 1
    (models / "tiny" / name).write_bytes(content)
    monkeypatch.setattr(bundle_module, "_load_network", pytest.fail)
    assert load(models, after) == before


def test_one_that_fails_its_warm_up_leaves_the_old_version_in_place(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(models)
    new_version(models / "tiny", "2")
    monkeypatch.setattr(catalogue, "warm_up", lambda _: 1 / 0)
    after = load(models, before)
    assert after.entries == [("tiny", before.bundles[0], "tiny: failed its warm-up: ZeroDivisionError")]
    monkeypatch.undo()
    mended = load(models, after)
    assert mended.bundles[0].manifest.version == "2"
    assert compare(after, mended) == Changes(["tiny"], [], [], {})


def test_a_folder_that_is_lost_is_an_error_and_not_the_end_of_all_bundles(models: Path, tmp_path: Path) -> None:
    before = load(models)
    models.rename(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="there is no such folder"):
        load(models, before)


@pytest.mark.parametrize("name", [".", MANIFEST, NETWORK])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(models: Path, tmp_path: Path, name: str) -> None:
    path, outside = models / "tiny" / name, tmp_path / "outside"
    path.rename(outside)
    (models / "tiny" / name).symlink_to(outside) if name != "." else (models / "tiny").symlink_to(outside)
    (entry,) = load(models).entries
    assert entry.bundle is None
    where = "tiny" if name == "." else f"tiny/{name}"
    assert entry.error == f"{where}: is a link that leads out of the folder of bundles"


def test_a_link_within_the_folder_is_followed(models: Path) -> None:
    (models / ".versions").mkdir()
    (models / "tiny").rename(models / ".versions" / "1")
    (models / "tiny").symlink_to(models / ".versions" / "1")
    (entry,) = load(models).entries
    assert entry.bundle


def test_with_keys_only_what_they_signed_is_loaded(models: Path, key_pair: KeyPair) -> None:
    signed_only = settings(models, bundle_keys=key_pair.public)
    shutil.copytree(models / "tiny", models / "unsigned")
    sign_bundle(models / "tiny", key_pair.private)
    signed, unsigned = load_catalogue(signed_only).entries
    assert signed.bundle
    assert (unsigned.bundle, (unsigned.error or "").startswith("unsigned: is not signed")) == (None, True)


def test_keys_that_cannot_be_read_are_an_error(models: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"DRAGOMAN_BUNDLE_KEYS: .*keys\.pem: cannot be read"):
        load_catalogue(settings(models, bundle_keys=tmp_path / "keys.pem"))


@pytest.mark.parametrize("name", [MANIFEST, NETWORK, TOKENIZER, SIGNATURE])
def test_a_file_that_is_written_in_place_is_noticed(models: Path, name: str) -> None:
    path = models / "tiny" / name
    path.touch()
    before = stamps(models)
    content = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(1, 1))
    assert stamps(models) != before


def test_a_glossary_that_is_put_into_a_bundle_is_noticed_and_read_without_its_network(models: Path) -> None:
    before, noticed = load_catalogue(settings(models)), stamps(models)
    (models / "tiny" / GLOSSARY).write_text('{"translate:de:en": {"Vertrag": "agreement"}}')
    assert stamps(models) != noticed
    after = load_catalogue(settings(models), before)
    assert compare(before, after).loaded == ["tiny"]
    assert after.serving[TRANSLATE].glossaries == {TRANSLATE: {"Vertrag": "agreement"}}
    assert after.serving[TRANSLATE].search is before.serving[TRANSLATE].search
    (models / "tiny" / GLOSSARY).write_text("{")
    broken = load_catalogue(settings(models), after)
    assert broken.entries[0].error
    assert broken.entries[0].error.startswith(f"tiny: {GLOSSARY}: Invalid JSON")


def test_words_that_are_put_into_a_bundle_are_noticed_once(models: Path) -> None:
    before, noticed = load_catalogue(settings(models)), stamps(models)
    (models / "tiny" / WORDS).write_text('{"de": ["Hund"]}')
    assert stamps(models) != noticed
    after = load_catalogue(settings(models), before)
    assert compare(before, after).loaded == ["tiny"]
    assert after.serving[TRANSLATE].words == KnownWords({"de": ["Hund"]})
    assert compare(after, load_catalogue(settings(models), after)).kept == ["tiny"]


def test_a_bundle_that_is_moved_into_the_place_of_another_is_noticed_and_else_nothing_is(models: Path) -> None:
    before = stamps(models)
    assert stamps(models) == before
    shutil.copytree(models / "tiny", models / ".new")  # with the times of the files
    assert stamps(models) == before
    (models / "tiny").rename(models / ".old")
    assert stamps(models) == {}
    (models / ".new").rename(models / "tiny")
    assert stamps(models).keys() == before.keys()
    assert stamps(models) != before
    assert stamps(models / "nowhere") == {}


def test_a_folder_that_cannot_be_listed_is_a_change_and_not_the_end_of_watching(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> list[Path]:
        raise PermissionError(models)

    assert stamps(models)
    monkeypatch.setattr(catalogue, "bundle_folders", fail)
    assert stamps(models) == {}
