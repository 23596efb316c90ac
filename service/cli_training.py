"""Commands around training: ``dragoman train | tune | average | export | distil | words``."""

import os
import sys
from pathlib import Path
from threading import Event
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from model.allocator import keep_freed_memory
from model.atomic import write_atomically
from model.averaging import average as average_checkpoints
from model.bundle import WORDS, Bundle, BundleError, load_bundle, load_manifest
from model.checkpoint import CheckpointError, save_checkpoint
from model.config import StoredIn, Task
from model.export import export as export_bundle
from model.recipe import load_recipe
from model.training_log import Progress as Step
from model.trials import Trial, best_of
from service.catalogue import Catalogue, Entry
from service.console import console, one_sentence_errors, parse_task, print_table, progress_bar
from service.distil import Distillation
from service.distil import distil as distil_file
from service.errors import InvalidRequest
from service.offline import open_translator
from service.settings import SettingsError, choose_device, choose_dtype, load_settings, read_keys, share_cores
from service.signals import STOPPED, on_stop

app = typer.Typer()


@app.command()
def train(
    recipe: Annotated[Path, typer.Argument(help="TOML file, as model/recipes/*.toml")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
    run: Annotated[Path | None, typer.Option(help="Folder for checkpoints and log; by default runs/NAME")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where RUN/last.pt stopped")] = False,
    start: Annotated[
        Path | None, typer.Option(help="Checkpoint or bundle whose network to begin from, as to fine-tune a starter")
    ] = None,
) -> None:
    """Train a network by a recipe: RUN/best.pt to export, RUN/last.pt to go on from, log.csv and curves.png.

    SIGTERM and Ctrl-C save RUN/last.pt and end with status 143. torchrun -m service train … shares each batch
    among several devices or machines, which all have to see RUN.
    """
    with one_sentence_errors():
        settings = load_settings()
        # Imported here: serving installs none of what only training and evaluation need.
        from model.training import open_training

        followed = load_recipe(recipe)
        folder = run or Path("runs") / followed.name
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if choose_device(settings).type == "cpu":
            keep_freed_memory()
        is_first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts, one speaks
        speaker = console if is_first else Console(quiet=True)
        speaker.print(f"reading {data}")
        trainer = open_training(
            followed, data=data, run=folder, resume=resume, device=choose_device(settings), start=start
        )
        speaker.print(f"{len(trainer.training_set):,} pairs; dropped: {_counts(trainer.training_set.dropped)}")
        if trainer.is_finished:
            speaker.print(f"nothing is left to do: the training ended at step {trainer.step}")
        if trainer.taken:
            speaker.print(f"started from {start}: {trainer.taken}")
        on_terminal = sys.stderr.isatty() and is_first
        with progress_bar(disable=not on_terminal) as progress:
            bar = progress.add_task("training", total=followed.training.steps)

            def report(step: Step) -> None:
                text = f"loss {step.loss:.3f}  {step.pieces_per_second:,.0f} pieces/s"
                text += f"  {step.skipped} steps skipped, not finite" if step.skipped else ""
                progress.update(bar, completed=step.step, description=text)
                if step.scores:
                    text += f"  on dev: {_scores(step.scores)}"
                if step.scores or not on_terminal:
                    speaker.print(f"step {step.step}/{step.steps}  {text}")

            with on_stop(trainer.stop):
                trainer.train(report)
        if not trainer.is_finished:
            speaker.print(f"stopped at step {trainer.step}, saved in {folder / 'last.pt'}: go on with --resume")
            raise typer.Exit(STOPPED)
        best = folder / "best.pt"  # not there where the recipe was cut to fewer steps before the first validation
        named = f"; best checkpoint: {best}" if best.exists() else ""
        speaker.print(f"scores on dev at step {trainer.step}: {_scores(trainer.scores) or 'none'}{named}")


def _scores(scores: dict[str, float]) -> str:
    return ", ".join(f"{task} {score:.2f}" for task, score in scores.items())


def _counts(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "none"


@app.command()
def tune(
    recipe: Annotated[Path, typer.Argument(help="TOML file with a table named tune")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
    trials: Annotated[int, typer.Option(min=1, help="How many, with those before --resume")],
    run: Annotated[Path | None, typer.Option(help="Folder for the trials; by default runs/NAME-tune")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the search in RUN stopped")] = False,
) -> None:
    """Search for what scores best on dev, among values that a recipe names: RUN/best.toml to train by, trials.png.

    SIGTERM and Ctrl-C save the trial under way and end with status 143.
    """
    with one_sentence_errors():
        settings = load_settings()
        from model.tuning import Tuning

        if os.environ.get("WORLD_SIZE", "1") != "1":
            raise SettingsError("a search runs its trials in one process: start it without torchrun")
        followed = load_recipe(recipe)
        folder = run or Path("runs") / f"{followed.name}-tune"
        if settings.threads:
            torch.set_num_threads(settings.threads)
        if choose_device(settings).type == "cpu":
            keep_freed_memory()
        tuning = Tuning(followed, data=data, run=folder, resume=resume, device=choose_device(settings))

        def report(number: int, step: Step) -> None:
            if step.scores:
                where = f"trial {number}  step {step.step}/{step.steps}"
                console.print(f"{where}  loss {step.loss:.3f}  on dev: {_scores(step.scores)}")

        with on_stop(tuning.stop):
            tuning.search(trials, report)
        print_table(_trials_table(tuning.trials, list(followed.tune)))
        if tuning.is_stopped:
            console.print(f"stopped after {len(tuning.trials)} trials, saved in {folder}: go on with --resume")
            raise typer.Exit(STOPPED)
        best = best_of(tuning.trials)
        console.print(f"best: trial {best.number}, as {folder / 'best.toml'}" if best else "no trial finished")


def _trials_table(trials: list[Trial], keys: list[str]) -> Table:
    table = Table("trial", "score on dev", *keys, "ended")
    for trial in trials:
        score = "" if trial.score is None else f"{trial.score:.2f}"
        values = (f"{value:.4g}" if isinstance(value, float) else str(value) for value in map(trial.values.get, keys))
        table.add_row(str(trial.number), score, *values, trial.ended)
    return table


@app.command()
def export(
    checkpoints: Annotated[list[Path], typer.Argument(help="RUN/best.pt; several decode as one, an ensemble")],
    bundle: Annotated[Path, typer.Argument(help="Folder to make")],
    version: Annotated[str, typer.Option(help="Version that the manifest names")] = "1",
    stored_in: Annotated[
        StoredIn, typer.Option("--weights", help="What they are stored in; int8 takes half of the space")
    ] = "bfloat16",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the bundle that is there")] = False,
    recipe: Annotated[Path | None, typer.Option(help="Its recipe, with another decoding, card or glossary")] = None,
) -> None:
    """Export a checkpoint, or several as an ensemble; refused when scripted they disagree with what was trained."""
    with one_sentence_errors():
        changed = load_recipe(recipe) if recipe else None
        had_scores = _has_scores(bundle)
        manifest = export_bundle(
            checkpoints, bundle, version=version, stored_in=stored_in, replace=replace, recipe=changed
        )
    megabytes = sum(file.stat().st_size for file in bundle.iterdir()) / 1e6
    tasks = ", ".join(map(str, manifest.tasks))
    gone = "; scores of the bundle that it replaces are gone: dragoman evaluate --save writes them anew"
    said = f"{bundle}: {manifest.name} {manifest.version}, {tasks}, {megabytes:.1f} MB"
    console.print(said + gone if had_scores else said)


def _has_scores(folder: Path) -> bool:
    """Say whether a bundle with scores is there; one that is damaged or of another format is replaced as it is."""
    try:
        return bool(load_manifest(folder).scores)
    except BundleError:
        return False


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
    """Write SOURCE<TAB>OUTPUT for each source of a file, to train another network on; goes on where it stopped.

    Outputs are searched for, and chosen, as the bundle's own decoding says.
    """
    with one_sentence_errors():
        settings = load_settings()
        if out.suffix in {".xz", ".gz"}:
            raise InvalidRequest(f"{out}: is written line by line; compress it when it is done")
        torch.set_num_threads(share_cores(settings).for_each)
        loaded = load_bundle(bundle, choose_device(settings), choose_dtype(settings), keys=read_keys(settings))
        chosen = _choose_task(loaded, task)
        decoding = loaded.manifest.decoding.model_copy(
            update={"n_best": 1, "beam_size": beam_size or loaded.manifest.decoding.beam_size}
        )
        job = Distillation(chosen, file, column - 1, out, reverse, decoding)
        catalogue = Catalogue([Entry(bundle.name, loaded, None)], {chosen: loaded})
        on_terminal = sys.stderr.isatty()
        with open_translator(catalogue, settings) as translator, progress_bar(disable=not on_terminal) as progress:
            bar = progress.add_task("", total=None)

            def report(lines: int) -> None:
                progress.update(bar, description=f"{lines:,} lines")
                if not on_terminal:
                    console.print(f"{lines} lines")

            stop = Event()
            with on_stop(stop.set):
                left_out = distil_file(translator.engine, loaded, job, report, stop=stop)
        if stop.is_set():
            console.print(f"stopped; {out} is kept: the same command goes on where it ends")
            raise typer.Exit(STOPPED)
    console.print(f"{out} is whole; sources left out: {_counts(left_out)}")


@app.command()
def words(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle")],
    recipe: Annotated[Path, typer.Argument(help="TOML file, as model/recipes/*.toml, whose text it was trained on")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
) -> None:
    """Write into a bundle which words its text has: other names and codes then come through as they are.

    Training does so by itself where a recipe has masks; this is for bundles that were trained before it did.
    """
    with one_sentence_errors():
        if not load_bundle(bundle, torch.device("cpu"), "float32").tokenizer.masks:
            raise InvalidRequest(f"{bundle}: has no masks, as which names come through: train with tokenizer.masks")
        from model.training import words_of

        found = words_of(load_recipe(recipe), data)
        write_atomically(bundle / WORDS, found.to_json())
    console.print(f"{bundle / WORDS}: {_counts({code: len(known) for code, known in found.words.items()})}")


def _choose_task(bundle: Bundle, wanted: str | None) -> Task:
    tasks = bundle.manifest.tasks
    task = parse_task(wanted) if wanted else tasks[0]
    if task not in tasks or not (wanted or len(tasks) == 1):
        raise InvalidRequest(f"--task has to be one of {', '.join(map(str, tasks))}")
    return task
