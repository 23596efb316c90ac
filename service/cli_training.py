"""Commands around training: ``dragoman average | distil``."""

import sys
from pathlib import Path
from typing import Annotated

import torch
import typer

from model.averaging import average as average_checkpoints
from model.bundle import Bundle, load_bundle
from model.checkpoint import CheckpointError, save_checkpoint
from model.config import Task
from service.catalogue import Catalogue, Entry
from service.console import console, one_sentence_errors, parse_task, progress_bar
from service.distil import Job
from service.distil import distil as distil_file
from service.errors import InvalidRequest
from service.offline import open_translator
from service.settings import choose_device, choose_dtype, load_settings, share_cores

app = typer.Typer()


@app.command()
def average(
    checkpoints: Annotated[list[Path], typer.Argument(help="Checkpoints of one training, as its last ones")],
    out: Annotated[Path, typer.Argument(help="Checkpoint to make, to export")],
) -> None:
    """Average the weights of several checkpoints, which is often better than each of them."""
    with one_sentence_errors():
        if out.exists():
            raise CheckpointError(f"{out} exists: name another file")
        save_checkpoint(out, average_checkpoints(checkpoints))
    console.print(f"{out}: the mean of {len(checkpoints)} checkpoints")


@app.command()
def distil(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle")],
    file: Annotated[Path, typer.Argument(help="TSV or plain text (.xz, .gz), one source a line")],
    out: Annotated[Path, typer.Argument(help="TSV to make, or to go on with")],
    task: Annotated[str | None, typer.Option(help="As translate:de:en; by default the bundle's only one")] = None,
    column: Annotated[int, typer.Option(min=1, max=2, help="Of the file: where the source stands")] = 1,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="Output first, then source: for back-translation of monolingual text")
    ] = False,
    beam_size: Annotated[int | None, typer.Option(min=1, max=16, help="By default the bundle's")] = None,
) -> None:
    """Write SOURCE<TAB>OUTPUT for each source of a file, to train another network on; goes on where it stopped."""
    with one_sentence_errors():
        settings = load_settings()
        if out.suffix in {".xz", ".gz"}:
            raise InvalidRequest(f"{out}: is written line by line; compress it when it is done")
        torch.set_num_threads(share_cores(settings).for_each)
        loaded = load_bundle(bundle, choose_device(settings), choose_dtype(settings))
        chosen = _choose_task(loaded, task)
        decoding = loaded.manifest.decoding.model_copy(update={"beam_size": beam_size} if beam_size else {})
        job = Job(chosen, file, column - 1, out, reverse, decoding)
        catalogue = Catalogue([Entry(bundle.name, loaded, None)], {chosen: loaded})
        on_terminal = sys.stderr.isatty()
        with open_translator(catalogue, settings) as translator, progress_bar(disable=not on_terminal) as progress:
            bar = progress.add_task("", total=None)

            def report(lines: int) -> None:
                progress.update(bar, description=f"{lines:,} lines")
                if not on_terminal:
                    console.print(f"{lines} lines")

            left_out = distil_file(translator.engine, loaded, job, report)
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none"
    console.print(f"{out} is whole; sources left out: {reasons}")


def _choose_task(bundle: Bundle, wanted: str | None) -> Task:
    tasks = bundle.manifest.tasks
    task = parse_task(wanted) if wanted else tasks[0]
    if task not in tasks or not (wanted or len(tasks) == 1):
        raise InvalidRequest(f"--task has to be one of {', '.join(map(str, tasks))}")
    return task
