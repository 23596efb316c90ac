import os
import traceback
from pathlib import Path

import pytest
import torch
from pydantic import Secret

from service.settings import (
    MAX_WORKERS,
    STARTERS,
    Settings,
    SettingsError,
    Threads,
    choose_device,
    choose_dtype,
    load_settings,
    read_keys,
    share_cores,
    unknown_variables,
)


def test_without_any_setting_the_starters_are_served_to_this_machine_alone() -> None:
    settings = load_settings()
    assert (settings.models, settings.host, settings.port) == (STARTERS, "127.0.0.1", 8000)


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("DRAGOMAN_MODELS", "/srv/models", "models", Path("/srv/models")),
        ("DRAGOMAN_STARTERS", "true", "starters", True),
        ("DRAGOMAN_DEVICE", "cpu", "device", "cpu"),
        ("DRAGOMAN_THREADS", "3", "threads", 3),
        ("DRAGOMAN_DTYPE", "int8", "dtype", "int8"),
        ("DRAGOMAN_POLICY", "static-10ms", "policy", "static-10ms"),
        ("DRAGOMAN_CHAR_LIMIT", "12", "char_limit", 12),
        ("DRAGOMAN_MAX_BATCH_SENTENCES", "4", "max_batch_sentences", 4),
        ("DRAGOMAN_MAX_BATCH_ROWS", "5", "max_batch_rows", 5),
        ("DRAGOMAN_MAX_BATCH_POSITIONS", "6", "max_batch_positions", 6),
        ("DRAGOMAN_MAX_QUEUED_PIECES", "7", "max_queued_pieces", 7),
        ("DRAGOMAN_TIMEOUT_SECONDS", "1.5", "timeout_seconds", 1.5),
        ("DRAGOMAN_STALL_SECONDS", "2.5", "stall_seconds", 2.5),
        ("DRAGOMAN_DRAIN_SECONDS", "0.5", "drain_seconds", 0.5),
        ("DRAGOMAN_KEYS", "/srv/keys.sqlite", "keys", Path("/srv/keys.sqlite")),
        ("DRAGOMAN_RATE_LIMIT", "60/minute", "rate_limit", "60/minute"),
        ("DRAGOMAN_RATE_STORAGE", "redis://cache:6379/1", "rate_storage", Secret("redis://cache:6379/1")),
        ("DRAGOMAN_TRUSTED_PROXIES", "10.0.0.0/8", "trusted_proxies", "10.0.0.0/8"),
        ("DRAGOMAN_TRUSTED_PROXIES", "::1, *", "trusted_proxies", "::1, *"),
        ("DRAGOMAN_TRUSTED_PROXIES", "", "trusted_proxies", ""),
        ("DRAGOMAN_CORS_ORIGINS", "https://a.example", "cors_origins", "https://a.example"),
        (
            "DRAGOMAN_CORS_ORIGINS",
            "https://a.example, http://[::1]:80",
            "cors_origins",
            "https://a.example, http://[::1]:80",
        ),
        ("DRAGOMAN_CORS_ORIGINS", "", "cors_origins", ""),
        ("DRAGOMAN_MAX_CONNECTIONS", "8", "max_connections", 8),
        ("DRAGOMAN_HEADER_SECONDS", "1.5", "header_seconds", 1.5),
        ("DRAGOMAN_BODY_SECONDS", "2.5", "body_seconds", 2.5),
        ("DRAGOMAN_RELOAD_SECONDS", "0", "reload_seconds", 0.0),
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
        ("DTYPE", "float8"),
        ("THREADS", "0"),
        ("POLICY", "last-come-first-served"),
        ("MAX_BATCH_SENTENCES", "0"),
        ("MAX_BATCH_ROWS", "0"),
        ("MAX_BATCH_POSITIONS", "0"),
        ("MAX_QUEUED_PIECES", "0"),
        ("TIMEOUT_SECONDS", "0"),
        ("STALL_SECONDS", "0"),
        ("CHAR_LIMIT", "0"),
        ("ALTERNATIVES_LIMIT", "16"),
        ("DRAIN_SECONDS", "-1"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "proxy"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,"),
        ("CORS_ORIGINS", "a.example"),
        ("CORS_ORIGINS", "https://a.example/"),
    ],
)
def test_an_impossible_setting_is_named_in_one_line(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"DRAGOMAN_{name}", text)
    with pytest.raises(SettingsError, match=rf"^DRAGOMAN_{name}: .+$"):
        load_settings()


def test_the_password_of_a_storage_is_neither_shown_nor_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_RATE_STORAGE", "redis://:geheim@cache:6379/1")
    settings = load_settings()
    assert settings.rate_storage.get_secret_value() == "redis://:geheim@cache:6379/1"
    shown = [str(settings), repr(settings), str(settings.model_dump()), settings.model_dump_json()]
    assert not [one for one in shown if "geheim" in one]


def test_the_password_of_a_storage_that_cannot_be_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_RATE_STORAGE", "postgres://:geheim@cache")
    with pytest.raises(SettingsError, match=r"^DRAGOMAN_RATE_STORAGE: .+$") as refused:
        load_settings()
    assert "geheim" not in "".join(traceback.format_exception(refused.value))


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


@pytest.mark.parametrize(("dtype", "chosen"), [("auto", None), ("int8", "int8"), ("float32", "float32")])
def test_auto_is_whichever_type_is_fastest(dtype: str, chosen: str | None) -> None:
    assert choose_dtype(load_settings(dtype=dtype)) == chosen


@pytest.mark.parametrize(
    ("cores", "threads"),
    [
        (1, Threads(1, 1)),
        (2, Threads(2, 1)),
        (4, Threads(4, 1)),
        (5, Threads(4, 1)),
        (8, Threads(4, 2)),
    ],
)
def test_on_a_cpu_each_core_has_a_worker_while_there_are_few(cores: int, threads: Threads) -> None:
    assert share_cores(Settings(device="cpu", threads=cores)) == threads


@pytest.mark.parametrize("cores", range(1, 70))
def test_workers_never_fight_for_cores(cores: int) -> None:
    workers, for_each = share_cores(Settings(device="cpu", threads=cores))
    assert 1 <= workers <= MAX_WORKERS
    assert cores - workers < workers * for_each <= cores


@pytest.mark.parametrize("cores", [1, 3])
def test_without_a_setting_the_cores_are_those_that_the_process_may_use(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert share_cores(Settings(device="cpu")) == Threads(cores, 1)


def test_on_a_gpu_there_is_one_worker() -> None:
    assert share_cores(Settings(device="cuda", threads=8)).workers == 1


def test_keys_that_cannot_be_read_are_refused_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DRAGOMAN_BUNDLE_KEYS", str(tmp_path / "keys.pem"))
    with pytest.raises(SettingsError, match=r"DRAGOMAN_BUNDLE_KEYS: .*keys\.pem: cannot be read: No such file"):
        load_settings()


def test_without_a_file_of_keys_no_signature_is_asked_for() -> None:
    assert read_keys(load_settings()) is None


def test_a_variable_that_is_called_like_a_setting_and_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DRAGOMAN_CHAR_LIMITS", "dragoman_port", "DRAGOMAN_MODELS", "OTHER_DRAGOMAN_X"):
        monkeypatch.setenv(name, "1")
    assert unknown_variables() == ["DRAGOMAN_CHAR_LIMITS"]
