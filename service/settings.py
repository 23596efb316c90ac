"""Settings of the service, each from an environment variable ``DRAGOMAN_…``."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import AfterValidator, Field, Secret, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import model
from model.config import DType
from model.precision import available
from model.signature import KeyFileError, Keys, read_public_keys

STARTERS = Path(model.__file__).parent / "starters"


MEMORY = "memory"

RateStorage = Annotated[str, Field(pattern=f"^({MEMORY}|rediss?://.+|redis\\+unix://.+)$")]

ORIGIN = r"(\*|[a-z][a-z0-9+.-]*://[^/,\s]+)"
Origins = Annotated[str, Field(pattern=rf"^({ORIGIN}(\s*,\s*{ORIGIN})*)?$")]


def _of_networks(value: str) -> str:
    for one in value.split(",") if value else ():
        if one.strip() != "*":
            ip_network(one.strip())
    return value


Networks = Annotated[str, AfterValidator(_of_networks)]

MAX_WORKERS = 4
"""Each needs Python's lock for what it decides; with more cores than this, workers use several each."""


class SettingsError(ValueError):
    """A setting that cannot be; the message names its variable."""


class Settings(BaseSettings):
    """Read from the environment where the application is made, never at import."""

    model_config = SettingsConfigDict(env_prefix="DRAGOMAN_", frozen=True, hide_input_in_errors=True)

    models: Path = STARTERS
    """Folder whose sub-folders are bundles."""
    starters: bool = False
    """Whether the starters are served beside the folder's bundles, each unless one there has its name or its task."""
    bundle_keys: Path | None = None
    """File of the Ed25519 public keys of those whose bundles are loaded; by default signatures are not asked for."""
    reload_seconds: float = Field(5.0, ge=0)
    """How often the folder is looked at for bundles that changed; 0 for never."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    # Spelt out, as a union with DType would say of a wrong one that only "auto" is right.
    dtype: Literal["auto", "float32", "bfloat16", "float16", "int8"] = "auto"
    """Type of number that networks are served in; by default whichever is fastest in a short trial at load."""
    threads: int | None = Field(None, ge=1)
    """Cores that decoding may use on a CPU; by default all."""
    policy: Literal["in-flight", "static-10ms", "static", "one-by-one"] = "in-flight"
    """Who may join the sentences that are being decoded, and when; all but the first are there to compare with."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    char_limit: int = Field(20_000, ge=1)
    """Characters in one request, all its texts together."""
    text_limit: int = Field(1_000, ge=1)
    """Texts in one request."""
    alternatives_limit: int = Field(5, ge=0, le=15)
    max_body_bytes: int = Field(1_000_000, ge=1)
    max_file_bytes: int = Field(10_000_000, ge=1)
    """Of a file to translate, and the form around it; five times as much when it is unpacked."""
    file_char_limit: int = Field(200_000, ge=1)
    """Characters in the texts of one file."""
    max_batch_sentences: int | None = Field(None, ge=1)
    """Sentences that a thread decodes together; by default as many as make a step's time worthwhile on the device."""
    max_batch_rows: int | None = Field(None, ge=1)
    """Hypotheses that a thread decodes together: the beam sizes of its sentences."""
    max_batch_positions: int | None = Field(None, ge=1)
    """Source positions that a thread holds, each sentence padded to the longest."""
    max_queued_pieces: int = Field(100_000, ge=1)
    """Source pieces that may wait; what would exceed its client's part is refused, unless none of the client wait."""
    timeout_seconds: float = Field(60.0, gt=0)
    """After which a request that has no answer gets 504; a request may ask for less."""
    stall_seconds: float = Field(60.0, gt=0)
    """How long a step may take before /health/live asks for a restart."""
    drain_seconds: float = Field(30.0, ge=0)
    """How long SIGTERM waits for accepted requests."""
    keys: Path | None = None
    """File of API keys; without one, whoever reaches the service may use it."""
    rate_limit: str | None = None
    """Requests of a client, as 60/minute, that has no limit of its own; by default there is none."""
    rate_storage: Secret[RateStorage] = Secret(MEMORY)
    """Where they are counted: in memory, or in a Redis that several services share, with its password if it has one."""
    trusted_proxies: Networks = "127.0.0.1"
    """Addresses and networks, with commas between, whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    cors_origins: Origins = "*"
    """Origins, with commas between, whose pages may ask."""
    max_connections: int = Field(500, ge=1)
    header_seconds: float = Field(10.0, gt=0)
    """How long a client may take until its request's headers are there."""
    body_seconds: float = Field(30.0, gt=0)
    """How long it may take for the body, and for each 10,000 bytes of it a second more."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    log_texts: bool = False
    """Whether sources and outputs are logged, too."""


def load_settings(**given: object) -> Settings:
    """Read the settings, of which those ``given`` and not None outrank the environment.

    SettingsError names the one that is wrong, as when a GPU or a type of number is asked for that is not there.
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
    if settings.dtype != "auto" and settings.dtype not in (possible := available(choose_device(settings))):
        raise SettingsError(f"DRAGOMAN_DTYPE is {settings.dtype}, but this device computes in {', '.join(possible)}")
    read_keys(settings)
    return settings


def unknown_variables() -> list[str]:
    """Return the variables of the environment that are called like settings and are none, as one that is misspelt."""
    prefix = Settings.model_config["env_prefix"]
    known = {f"{prefix}{name}".lower() for name in Settings.model_fields}
    return sorted(name for name in os.environ if name.upper().startswith(prefix) and name.lower() not in known)


class Threads(NamedTuple):
    """How the cores are shared out."""

    workers: int
    """Threads that decode."""
    for_each: int
    """Threads of one worker's matrix products."""


def share_cores(settings: Settings) -> Threads:
    """Return the threads that decode: on a CPU one for each core while there are few, on a GPU one.

    What does not divide evenly, at most three cores, is left to everything else.
    """
    # Of the cores of the machine, those that the process may use; macOS cannot say.
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = settings.threads or usable or 1
    workers = 1 if choose_device(settings).type == "cuda" else min(cores, MAX_WORKERS)
    return Threads(workers, cores // workers)


def choose_dtype(settings: Settings) -> DType | None:
    """Return the type of the settings; None for whichever is fastest."""
    return None if settings.dtype == "auto" else settings.dtype


def choose_device(settings: Settings) -> torch.device:
    """Return the device of the settings; ``auto`` is a GPU where there is one."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)


def read_keys(settings: Settings) -> Keys | None:
    """Return the keys of the settings, None for no need of a signature; SettingsError when they cannot be read."""
    try:
        return read_public_keys(settings.bundle_keys) if settings.bundle_keys else None
    except KeyFileError as error:
        raise SettingsError(f"DRAGOMAN_BUNDLE_KEYS: {error}") from error
