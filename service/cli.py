"""The command line: ``dragoman serve | translate | train | tune | evaluate | export | bench``."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from model.allocator import keep_freed_memory
from model.bundle import Score, load_bundle, write_description
from model.config import StoredIn, load_recipe
from model.export import export as export_bundle
from model.training_log import Progress as Step
from model.trials import Trial, best_of
from service.bench.cli import app as bench
from service.catalogue import Catalogue, Entry, load_catalogue
from service.console import Models, console, one_sentence_errors, parse_task, print_table
from service.errors import InvalidRequest
from service.offline import open_translator, run_in_bulk
from service.settings import SettingsError, choose_device, choose_dtype, load_settings, share_cores
from service.signals import STOPPED, on_stop

LINES_AT_ONCE = 256

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(bench, name="bench")


@app.command()
def serve(
    models: Models = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on")] = None,
) -> None:
    """Serve over HTTP. All settings can be given as DRAGOMAN_… in the environment too."""
    # Imported here: the other commands need no web server.
    from service.server import serve as serve_http

    with one_sentence_errors():
        serve_http(load_settings(models=models, host=host, port=port))


@app.command()
def translate(
    source: Annotated[str, typer.Option("--from", help="Language of the text, as de")],
    target: Annotated[str, typer.Option("--to", help="Language to translate into, as en")],
    models: Models = None,
) -> None:
    """Translate standard input line by line to standard output, without a server."""
    with one_sentence_errors():
        settings = load_settings(models=models)
        task = parse_task(f"translate:{source.lower()}:{target.lower()}")
        catalogue = load_catalogue(settings)
        for entry in catalogue.entries:
            if entry.error:
                console.print(f"dragoman: {entry.error}", style="yellow", markup=False)
        with open_translator(catalogue, settings) as translator, _byte_progress() as advance:
            run_in_bulk(translator, task, [])  # refuses what no bundle does before someone types a line
            for lines in _chunks_of_stdin():
                for answer in run_in_bulk(translator, task, lines):
                    sys.stdout.write(f"{answer}\n")
                sys.stdout.flush()
                advance(sum(len(line.encode()) + 1 for line in lines))


def _chunks_of_stdin() -> Iterator[list[str]]:
    """Yield many lines at once, which decode together; on a terminal one at a time, as someone waits for each."""
    at_once = 1 if sys.stdin.isatty() else LINES_AT_ONCE
    lines = (_decoded(line, number) for number, line in enumerate(sys.stdin.buffer, 1))
    while chunk := list(islice(lines, at_once)):
        yield chunk


def _decoded(line: bytes, number: int) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"standard input, line {number}: is not UTF-8") from error


@contextmanager
def _byte_progress() -> Iterator[Callable[[int], None]]:
    """Show how much of standard input is done, where it is a file and standard error a terminal."""
    standing = os.fstat(sys.stdin.fileno())
    total = standing.st_size if stat.S_ISREG(standing.st_mode) else None
    hidden = not sys.stderr.isatty() or sys.stdin.isatty()
    with _progress_bar(disable=hidden) as progress:
        bar = progress.add_task("translating", total=total)
        yield lambda amount: progress.advance(bar, amount)


def _progress_bar(*, disable: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    # What is written to standard output goes above the bar, on its terminal; into a file or a pipe it must stay.
    # A network that is slow to train reports twice a minute: by default rich would have forgotten the report before.
    return Progress(
        *columns,
        console=console,
        disable=disable,
        redirect_stdout=sys.stdout.isatty(),
        speed_estimate_period=600,
    )


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

    SIGTERM and Ctrl-C save RUN/last.pt and end with status 143. torchrun -m service.cli train … shares each batch
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
        keep_freed_memory()
        is_first = os.environ.get("RANK", "0") == "0"  # of the processes that torchrun starts, one speaks
        speaker = console if is_first else Console(quiet=True)
        speaker.print(f"reading {data}")
        trainer = open_training(
            followed, data=data, run=folder, resume=resume, device=choose_device(settings), start=start
        )
        speaker.print(f"{len(trainer.training_set.examples)} pairs; dropped: {dict(trainer.training_set.dropped)}")
        if trainer.taken:
            speaker.print(f"started from {start}: {trainer.taken}")
        on_terminal = sys.stderr.isatty() and is_first
        with _progress_bar(disable=not on_terminal) as progress:
            bar = progress.add_task("training", total=followed.training.steps)

            def report(step: Step) -> None:
                text = f"loss {step.loss:.3f}  {step.pieces_per_second:,.0f} pieces/s"
                text += f"  {step.skipped} steps skipped, not finite" if step.skipped else ""
                progress.update(bar, completed=step.step, description=text)
                if not on_terminal:
                    speaker.print(f"step {step.step}/{step.steps}  {text}")

            with on_stop(trainer.stop):
                trainer.train(report)
        if not trainer.is_finished:
            speaker.print(f"stopped at step {trainer.step}, saved in {folder / 'last.pt'}: go on with --resume")
            raise typer.Exit(STOPPED)
        speaker.print(f"scores on dev: {trainer.scores}; best checkpoint: {folder / 'best.pt'}")


@app.command()
def tune(
    recipe: Annotated[Path, typer.Argument(help="TOML file with a table [tune]")],
    data: Annotated[Path, typer.Option(help="Folder that the recipe's files stand in")],
    trials: Annotated[int, typer.Option(min=1, help="How many, with those before --resume")],
    run: Annotated[Path | None, typer.Option(help="Folder for the trials; by default runs/NAME-tune")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the search in RUN stopped")] = False,
) -> None:
    """Search for what scores best on dev among the values in a recipe's [tune]: RUN/best.toml to train by, trials.png.

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
        keep_freed_memory()
        tuning = Tuning(followed, data=data, run=folder, resume=resume, device=choose_device(settings))

        def report(number: int, step: Step) -> None:
            if step.scores:
                scores = "  ".join(f"{task} {score:.2f}" for task, score in step.scores.items())
                console.print(f"trial {number}  step {step.step}/{step.steps}  loss {step.loss:.3f}  {scores}")

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
    checkpoint: Annotated[Path, typer.Argument(help="RUN/best.pt")],
    bundle: Annotated[Path, typer.Argument(help="Folder to make")],
    version: Annotated[str, typer.Option(help="Version that the manifest names")] = "1",
    stored_in: Annotated[
        StoredIn, typer.Option("--weights", help="What they are stored in; int8 takes half of the space")
    ] = "bfloat16",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the bundle that is there")] = False,
    recipe: Annotated[Path | None, typer.Option(help="Its recipe, with [decoding] or [card] changed since")] = None,
) -> None:
    """Export a checkpoint as a bundle; refused when the scripted network disagrees with the trained one."""
    with one_sentence_errors():
        changed = load_recipe(recipe) if recipe else None
        manifest = export_bundle(
            checkpoint, bundle, version=version, stored_in=stored_in, replace=replace, recipe=changed
        )
    console.print(f"{bundle}: {manifest.name} {manifest.version}, {', '.join(map(str, manifest.tasks))}")


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle")],
    file: Annotated[Path, typer.Argument(help="TSV (.xz, .gz): source, target, further references")],
    task: Annotated[list[str] | None, typer.Option(help="As translate:de:en; by default all that fit")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Languages of the columns, as de-en or en; by default as the file's name says")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
    save: Annotated[bool, typer.Option("--save", help="Write the scores into the bundle and its model card")] = False,
) -> None:
    """Score a bundle on a test file, through the path that serves it: BLEU and chrF2, or ROUGE-1/2/L."""
    with one_sentence_errors():
        settings = load_settings()
        from service.evaluate import evaluate_bundle, tasks_for

        torch.set_num_threads(share_cores(settings).for_each)
        loaded = load_bundle(bundle, choose_device(settings), choose_dtype(settings))
        tasks = tasks_for(loaded.manifest, file, columns=columns, wanted=[parse_task(t) for t in task or []])
        catalogue = Catalogue([Entry(bundle.name, loaded, None)], dict.fromkeys(tasks, loaded))
        with open_translator(catalogue, settings) as translator:
            scores = [evaluate_bundle(translator, file, task=one, is_reversed=r) for one, r in tasks.items()]
        if save:
            kept = [s for s in loaded.manifest.scores if (s.task, s.test) not in {(n.task, n.test) for n in scores}]
            write_description(bundle, loaded.manifest.model_copy(update={"scores": (*kept, *scores)}))
    if as_json:
        sys.stdout.write(json.dumps([score.model_dump(mode="json") for score in scores], indent=2) + "\n")
    else:
        print_table(_table(scores))
        # Below, as the table would cut them off.
        for signature in dict.fromkeys(v for score in scores for v in score.values.values() if isinstance(v, str)):
            sys.stdout.write(f"{signature}\n")


def _table(scores: list[Score]) -> Table:
    table = Table("task", "test", "pairs", "served in", "metric", "score")
    for score in scores:
        for metric, value in score.values.items():
            if isinstance(value, float):
                table.add_row(str(score.task), score.test, str(score.pairs), score.dtype, metric, f"{value:.1f}")
    return table


if __name__ == "__main__":
    app()
