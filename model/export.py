"""Checkpoint → bundle: round the weights, script the network, compare with eager, write the folder.

The folder is made beside its place and moved there, so that a bundle is whole or absent.
"""

import tempfile
from pathlib import Path

import torch

from model import torchscript
from model.bundle import (
    CARD,
    MANIFEST,
    NETWORK,
    TOKENIZER,
    Manifest,
    checksum,
    write_description,
)
from model.checkpoint import Checkpoint, load_checkpoint, restore_network
from model.config import Recipe
from model.data import pad
from model.step import Network

TOLERANCE = 1e-4
"""Largest difference between eager and scripted; float32 kernels that are fused otherwise differ by 1e-6."""

COMPARED_STEPS = 8


class ExportError(ValueError):
    """A checkpoint that must not become a bundle."""


def export(
    checkpoint_path: Path, folder: Path, *, version: str, replace: bool = False, recipe: Recipe | None = None
) -> Manifest:
    """Write the checkpoint's network as a bundle with weights in bfloat16.

    ``recipe`` is the checkpoint's own with [decoding] or [card] changed since; by default as it was in training.

    CheckpointError for a checkpoint that cannot be read; ExportError when the folder is in the way, and when the
    scripted network does not compute what the eager one does.
    """
    if folder.exists() and not (replace and (folder / MANIFEST).exists()):
        what = "exists: name another folder, or say --replace" if not replace else "is there and is not a bundle"
        raise ExportError(f"{folder} {what}")
    checkpoint = load_checkpoint(checkpoint_path)
    if recipe:
        if not recipe.trains_like(checkpoint.recipe):
            raise ExportError(f"{checkpoint_path}: was trained by a recipe with other data, network or batches")
        checkpoint = checkpoint._replace(recipe=recipe)
    network = restore_network(checkpoint).to(torch.bfloat16)
    archive = torchscript.script(network)
    scripted = torchscript.load(archive, torch.device("cpu"))
    compare(network.to(torch.float32), scripted, pieces=len(checkpoint.tokenizer))
    contents = {NETWORK: archive, TOKENIZER: checkpoint.tokenizer.model}
    parameters = sum(p.numel() for p in network.parameters())
    manifest = _manifest(checkpoint, version, parameters, contents)
    return _write_folder(folder, contents, manifest)


def compare(eager: Network, scripted: Network, *, pieces: int) -> None:
    """Run both over the same random sources of unequal length; ExportError when they differ beyond TOLERANCE."""
    generator = torch.Generator().manual_seed(0)
    lengths = [3, 20, 11, 20]
    sources = [torch.randint(4, pieces, (length,), generator=generator).tolist() for length in lengths]
    chosen = torch.randint(4, pieces, (COMPARED_STEPS, len(lengths), 2), generator=generator)
    traces = [_trace(network, sources, chosen) for network in (eager, scripted)]
    # A tensor's maximum, unlike Python's, is NaN where anything is.
    difference = torch.stack([(one - other).abs().max() for one, other in zip(*traces, strict=True)]).max().item()
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


def _manifest(checkpoint: Checkpoint, version: str, parameters: int, contents: dict[str, bytes]) -> Manifest:
    recipe = checkpoint.recipe
    return Manifest(
        name=recipe.name,
        version=version,
        tasks=recipe.tasks,
        network=recipe.network,
        pieces=len(checkpoint.tokenizer),
        parameters=parameters,
        dtype="bfloat16",
        max_source_pieces=recipe.max_source_pieces,
        decoding=recipe.decoding.model_copy(update={"max_source_pieces": None}),
        card=recipe.card,
        files={CARD: "", **{name: checksum(content) for name, content in contents.items()}},
    )


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
