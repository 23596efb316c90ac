from pathlib import Path

import pytest
import torch

from service.settings import STARTERS, Settings, SettingsError, choose_device, load_settings


def test_without_any_setting_the_starters_are_served_to_this_machine_alone() -> None:
    settings = load_settings()
    assert (settings.models, settings.host, settings.port) == (STARTERS, "127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("DRAGOMAN_MODELS", "/srv/models", "models", Path("/srv/models")),
        ("DRAGOMAN_DEVICE", "cpu", "device", "cpu"),
        ("DRAGOMAN_THREADS", "3", "threads", 3),
        ("DRAGOMAN_CHAR_LIMIT", "12", "char_limit", 12),
        ("DRAGOMAN_DRAIN_SECONDS", "0.5", "drain_seconds", 0.5),
    ],
)
def test_a_variable_of_the_environment_is_a_setting(
    variable: str, text: str, name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    assert getattr(load_settings(), name) == value


def test_what_is_given_outranks_the_environment_and_none_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_PORT", "1111")
    monkeypatch.setenv("DRAGOMAN_HOST", "::1")
    settings = load_settings(port=2222, host=None)
    assert (settings.port, settings.host) == (2222, "::1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "x"),
        ("PORT", "65536"),
        ("DEVICE", "tpu"),
        ("THREADS", "0"),
        ("CHAR_LIMIT", "0"),
        ("ALTERNATIVES_LIMIT", "16"),
        ("DRAIN_SECONDS", "-1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_an_impossible_setting_is_named_in_one_line(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DRAGOMAN_{name}", text)
    with pytest.raises(SettingsError, match=rf"^DRAGOMAN_{name}: .+$"):
        load_settings()


def test_an_impossible_option_is_named_like_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_PORT: .+$"):
        load_settings(port=-1)


@pytest.mark.parametrize(("present", "device"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_a_gpu_where_there_is_one(present: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: present)
    assert choose_device(load_settings()) == torch.device(device)


def test_a_gpu_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="no GPU"):
        load_settings(device="cuda")


def test_the_cpu_can_be_chosen_where_there_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device(Settings(device="cpu")) == torch.device("cpu")
