"""The command line: ``dragoman keys add | list | revoke``."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from service.console import console, one_sentence_errors, print_table
from service.errors import InvalidRequest
from service.keys import KeyScope, add_key, list_keys, revoke_key
from service.rates import parse_limit
from service.settings import SettingsError, load_settings

keys = typer.Typer(help="API keys, in the file that DRAGOMAN_KEYS names.", no_args_is_help=True)


@keys.command()
def add(
    name: Annotated[str, typer.Argument(help="Who or what the key is for")],
    scope: Annotated[list[KeyScope], typer.Option(help="What it is for; may be given several times")],
    rate_limit: Annotated[str | None, typer.Option(help="As 600/minute; by default DRAGOMAN_RATE_LIMIT")] = None,
) -> None:
    """Make a key and show it, once; what is kept cannot be turned into it. Makes the file if it is not there."""
    with one_sentence_errors():
        if rate_limit:
            try:
                parse_limit(rate_limit)
            except ValueError as error:
                raise InvalidRequest(f"--rate-limit: {error}") from error
        sys.stdout.write(f"{add_key(_path(), name, frozenset(scope), rate_limit)}\n")
        console.print("This is the only time that the key is shown.")


@keys.command("list")
def list_all() -> None:
    """List the keys: their names and ids, what they are for and how often they may ask; not the keys themselves."""
    with one_sentence_errors():
        table = Table("name", "id", "scopes", "rate limit", "made (UTC)")
        for key in list_keys(_path()):
            table.add_row(key.name, key.id, " ".join(sorted(key.scopes)), key.rate_limit or "", key.created[:19])
        print_table(table)


@keys.command()
def revoke(name: Annotated[str, typer.Argument(help="As it was given to add")]) -> None:
    """Forget a key: services that run refuse it from the next request on."""
    with one_sentence_errors():
        revoke_key(_path(), name)


def _path() -> Path:
    path = load_settings().keys
    if path is None:
        raise SettingsError("DRAGOMAN_KEYS: name the file of keys in it")
    return path
