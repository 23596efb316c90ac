import socket
from pathlib import Path

import pytest

from service import server
from service.settings import Settings
from tests.service.cli.commands import Dragoman, assert_one_sentence

COMMANDS = ("serve", "translate", "train", "evaluate", "export", "average", "distil", "tune", "bench")


def test_help_names_the_commands(dragoman: Dragoman) -> None:
    ended = dragoman("--help")
    assert ended.status == 0
    assert all(command in ended.out for command in COMMANDS)


def test_serving_takes_its_options_before_the_environment(
    dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    monkeypatch.setenv("DRAGOMAN_PORT", "1")
    monkeypatch.setenv("DRAGOMAN_CHAR_LIMIT", "2")
    assert dragoman("serve", "--models", tmp_path, "--port", "3").status == 0
    (settings,) = served
    assert (settings.models, settings.host, settings.port, settings.char_limit) == (tmp_path, "127.0.0.1", 3, 2)


def test_a_port_in_use_is_a_sentence(dragoman: Dragoman, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = dragoman("serve", "--models", tmp_path, "--port", port)
    assert_one_sentence(ended, f"cannot listen on 127.0.0.1:{port}: Address already in use")


@pytest.mark.parametrize(
    ("arguments", "variable"),
    [
        (["serve", "--port", "65536"], None),
        (["serve"], "x"),
        (["translate", "--from", "de", "--to", "en"], "x"),
        (["train", "recipe.toml", "--data", "."], "x"),
        (["evaluate", "bundle", "file.de-en.tsv"], "x"),
    ],
)
def test_a_wrong_setting_is_named(
    arguments: list[str], variable: str | None, dragoman: Dragoman, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv("DRAGOMAN_PORT", variable)
    assert_one_sentence(dragoman(*arguments), "DRAGOMAN_PORT: ")
