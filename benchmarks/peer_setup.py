"""What the peers need before they can be asked: environments from PyPI, untrained models, and their servers.

All of it lies in one folder and is made once; a second run finds it. Every peer has an environment of its own, for what
they pin excludes one another. No weights are fetched: time does not depend on what weights say, only on their shapes.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

from model.bundle import TOKENIZER, load_manifest
from model.tokenizer import Tokenizer

SCRIPTS = Path(__file__).parent / "peers"
START_SECONDS = 120
READY = "ready"
"""Holds the recipe of an environment or a model, once it is made."""

ENVIRONMENTS = {
    "ctranslate2": (("ctranslate2==4.8.5", "numpy"),),
    # Its pin of PyTorch, < 2.3, would bring gigabytes of CUDA: see peers/opennmt_shim.py. The rest is what it imports.
    "opennmt": (
        ("--no-deps", "OpenNMT-py==3.5.1"),
        ("torch<=2.13.0", "numpy", "configargparse", "flask", "waitress", "pyyaml", "pyonmttok<2", "sacrebleu"),
        ("rapidfuzz", "sentencepiece", "six"),
    ),
    # Its pin of protobuf, < 3.21, excludes today's TensorBoard, and of what it requires it imports less than half.
    "joeynmt": (
        ("--no-deps", "joeynmt==2.3.0"),
        ("torch<=2.13.0", "numpy", "tensorboard", "matplotlib", "sacrebleu", "sacremoses", "sentencepiece"),
        ("subword-nmt", "pyyaml", "packaging", "tqdm", "importlib_metadata"),
    ),
    "libretranslate": (("libretranslate==1.9.6", "ctranslate2==4.8.5"),),
}
"""Environment → what pip is asked to install, one call after the other."""

TRANSFORMERS = {
    "base": {"layers": 6, "width": 512, "feed-forward": 2048, "heads": 8},
    "small": {"layers": 5, "width": 256, "feed-forward": 1024, "heads": 8},
}
"""Vaswani et al. 2017's base model, and one of as many parameters as our starter has."""
LSTM = {"embedding": 384, "hidden": 480, "layers": 2}


class PeerError(RuntimeError):
    """A peer that cannot run; the message is the reason in a line."""


class Place(NamedTuple):
    """Where peers live, and what they are to be compared with."""

    folder: Path
    """For environments, models and logs."""
    bundle: Path | None = None
    """Ours: the peers have its vocabulary; none where everyone is trained."""

    def log(self, name: str) -> Path:
        """Return where a peer's own words go."""
        path = self.folder / "logs" / f"{name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


class Server(NamedTuple):
    """How a peer's server is started."""

    command: list[str]
    environment: dict[str, str]
    """Variables beside those of this process."""


def run_logged(command: Sequence[str | Path], log: Path) -> None:
    """Run to the end; PeerError with the last line that it wrote when it fails."""
    with log.open("ab") as file:
        result = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        raise PeerError(f"{last_line(log)} (exit status {result.returncode})")


def last_line(log: Path) -> str:
    """Return the last line of a log that says something."""
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it said nothing")


def once(folder: Path, recipe: object, make: Callable[[], None]) -> Path:
    """Call ``make`` unless it filled the folder before by the same recipe; what was broken off is thrown away."""
    mark = folder / READY
    if not mark.exists() or mark.read_text(encoding="utf-8") != repr(recipe):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make()
        mark.write_text(repr(recipe), encoding="utf-8")
    return folder


