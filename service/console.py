"""What the commands share: the console that people read, and how an error ends a command."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from model.bundle import BundleError
from model.checkpoint import CheckpointError
from model.config import Task
from model.data import DataError
from model.export import ExportError
from model.recipe import RecipeError
from model.signature import KeyFileError
from model.tokenizer import TokenizerError
from service.bench.errors import BenchError
from service.errors import InvalidRequest, ServiceError
from service.settings import SettingsError

FORESEEN = (
    BenchError,
    BundleError,
    CheckpointError,
    DataError,
    ExportError,
    KeyFileError,
    OSError,
    RecipeError,
    ServiceError,
    SettingsError,
    TokenizerError,
)

console = Console(stderr=True, soft_wrap=True, highlight=False)

Models = Annotated[Path | None, typer.Option(help="Folder of bundles; by default DRAGOMAN_MODELS or the starters")]


@contextmanager
def one_sentence_errors() -> Iterator[None]:
    """End with status 1 and one sentence on what a user can mend; a trace is for what they cannot."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has left. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except ModuleNotFoundError as error:
        console.print(f"dragoman: {error.name} is missing: pip install 'dragoman[train]'", style="red", markup=False)
        raise typer.Exit(1) from None
    except FORESEEN as error:
        console.print(f"dragoman: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


def parse_task(text: str) -> Task:
    """Return the task that a user names; InvalidRequest when it is none."""
    try:
        return Task.parse(text)
    except ValueError as error:
        raise InvalidRequest(f"{text} is not a task; one looks like translate:de:en or summarize:en") from error


def progress_bar(*, disable: bool) -> Progress:
    """Return a bar on standard error, for as long as its block."""
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


def print_table(table: Table) -> None:
    """Print a table to standard output."""
    # A pipe has no width; by default rich would cut names to fit 80 columns.
    Console(width=None if sys.stdout.isatty() else 160).print(table)
