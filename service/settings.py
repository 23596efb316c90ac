"""Settings of the service, each from an environment variable ``DRAGOMAN_…``."""

from pathlib import Path
from typing import Literal

import torch
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import model

STARTERS = Path(model.__file__).parent / "starters"


class SettingsError(ValueError):
    """A setting that cannot be; the message names its variable."""


class Settings(BaseSettings):
    """Read from the environment where the application is made, never at import."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", frozen=True)

    models: Path = STARTERS
    """Folder whose sub-folders are bundles."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int | None = Field(None, ge=1)
    """Threads of one matrix product on a CPU; by default as many as there are cores."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    char_limit: int = Field(20_000, ge=1)
    """Characters in one request, all its texts together."""
    text_limit: int = Field(1_000, ge=1)
    """Texts in one request."""
    alternatives_limit: int = Field(5, ge=0, le=15)
    max_body_bytes: int = Field(1_000_000, ge=1)
    max_batch_sentences: int = Field(32, ge=1)
    max_queued_pieces: int = Field(100_000, ge=1)
    """Source pieces that may wait; a request that would exceed it is refused, unless nothing waits."""
    drain_seconds: float = Field(30.0, ge=0)
    """How long SIGTERM waits for accepted requests."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"


def load_settings(**given: object) -> Settings:
    """Read the settings, of which those ``given`` and not None outrank the environment.

    SettingsError names the one that is wrong, and tells when a GPU is asked for where there is none.
    """
    try:
        settings = Settings.model_validate(
            Settings().model_dump() | {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"DRAGOMAN_{str(first['loc'][0]).upper()}: {first['msg']}") from error
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise SettingsError("DRAGOMAN_DEVICE is cuda, but PyTorch finds no GPU")
    return settings


def choose_device(settings: Settings) -> torch.device:
    """Return the device of the settings; ``auto`` is a GPU where there is one."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)
