"""Bundles: what is exported and served. The only door to networks that service/ uses.

A bundle is a folder with ``bundle.json`` (the manifest), ``network.ts`` (TorchScript), ``tokenizer.model``
(SentencePiece) and ``MODEL_CARD.md``; ``bundle.json.sig`` where it is signed. The manifest holds the checksum of the
other files, and those that are used are read once: the bytes that were checked are the bytes that are used. The card is
for people and is not checked: a kill between card and manifest, when scores are saved, must not leave a bundle that is
refused. There may be a ``glossary.json`` too, and a ``words.json`` with the words that the network has met, of which
the manifest knows nothing: any bundle can be given one, and people edit them.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import torch
from pydantic import Field, TypeAdapter, ValidationError, model_validator

from model.atomic import write_atomically
from model.config import (
    CardConfig,
    Config,
    DecodingConfig,
    DType,
    Glossaries,
    NetworkConfig,
    StoredIn,
    Task,
    TaskName,
    check_glossaries,
    describe_validation_error,
    without_gone,
)
from model.known_words import KnownWords
from model.precision import load_fastest, load_search
from model.search import BeamSearch
from model.signature import Keys, read_private_key
from model.tokenizer import Tokenizer, TokenizerError

FORMAT = 4  # raised when an older Dragoman could not read the bundle, or this one cannot read older ones
MANIFEST = "bundle.json"
NETWORK = "network.ts"
TOKENIZER = "tokenizer.model"
CARD = "MODEL_CARD.md"
SIGNATURE = "bundle.json.sig"
GLOSSARY = "glossary.json"
WORDS = "words.json"
USED = (NETWORK, TOKENIZER)
FILES = (*USED, CARD)


class BundleError(ValueError):
    """A bundle that cannot be used; the message is one sentence that names the folder and the fault."""


class Score(Config):
    """What a bundle reached on a test file, for one task, with its default search."""

    task: TaskName
    test: str
    """Name of the file after that of its folder, as corpora like to name all their files alike."""
    pairs: int
    dtype: DType
    """In which it was served."""
    values: dict[str, float | str]
    """Metric → value, and signatures."""


class Manifest(Config):
    """The content of bundle.json."""

    format: Literal[4] = 4
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    version: str
    tasks: list[TaskName] = Field(min_length=1)
    networks: list[NetworkConfig] = Field(min_length=1)
    """One, or those of an ensemble."""
    pieces: int = Field(ge=1)
    """Size of the vocabulary."""
    parameters: int = Field(ge=1)
    """Of all networks together."""
    dtype: StoredIn
    """Type in which the weights are stored."""
    max_source_pieces: int = Field(ge=1)
    """The longest source that is decoded in one piece, without tag and end; longer ones are split."""
    decoding: DecodingConfig
    scores: tuple[Score, ...] = ()
    card: CardConfig = CardConfig()
    files: dict[str, str]
    """File → sha256 in hexadecimal."""

    @model_validator(mode="after")
    def _lists_its_files(self) -> Self:
        if set(self.files) != set(FILES):
            raise ValueError(f"lists the files {', '.join(sorted(self.files))}, not {', '.join(sorted(FILES))}")
        return self


class Bundle(NamedTuple):
    """A loaded bundle, ready to search with."""

    manifest: Manifest
    tokenizer: Tokenizer
    search: BeamSearch
    dtype: DType
    """In which it is served."""
    glossaries: Mapping[Task, Mapping[str, str]] = {}
    """Task → term → what its translation has to be."""
    words: KnownWords = KnownWords()
    """That the network has met; of none nothing is known."""

    def reverse_of(self, task: Task) -> Task | None:
        """Return the task that translates back, if the network has learnt it."""
        return _reverse(task, self.manifest.tasks)


def _reverse(task: Task, tasks: Sequence[Task]) -> Task | None:
    return task.reverse if task.kind == "translate" and task.reverse in tasks else None


def checksum(content: bytes) -> str:
    """Return the sha256 of a file's content in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_description(folder: Path, manifest: Manifest) -> Manifest:
    """Write the model card that the manifest gives, then the manifest with the card's checksum; return it."""
    card = render_card(manifest).encode()
    manifest = manifest.model_copy(update={"files": {**manifest.files, CARD: checksum(card)}})
    content = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / CARD, card)
    write_atomically(folder / MANIFEST, content.encode())
    return manifest


