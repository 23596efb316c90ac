from pathlib import Path
from typing import Any

import pytest

from model.bundle import (
    FILES,
    FORMAT,
    MANIFEST,
    NETWORK,
    TOKENIZER,
    USED,
)
from tests.model.bundles import assert_refused, edit_manifest, replace_file


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
