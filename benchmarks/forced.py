"""A bundle whose translations all have equally many pieces, and texts to send it: for `peers.py serve libretranslate`.

    .venv/bin/python benchmarks/forced.py BUNDLE TEXTS.de-en.tsv FOLDER [PIECES]

An untrained peer ends nowhere, so both are held to one length, by default 25 pieces. A trained network that has said
all may then repeat itself, which the service takes for a fault and decodes again: those texts are left out, as are
those of several sentences, which the peer is given as one.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from rich.console import Console

from model.bundle import MANIFEST, load_bundle
from model.config import Task
from model.data import read_rows
from model.search import search_all
from service.repetition import repeats
from service.text import split_text

PIECES = 25


def main() -> None:
    """Write FOLDER/models/NAME and FOLDER/texts.LANGUAGES.txt."""
    source, file, folder = map(Path, sys.argv[1:4])
    pieces = int(sys.argv[4]) if len(sys.argv) > 4 else PIECES
    copy = folder / "models" / source.name
    if copy.exists():
        sys.exit(f"{copy} is there already")
    shutil.copytree(source, copy)
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    manifest["decoding"] |= {"min_length": pieces, "max_length": pieces, "reverse_weight": 0.0}
    (copy / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")

    bundle = load_bundle(copy, torch.device("cpu"), "int8")
    tokenizer, config = bundle.tokenizer, bundle.manifest.decoding
    languages = file.name.split(".")[-2]
    task = Task.parse("translate:" + languages.replace("-", ":"))
    given = [row[0] for row in read_rows(file.name, file.parent, at_least=1)]
    texts = [text for text in given if len(split_text(text, task.source, _fits).sentences) == 1]
    sources = [tokenizer.frame_source(tokenizer.encode(text), task) for text in texts]
    kept = [
        texts[index]
        for index, (best, *_) in search_all(bundle.search, sources, config)
        if not repeats(best.pieces) and len(sources[index]) <= bundle.manifest.max_source_pieces
    ]
    (folder / f"texts.{languages}.txt").write_text("".join(f"{text}\n" for text in kept), encoding="utf-8")
    Console().print(f"{len(kept)} of {len(given)} texts kept")


def _fits(text: str) -> bool:
    """Cut no sentence for its length."""
    del text
    return True


if __name__ == "__main__":
    main()
