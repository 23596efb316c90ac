from pathlib import Path

import pytest

from model.bundle import MANIFEST
from tests.keys import KeyPair
from tests.service.cli.commands import Dragoman, assert_one_sentence, translate


def test_a_bundle_is_signed_and_loaded_where_signatures_are_asked_for(
    dragoman: Dragoman, tiny_bundle: Path, key_pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_BUNDLE_KEYS", str(key_pair.public))
    refused = translate(dragoman, tiny_bundle.parent, b"1\n")
    assert refused.status == 1
    assert "tiny: is not signed: bundle.json.sig is missing" in refused.err
    assert dragoman("sign", tiny_bundle, "--key", key_pair.private) == (0, "", "")
    assert translate(dragoman, tiny_bundle.parent, b"1\n").status == 0


@pytest.mark.parametrize("command", ["evaluate", "distil"])
def test_what_is_not_signed_is_not_run_by_other_commands_either(
    dragoman: Dragoman,
    tiny_bundle: Path,
    key_pair: KeyPair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.setenv("DRAGOMAN_BUNDLE_KEYS", str(key_pair.public))
    text = tmp_path / "test.de-en.tsv"
    text.write_text("Apfel\tApple\n")
    more = [tmp_path / "out.tsv", "--task", "translate:de:en"] if command == "distil" else []
    assert_one_sentence(dragoman(command, tiny_bundle, text, *more), "is not signed")


def test_what_cannot_be_signed_is_named(dragoman: Dragoman, tiny_bundle: Path, key_pair: KeyPair) -> None:
    assert_one_sentence(dragoman("sign", tiny_bundle, "--key", key_pair.public), "holds no private key in PEM")
    (tiny_bundle / MANIFEST).unlink()
    assert_one_sentence(dragoman("sign", tiny_bundle, "--key", key_pair.private), "bundle.json is missing")
