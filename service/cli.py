"""The command line.

``dragoman serve | keys | translate | train | evaluate | export | sign | average | distil | lexicon | phrases | join
| tune | bench``.
"""

import asyncio
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

from model.atomic import write_atomically
from model.bundle import load_manifest, sign_bundle, write_description
from service.bench.cli import app as bench
from service.catalogue import load_catalogue
from service.chinese import TRADITIONAL, in_script, served_as
from service.cli_keys import keys
from service.cli_text import app as training_text
from service.cli_training import app as training
from service.codes import code_for, codes_of, route_between
from service.console import Models, console, one_sentence_errors, parse_task, print_table, progress_bar
from service.errors import InvalidRequest
from service.offline import TEXTS_AT_ONCE, chunks, open_translator
from service.settings import load_settings, share_cores

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.add_typer(bench, name="bench")
app.add_typer(keys, name="keys")
app.add_typer(training)
app.add_typer(training_text)


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
    """Translate standard input line by line to standard output, without a server; through English where need be."""
    with one_sentence_errors():
        settings = load_settings(models=models)
        catalogue = load_catalogue(settings)
        for entry in catalogue.entries:
            if entry.error:
                console.print(f"dragoman: {entry.error}", style="yellow", markup=False)
        codes = codes_of(catalogue)
        source, target = code_for(source, codes), code_for(target, codes)
        if served_as(source) == served_as(target):
            raise InvalidRequest(f"{source} and {target} are one language: there is nothing to translate")
        route = route_between(source, target, catalogue)
        with open_translator(catalogue, settings) as translator, _byte_progress() as advance:
            # Many lines at once decode together; on a terminal one at a time, as someone waits for each.
            for lines in chunks(_lines_of_stdin(), 1 if sys.stdin.isatty() else TEXTS_AT_ONCE):
                for answer in asyncio.run(translator.run_along(route, lines)):
                    (text, *_) = answer.texts
                    sys.stdout.write(f"{in_script(text, 'text', target) if target == TRADITIONAL else text}\n")
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
    with progress_bar(disable=hidden) as progress:
        bar = progress.add_task("translating", total=total)
        yield lambda amount: progress.advance(bar, amount)


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
        if html and html.is_dir():
            raise InvalidRequest(f"{html}: is a folder")
        if not file.exists():  # before its name is read and networks are loaded
            raise InvalidRequest(f"{file}: there is no such file")
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


@app.command()
def sign(
    bundle: Annotated[Path, typer.Argument(help="Folder of a bundle")],
    key: Annotated[Path, typer.Option(help="Private key, as openssl genpkey -algorithm ed25519 writes it")],
) -> None:
    """Sign a bundle, so that services with the public key in their DRAGOMAN_BUNDLE_KEYS load it."""
    with one_sentence_errors():
        sign_bundle(bundle, key)
