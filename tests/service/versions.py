"""Versions of a bundle: the same network in another archive, which to a service is another network."""

import json
import shutil
from pathlib import Path

from model.bundle import MANIFEST, NETWORK, checksum


def new_version(folder: Path, version: str) -> None:
    """Put another version into a bundle's place, as an export would."""
    made = folder.with_name(f".{folder.name}.new")
    shutil.copytree(folder, made)
    fields = json.loads((made / MANIFEST).read_text())
    archive = (made / NETWORK).read_bytes() + version.encode()
    (made / NETWORK).write_bytes(archive)
    files = fields["files"] | {NETWORK: checksum(archive)}
    (made / MANIFEST).write_text(json.dumps(fields | {"version": version, "files": files}))
    shutil.rmtree(folder)
    made.rename(folder)
