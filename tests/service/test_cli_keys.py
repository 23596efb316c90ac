from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from service.cli import app
from service.keys import KeyFile


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Return what runs ``dragoman keys`` with a file of one's own."""
    monkeypatch.setenv("DRAGOMAN_KEYS", str(tmp_path / "keys.sqlite"))
    return lambda *arguments: CliRunner().invoke(app, ["keys", *arguments])


def test_a_key_is_shown_once_and_listed_by_name_until_it_is_revoked(
    keys: Callable[..., Result], tmp_path: Path
) -> None:
    added = keys("add", "web", "--scope", "translate", "--scope", "summarize", "--rate-limit", "5/minute")
    assert added.exit_code == 0
    key = added.stdout.strip()
    with closing(KeyFile(tmp_path / "keys.sqlite")) as file:
        found = file.find(key)
    assert found
    listed = keys("list").stdout
    assert all(word in listed for word in ("web", found.id, "summarize translate", "5/minute"))
    assert key[18:] not in listed
    assert keys("revoke", "web").exit_code == 0
    assert "web" not in keys("list").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list"], "there is no file"),
        (["revoke", "web"], "there is no file"),
        (["add", "a b", "--scope", "admin"], "'a b' is no name for a key"),
        (["add", "a", "--scope", "admin", "--rate-limit", "3"], "--rate-limit: '3' is no limit"),
        (["add", "a"], "Missing option '--scope'"),
        (["add", "a", "--scope", "all"], "Invalid value for '--scope'"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    arguments: list[str], message: str, keys: Callable[..., Result]
) -> None:
    result = keys(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert result.stdout == ""


def test_without_a_file_the_setting_is_named() -> None:
    result = CliRunner().invoke(app, ["keys", "list"])
    assert (result.exit_code, "DRAGOMAN_KEYS" in result.stderr) == (1, True)
