"""Checkpoints → bundle: round the weights, script the network, compare with eager, write the folder.

The folder is made beside its place and moved there, so that a bundle is whole or absent.
"""

import copy
import json
import tempfile
from collections.abc import Sequence
from functools import reduce
from operator import or_
from pathlib import Path

import torch
from torch import nn

from model import torchscript
from model.bundle import (
    CARD,
    GLOSSARY,
    MANIFEST,
    NETWORK,
    TOKENIZER,
    WORDS,
    BundleError,
    Manifest,
    checksum,
    load_glossaries,
    load_words,
    write_description,
)
from model.checkpoint import Checkpoint, load_checkpoint, restore_network
from model.config import Glossaries, StoredIn
from model.data import pad
from model.ensemble import Ensemble
from model.known_words import KnownWords
from model.recipe import Recipe
from model.step import Network

TOLERANCE = 1e-4
"""Largest difference between eager and scripted; float32 kernels that are fused otherwise differ by 1e-6."""

COMPARED_STEPS = 8


class ExportError(ValueError):
    """Checkpoints that must not become a bundle."""


def export(
    paths: Sequence[Path],
    folder: Path,
    *,
    version: str,
    stored_in: StoredIn = "bfloat16",
    replace: bool = False,
    recipe: Recipe | None = None,
) -> Manifest:
    """Write the network of a checkpoint as a bundle, or those of several as one that is their ensemble.

    The first checkpoint's recipe gives name, decoding, card and glossary; ``recipe`` is the same with [decoding],
    [card] or [glossary] changed since, by default as it was in training. Without a glossary, that of the bundle that is
    replaced stays, and where no checkpoint has words, its words.

    CheckpointError for a checkpoint that cannot be read; ExportError when the folder is in the way, when checkpoints
    differ in tasks or tokenizer, and when the scripted network does not compute what the eager one does.
    """
    if folder.exists() and not (replace and (folder / MANIFEST).exists()):
        what = "exists: name another folder, or say --replace" if not replace else "is there and is not a bundle"
        raise ExportError(f"{folder} {what}")
    checkpoints = _load_together(paths)
    recipe, tokenizer = recipe or checkpoints[0].recipe, checkpoints[0].tokenizer
    if not recipe.trains_like(checkpoints[0].recipe):
        raise ExportError(f"{paths[0]}: was trained by a recipe with other data, network or batches")
    networks = [restore_network(checkpoint) for checkpoint in checkpoints]
    network = Ensemble(networks) if len(networks) > 1 else networks[0]
    torchscript.round_weights(network, stored_in)
    archive = _archive(network, stored_in)
    scripted = torchscript.load(archive, torch.device("cpu"))
    compare(network, scripted, pieces=len(tokenizer))
    contents = {NETWORK: archive, TOKENIZER: tokenizer.model}
    manifest = Manifest(
        name=recipe.name,
        version=version,
        tasks=recipe.tasks,
        networks=[checkpoint.recipe.network for checkpoint in checkpoints],
        pieces=len(tokenizer),
        parameters=sum(p.numel() for p in network.parameters()),
        dtype=stored_in,
        max_source_pieces=recipe.max_source_pieces,
        decoding=recipe.decoding.model_copy(update={"max_source_pieces": None}),
        card=recipe.card,
        files={CARD: "", **{name: checksum(content) for name, content in contents.items()}},
    )
    if glossaries := recipe.glossary or _glossaries_that_stay(folder, manifest):
        fields = {str(task): terms for task, terms in glossaries.items()}
        contents[GLOSSARY] = (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()
    trained_on = reduce(or_, (checkpoint.words for checkpoint in checkpoints))
    if (words := trained_on if trained_on.words else _words_that_stay(folder)).words:
        contents[WORDS] = words.to_json()
    return _write_folder(folder, contents, manifest)


def _glossaries_that_stay(folder: Path, manifest: Manifest) -> Glossaries:
    try:
        return load_glossaries(folder, manifest.tasks)
    except BundleError as error:
        raise ExportError(f"{error}; it would be lost") from error


def _words_that_stay(folder: Path) -> KnownWords:
    try:
        return load_words(folder)
    except BundleError as error:
        raise ExportError(f"{error}; it would be lost") from error


def _load_together(paths: Sequence[Path]) -> list[Checkpoint]:
    """Read checkpoints whose networks can decode as one."""
    checkpoints = [load_checkpoint(path) for path in paths]
    first = checkpoints[0]
    for path, other in zip(paths, checkpoints, strict=True):
        if other.tokenizer.model != first.tokenizer.model:
            raise ExportError(f"{path}: has another tokenizer than {paths[0]}: they cannot decode as one")
        if set(other.recipe.tasks) != set(first.recipe.tasks):
            raise ExportError(f"{path}: was trained for other tasks than {paths[0]}: they cannot decode as one")
    return checkpoints


def _archive(network: nn.Module, stored_in: StoredIn) -> bytes:
    if stored_in == "int8":
        return torchscript.script_in_int8(network)
    return torchscript.script(copy.deepcopy(network).to(torch.bfloat16))


def compare(eager: Network, scripted: Network, *, pieces: int) -> None:
    """Run both over the same random sources of unequal length; ExportError when they differ beyond TOLERANCE.

    Differences are relative to 1 and the number, as what a network holds for impossible is rounded more coarsely.
    """
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 20, 11, 20]
    sources = [torch.randint(4, pieces, (length,), generator=generator).tolist() for length in lengths]
    chosen = torch.randint(4, pieces, (COMPARED_STEPS, len(lengths), 2), generator=generator)
    with torchscript.as_written():
        traces = [_trace(network, sources, chosen) for network in (eager, scripted)]
    # A tensor's maximum, unlike Python's, is NaN where anything is.
    apart = [((one - other).abs() / (1 + one.abs())).max() for one, other in zip(*traces, strict=True)]
    difference = torch.stack(apart).max().item()
    if not difference <= TOLERANCE:
        raise ExportError(f"the scripted network differs from the eager one by {difference:.1e}, beyond {TOLERANCE}")


@torch.inference_mode()
def _trace(network: Network, sources: list[list[int]], chosen: torch.Tensor) -> list[torch.Tensor]:
    """Return log-probabilities and attention weights of each step with the pieces ``chosen`` (T, B, K)."""
    source = pad(sources)
    memory, state = network.encode(source, torch.tensor([len(s) for s in sources]))
    rows = chosen.size(-1)
    state = state.repeat_interleave(rows, dim=0)
    places = torch.arange(len(sources) * rows)
    trace = []
    for pieces in chosen:
        logits, state, weights = network.decode_step(pieces.flatten(), state, memory, source, places, rows)
        trace += [torch.log_softmax(logits, dim=-1), weights]
    return trace


def _write_folder(folder: Path, contents: dict[str, bytes], manifest: Manifest) -> Manifest:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        made = Path(temporary) / "new"
        made.mkdir()
        for name, content in contents.items():
            (made / name).write_bytes(content)
        manifest = write_description(made, manifest)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)
    return manifest
