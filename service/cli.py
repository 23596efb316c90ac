"""The command line: ``dragoman serve | translate | train | evaluate | export | bench``."""

import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from model.atomic import write_atomically
from model.bundle import load_manifest, write_description
from model.config import load_recipe
from model.export import export as export_bundle
from service.bench.cli import app as bench
from service.catalogue import load_catalogue
from service.console import Models, console, one_sentence_errors, parse_task, print_table
from service.errors import InvalidRequest
from service.offline import TEXTS_AT_ONCE, chunks, open_translator, run_in_bulk
from service.settings import choose_device, load_settings, share_cores

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
            # Many lines at once decode together; on a terminal one at a time, as someone waits for each.
            for lines in chunks(_lines_of_stdin(), 1 if sys.stdin.isatty() else TEXTS_AT_ONCE):
                for answer in run_in_bulk(translator, task, lines):
                    sys.stdout.write(f"{answer.texts[0]}\n")
                sys.stdout.flush()
                advance(sum(len(line.encode()) + 1 for line in lines))


def _lines_of_stdin() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode().rstrip("\r\n")
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
) -> None:
    """Train a network by a recipe: RUN/best.pt to export, RUN/last.pt to go on from, log.csv and curves.png."""
    with one_sentence_errors():
        settings = load_settings()
        # Imported here: serving installs none of what only training and evaluation need.
        from model.training import Progress as Step
        from model.training import open_training

        followed = load_recipe(recipe)
        folder = run or Path("runs") / followed.name
        if settings.threads:
            torch.set_num_threads(settings.threads)
        console.print(f"reading {data}")
        trainer = open_training(followed, data=data, run=folder, resume=resume, device=choose_device(settings))
        console.print(f"{len(trainer.training_set.examples)} pairs; dropped: {dict(trainer.training_set.dropped)}")
        on_terminal = sys.stderr.isatty()
        with _progress_bar(disable=not on_terminal) as progress:
            bar = progress.add_task("training", total=followed.training.steps)

            def report(step: Step) -> None:
                text = f"loss {step.loss:.3f}  {step.pieces_per_second:,.0f} pieces/s"
                progress.update(bar, completed=step.step, description=text)
                if not on_terminal:
                    console.print(f"step {step.step}/{step.steps}  {text}")

            trainer.train(report)
        console.print(f"scores on dev: {trainer.scores}; best checkpoint: {folder / 'best.pt'}")


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="RUN/best.pt")],
    bundle: Annotated[Path, typer.Argument(help="Folder to make")],
    version: Annotated[str, typer.Option(help="Version that the manifest names")] = "1",
    replace: Annotated[bool, typer.Option("--replace", help="Replace the bundle that is there")] = False,
    recipe: Annotated[Path | None, typer.Option(help="Its recipe, with [decoding] or [card] changed since")] = None,
) -> None:
    """Export a checkpoint as a bundle; refused when the scripted network disagrees with the trained one."""
    with one_sentence_errors():
        changed = load_recipe(recipe) if recipe else None
        manifest = export_bundle(checkpoint, bundle, version=version, replace=replace, recipe=changed)
    console.print(f"{bundle}: {manifest.name} {manifest.version}, {', '.join(map(str, manifest.tasks))}")


@app.command()
def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle")],
    file: Annotated[Path, typer.Argument(help="TSV (.xz, .gz): source, target, further references")],
    task: Annotated[list[str] | None, typer.Option(help="As translate:de:en; by default all that fit")] = None,
    columns: Annotated[
        str | None, typer.Option(help="Languages of the columns, as de-en or en; by default as the file's name says")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Bundle to compare with, by paired bootstrap")] = None,
    train: Annotated[
        Path | None, typer.Option(help="TSV in which to count how rare words are; by default the test's references")
    ] = None,
    lowercase: Annotated[bool, typer.Option("--lowercase", help="Ignore case")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with everything, each sentence included")] = False,
    html: Annotated[Path | None, typer.Option(help="File for a page with plots, examples and attention")] = None,
    save: Annotated[bool, typer.Option("--save", help="Write the scores into the bundle and its model card")] = False,
) -> None:
    """Score a bundle on a test file, through the path that serves it, and show what it does wrong."""
    with one_sentence_errors():
        settings = load_settings()
        from service.evaluate import evaluate_file, load_alone, tasks_for
        from service.examples import show
        from service.page import render_page
        from service.report import as_record, tables

        if html and not html.parent.is_dir():
            raise InvalidRequest(f"{html}: there is no such folder")
        torch.set_num_threads(share_cores(settings).for_each)
        catalogues = [load_alone(folder, settings) for folder in (bundle, against) if folder]
        wanted = [parse_task(one) for one in task or []]
        tasks = tasks_for(load_manifest(bundle), file, columns=columns, wanted=wanted)
        with ExitStack() as stack:
            translators = [stack.enter_context(open_translator(of, settings)) for of in catalogues]
            evaluations = evaluate_file(file, translators, tasks, train=train, lowercase=lowercase)
            if html:
                page = render_page([(one, show(translators[0], one)) for one in evaluations])
                write_atomically(html, page.encode())
        if save:
            scores = [one.score for one in evaluations]
            manifest = load_manifest(bundle)
            kept = [s for s in manifest.scores if (s.task, s.test) not in {(n.task, n.test) for n in scores}]
            write_description(bundle, manifest.model_copy(update={"scores": (*kept, *scores)}))
        if as_json:
            json.dump([as_record(one) for one in evaluations], sys.stdout, indent=1, ensure_ascii=False)
            sys.stdout.write("\n")
            return
        for one in evaluations:
            for heading, table in tables(one):
                sys.stdout.write(f"{heading}\n")  # as a table's own title it would be wrapped to the table's width
                print_table(table)
        # Below, as the table would cut them off.
        values = [value for one in evaluations for value in one.score.values.values()]
        for signature in dict.fromkeys(value for value in values if isinstance(value, str)):
            sys.stdout.write(f"{signature}\n")
