"""How tests change a bundle, and see that it is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from model.bundle import MANIFEST, BundleError, checksum, load_bundle

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