def python_of(name: str, place: Place) -> Path:
    """Return the interpreter of a peer's environment, which is made and filled by pip if need be."""
    folder, log = place.folder / "environments" / name, place.log(f"pip-{name}")
    python = folder / "bin" / "python"

    def make() -> None:
        run_logged([sys.executable, "-m", "venv", folder], log)
        for words in ENVIRONMENTS[name]:
            run_logged([python, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", *words], log)

    once(folder, ENVIRONMENTS[name], make)
    return python


def pins_of(name: str) -> dict[str, str]:
    """Return the versions that an environment is held to."""
    words = [word for call in ENVIRONMENTS[name] for word in call if "==" in word]
    return {package: version for package, _, version in (word.partition("==") for word in words)}


def parameters_of(model: Path) -> int:
    """Return what the maker of a model counted."""
    count: int = json.loads((model / "parameters.json").read_text())
    return count


def vocabulary_of(place: Place) -> Path:
    """Write the pieces of our tokenizer for the makers of models, and return where."""
    tokenizer = Tokenizer((place.bundle / TOKENIZER).read_bytes())
    path = place.folder / "pieces.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tokenizer.pieces(range(len(tokenizer))), ensure_ascii=False), encoding="utf-8")
    return path


def model_folder(name: str, place: Place) -> Path:
    """Return where a model of this name lies; models of bundles with other vocabularies lie apart."""
    return place.folder / "models" / f"{name}-{load_manifest(place.bundle).files[TOKENIZER][:12]}"


def transformer_of(name: str, place: Place) -> Path:
    """Return the folder of an untrained int8 Transformer, which is made if need be."""
    folder = model_folder(name, place)
    sizes = [word for size, value in TRANSFORMERS[name].items() for word in (f"--{size}", str(value))]
    command = [python_of("ctranslate2", place), SCRIPTS / "ctranslate2_model.py", vocabulary_of(place), folder]
    return once(folder, sizes, lambda: run_logged([*command, *sizes], place.log(f"model-{name}")))


def lstm_of(place: Place) -> Path:
    """Return OpenNMT-py's untrained checkpoint, which is made if need be."""
    folder = model_folder("lstm", place)
    sizes = [word for size, value in LSTM.items() for word in (f"--{size}", str(value))]
    command = [python_of("opennmt", place), SCRIPTS / "opennmt_model.py", vocabulary_of(place), folder / "lstm.pt"]
    once(folder, sizes, lambda: run_logged([*command, *sizes], place.log("model-lstm")))
    return folder / "lstm.pt"


def argos_packages_of(languages: tuple[str, str], place: Place) -> Path:
    """Return a folder of data with a home-made Argos package for either direction.

    Two, for LibreTranslate goes looking for more on the internet when it finds fewer.
    """
    model, folder = transformer_of("base", place), model_folder(f"argos-{'-'.join(languages)}", place)

    def make() -> None:
        for source, target in (languages, languages[::-1]):
            package = folder / "argos-translate" / "packages" / f"{source}_{target}"
            shutil.copytree(model, package / "model")
            shutil.copyfile(place.bundle / TOKENIZER, package / "sentencepiece.model")
            names = {"from_code": source, "from_name": source, "to_code": target, "to_name": target}
            (package / "metadata.json").write_text(
                json.dumps({"package_version": "1.0", "argos_version": "1.9", **names})
            )

    return once(folder, TRANSFORMERS["base"], make)


def libretranslate(
    place: Place, port: int, *, languages: tuple[str, str], target_length: int, workers: int, threads: int
) -> Server:
    """Return LibreTranslate's command; 0 threads are its default, and 1 worker is."""
    data = argos_packages_of(languages, place).resolve()
    script = SCRIPTS / "libretranslate_server.py"
    variables = {
        **{f"XDG_{kind}_HOME": str(data) for kind in ("DATA", "CONFIG", "CACHE")},
        "ARGOS_INTER_THREADS": str(workers),
        "ARGOS_INTRA_THREADS": str(threads),
    }
    return Server([str(python_of("libretranslate", place)), str(script), str(port), str(target_length)], variables)


def opennmt(place: Place, port: int, *, target_length: int, threads: int) -> Server:
    """Return the command of OpenNMT-py's REST server."""
    files = [str(path.resolve()) for path in (lstm_of(place), place.bundle / TOKENIZER)]
    script = str(SCRIPTS / "opennmt_server.py")
    return Server([str(python_of("opennmt", place)), script, str(port), str(target_length), *files, str(threads)], {})


@contextlib.contextmanager
def started(server: Server, port: int, log: Path) -> Iterator[int]:
    """Start a peer's server on that port, wait until it listens, yield its process's number, and end it."""
    scratch = log.with_suffix("")  # some write into the folder in which they are started
    scratch.mkdir(exist_ok=True)
    with (
        log.open("wb") as file,
        subprocess.Popen(
            server.command,
            env={**os.environ, **server.environment},
            cwd=scratch,
            stdout=file,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until_it_listens(process, port, log)
            yield process.pid
        finally:
            process.terminate()


def wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when something answers on the port, whatever it says; PeerError when it ended or is not in time."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise PeerError(f"{last_line(log)} (exit status {process.returncode})")
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/languages", trust_env=False, timeout=START_SECONDS)
            return
        time.sleep(0.1)
    raise PeerError(f"did not answer within {START_SECONDS} s")