def render_card(manifest: Manifest) -> str:
    """Return the model card, in Markdown."""
    rows = [
        f"| {score.task} | {score.test} | {score.pairs} | {score.dtype} | {metric} | {value:.1f} |"
        for score in manifest.scores
        for metric, value in score.values.items()
        if isinstance(value, float)
    ]
    signatures = dict.fromkeys(v for score in manifest.scores for v in score.values.values() if isinstance(v, str))
    table = (
        ["| task | test | pairs | served in | metric | score |", "|---|---|---|---|---|---|", *rows]
        if rows
        else ["Not measured."]
    )
    card, decoding = manifest.card, manifest.decoding
    chooses = decoding.reverse_weight > 0 and any(_reverse(task, manifest.tasks) for task in manifest.tasks)
    choice = f"; the best chosen by both directions, the other with weight {decoding.reverse_weight}"
    ensemble = f"{len(manifest.networks)} networks that decode as one: " if len(manifest.networks) > 1 else ""
    parts = [
        f"# {manifest.name} {manifest.version}",
        card.summary,
        f"Tasks: {', '.join(map(str, manifest.tasks))}. {ensemble}{manifest.parameters / 1e6:.1f} M parameters "
        f"stored in {manifest.dtype}, {manifest.pieces} pieces. Sources of up to {manifest.max_source_pieces} pieces.",
        f"## Data\n\n{card.data}",
        f"## Licence\n\n{card.licence}",
        f"## Scores\n\nBeam {decoding.beam_size}, length penalty {decoding.length_penalty}, pruned "
        f"{decoding.prune_threshold} behind the best{choice if chooses else ''}.",
        "\n".join(table),
        *(f"`{signature}`" for signature in signatures),
        f"## What it is bad at\n\n{card.limits}",
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def load_manifest(folder: Path, keys: Keys | None = None) -> Manifest:
    """Read a bundle's manifest, without its other files; BundleError when it is missing, broken or newer.

    With ``keys``, also when none of them has signed it: the bytes that were signed are the bytes that are parsed.
    """
    content = _read(folder, MANIFEST)
    if keys is not None:
        _check_signature(folder, content, keys)
    return _parse_manifest(folder, content)


def _check_signature(folder: Path, content: bytes, keys: Keys) -> None:
    if not (folder / SIGNATURE).exists():
        raise BundleError(f"{folder}: is not signed: {SIGNATURE} is missing, and only signed bundles are loaded")
    if not keys.have_signed(content, _read(folder, SIGNATURE)):
        raise BundleError(f"{folder}: {SIGNATURE} is not a signature of this {MANIFEST} by a key of {keys.path.name}")


def _without_gone(fields: dict[str, Any]) -> dict[str, Any]:
    networks = fields.get("networks")
    if not (isinstance(networks, list) and all(isinstance(network, dict) for network in networks)):
        return fields
    return {**fields, "networks": [without_gone("network", network) for network in networks]}


def _parse_manifest(folder: Path, content: bytes) -> Manifest:
    try:
        fields = json.loads(content)
        found = fields["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(f"{folder}: {MANIFEST} is not a manifest") from error
    if isinstance(found, int) and found != FORMAT:
        age = "a newer" if found > FORMAT else "an older"
        raise BundleError(
            f"{folder}: has format {found}, made by {age} Dragoman; this one reads {FORMAT}: export again"
        )
    try:
        return Manifest.model_validate(_without_gone(fields))
    except ValidationError as error:
        raise BundleError(f"{folder}: {MANIFEST}: {describe_validation_error(error)}") from error


def sign_bundle(folder: Path, private_key: Path) -> None:
    """Sign a bundle's manifest, and with it all that is run; whatever changes the manifest asks for a new signature.

    BundleError when it is not whole, KeyFileError when the key cannot be used.
    """
    key = read_private_key(private_key)
    content = _read(folder, MANIFEST)
    _read_used(folder, _parse_manifest(folder, content))
    write_atomically(folder / SIGNATURE, key.sign(content))


def kind(manifest: Manifest) -> str:
    """Return what the speed of a manifest's network depends on: all but what happens in training alone."""
    networks = [network.model_dump(exclude={"dropout"}) for network in manifest.networks]
    return repr((networks, manifest.pieces))


def load_bundle(
    folder: Path,
    device: torch.device,
    dtype: DType | None = None,
    *,
    loaded: Sequence[Bundle] = (),
    keys: Keys | None = None,
) -> Bundle:
    """Verify and load a bundle, to serve in ``dtype`` or else in whichever is fastest on the device.

    Bundles that are ``loaded`` on the device spare work: a network that is there is not loaded again, only its file is
    verified, and which type is fastest is not tried again for a network of the same kind. BundleError when a file that
    is used is missing, altered, or not what the manifest says, and with ``keys`` when none of them has signed it.
    """
    manifest = load_manifest(folder, keys)
    same = next((one for one in loaded if all(one.manifest.files[name] == manifest.files[name] for name in USED)), None)
    if same and dtype in (None, same.dtype):
        _read_used(folder, manifest)  # what is damaged is told now, and not by the next start
        bundle = same._replace(manifest=manifest)
    else:
        if dtype is None:
            dtype = next((one.dtype for one in loaded if kind(one.manifest) == kind(manifest)), None)
        bundle = _load(folder, manifest, device, dtype)
    pieces = len(bundle.tokenizer)
    if pieces != manifest.pieces:
        raise BundleError(f"{folder}: {TOKENIZER} has {pieces} pieces, the manifest says {manifest.pieces}")
    for task in manifest.tasks:
        if not bundle.tokenizer.knows(task):
            raise BundleError(f"{folder}: {TOKENIZER} has no tag for the task {task}")
    return bundle._replace(glossaries=load_glossaries(folder, manifest.tasks), words=load_words(folder))


def _load(folder: Path, manifest: Manifest, device: torch.device, dtype: DType | None) -> Bundle:
    contents = _read_used(folder, manifest)
    try:
        tokenizer = Tokenizer(contents[TOKENIZER])
    except TokenizerError as error:
        raise BundleError(f"{folder}: {TOKENIZER} cannot be loaded: {error}") from error
    try:
        search, dtype = _load_network(contents[NETWORK], tokenizer, device, dtype)
        search.prepare(manifest.decoding)
    except RuntimeError as error:
        raise BundleError(f"{folder}: {NETWORK} cannot be loaded: {str(error).splitlines()[0]}") from error
    return Bundle(manifest, tokenizer, search, dtype)


def load_glossaries(folder: Path, tasks: Sequence[Task]) -> Glossaries:
    """Read the glossary of a bundle that does these tasks, if there is one; BundleError when it is none."""
    if not os.path.lexists(folder / GLOSSARY):
        return {}
    try:
        glossaries = TypeAdapter(Glossaries).validate_json(_read(folder, GLOSSARY))
        check_glossaries(glossaries, tasks)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part)[:50] for part in first["loc"] if part != "[key]")
        raise BundleError(f"{folder}: {GLOSSARY}: {place}{': ' if place else ''}{first['msg']}") from error
    except ValueError as error:
        raise BundleError(f"{folder}: {GLOSSARY}: {error}") from error
    return glossaries


