"""Training pairs in pieces, on disk: written once, in one pass over the text, and read by blocks.

A cache is a folder named after a digest of its inputs. Text counts by its content and not by the time of its file, so
that a cache is never stale, and is found again where run and text were copied to. Its manifest is written last: a
folder that a kill left has none, and is made anew.
"""

import json
import shutil
import struct
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from model.atomic import open_atomically, write_atomically
from model.config import Config
from model.data import DataError, Example
from model.recipe import CorpusConfig, FilterConfig
from model.tokenizer import Tokenizer

FORMAT = 1
"""To be raised when the same inputs give other pieces, or the same pieces other files."""

PIECES, OFFSETS, MANIFEST = "pieces.bin", "offsets.bin", "manifest.json"


class CacheManifest(Config):
    """What stands in a cache beside its pieces."""

    corpora: list[int]
    """Pairs of each corpus, in whose order they stand."""
    dropped: dict[str, int]
    """Pairs unfit for training, by reason."""
    pieces: int
    dtype: Literal["uint16", "uint32"]
    """Of a piece."""


class Cache:
    """The pairs of all corpora, numbered from 0: offset 2 i is where pair i begins, 2 i + 1 where its target does.

    A block (first, end) is a range of them. Files are mapped for one call each: what a mapping has touched counts as
    the process's memory as long as it lives.
    """

    def __init__(self, folder: Path, manifest: CacheManifest) -> None:
        self.folder = folder
        self.manifest = manifest

    def lengths(self, blocks: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many pieces source and target of each pair of the blocks have: (pairs, 2)."""
        offsets = _map(self.folder / OFFSETS, "int64")
        return np.concatenate([np.diff(offsets[2 * first : 2 * end + 1]) for first, end in blocks]).reshape(-1, 2)

    def pieces(self, blocks: NDArray[np.int64]) -> NDArray[np.integer]:
        """Return the pieces of all pairs of the blocks, one after another."""
        offsets, pieces = _map(self.folder / OFFSETS, "int64"), _map(self.folder / PIECES, self.manifest.dtype)
        return np.concatenate([pieces[offsets[2 * first] : offsets[2 * end]] for first, end in blocks])


def _map(path: Path, dtype: str) -> NDArray[np.integer]:
    return np.asarray(np.memmap(path, dtype, mode="r"))


def cache_key(corpora: Sequence[CorpusConfig], limits: FilterConfig, tokenizer: Tokenizer, texts: Path) -> str:
    """Return a digest of all that the pieces follow from; DataError when a file cannot be read."""
    inputs = {
        "format": FORMAT,
        "tokenizer": sha256(tokenizer.model).hexdigest(),
        "filter": limits.model_dump(),
        "corpora": [
            {
                "columns": corpus.columns,
                "tasks": [str(task) for task in corpus.tasks],
                "train": [
                    [_digest(texts / name) for name in ([file] if isinstance(file, str) else file)]
                    for file in corpus.train
                ],
            }
            for corpus in corpora
        ],
    }
    return sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, sha256).hexdigest()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def find_cache(folder: Path, key: str) -> Cache | None:
    """Return the folder's cache of the key; None when there is none, or one whose files are not whole."""
    folder = folder / key
    try:
        manifest = CacheManifest.model_validate_json((folder / MANIFEST).read_bytes())
        sizes = [(folder / name).stat().st_size for name in (PIECES, OFFSETS)]
    except (OSError, ValidationError):
        return None
    expected = [manifest.pieces * np.dtype(manifest.dtype).itemsize, 8 * (2 * sum(manifest.corpora) + 1)]
    return Cache(folder, manifest) if sizes == expected else None


def write_cache(folder: Path, key: str, corpora: Iterable[Iterable[Example | str]], *, vocabulary_size: int) -> Cache:
    """Write the examples of each corpus as the folder's only cache; strings among them are reasons for a drop."""
    if folder.exists():
        shutil.rmtree(folder)
    folder = folder / key
    folder.mkdir(parents=True)
    dtype = np.dtype("uint16" if vocabulary_size <= 2**16 else "uint32")
    sizes, dropped, position = [], Counter[str](), 0
    with open_atomically(folder / PIECES) as pieces, open_atomically(folder / OFFSETS) as offsets:
        offsets.write(struct.pack("q", position))
        for corpus in corpora:
            sizes.append(0)
            for example in corpus:
                if isinstance(example, str):
                    dropped[example] += 1
                    continue
                sizes[-1] += 1
                middle = position + len(example.source)
                position = middle + len(example.target)
                pieces.write(array(dtype.char, example.source + example.target).tobytes())
                offsets.write(struct.pack("qq", middle, position))
    manifest = CacheManifest(corpora=sizes, dropped=dropped, pieces=position, dtype=dtype.name)
    write_atomically(folder / MANIFEST, manifest.model_dump_json().encode())
    return Cache(folder, manifest)