def load_words(folder: Path) -> KnownWords:
    """Read the words of a bundle, of which there may be none; BundleError for a file that holds something else."""
    if not os.path.lexists(folder / WORDS):
        return KnownWords()
    try:
        return KnownWords.from_json(_read(folder, WORDS))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise BundleError(f"{folder}: {WORDS}: {first['msg']}") from error


def _read_used(folder: Path, manifest: Manifest) -> dict[str, bytes]:
    """Return the files that are used, which are what the manifest says."""
    contents = {name: _read(folder, name) for name in USED}
    for name, content in contents.items():
        if checksum(content) != manifest.files[name]:
            raise BundleError(f"{folder}: {name} is not the file that was exported: its checksum differs")
    return contents


def _load_network(
    archive: bytes, tokenizer: Tokenizer, device: torch.device, dtype: DType | None
) -> tuple[BeamSearch, DType]:
    if dtype is None:
        return load_fastest(archive, tokenizer, device)
    return load_search(archive, tokenizer, device, dtype), dtype


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{folder}: {name} is missing") from error
    except NotADirectoryError as error:
        raise BundleError(
            f"{folder}: is a file, and a bundle is a folder: name the one that dragoman export made of a checkpoint"
        ) from error
    except OSError as error:
        raise BundleError(f"{folder}: {name} cannot be read: {error.strerror}") from error
