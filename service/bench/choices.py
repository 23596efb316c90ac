"""The options that all commands have, and what becomes of them: texts, settings, and networks or a service."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from model.bundle import BundleError, load_manifest
from model.config import DType, Task
from service.bench.errors import BenchError
from service.bench.server import Target, allow_many_connections, served, served_dtype
from service.bench.texts import read_texts
from service.bench.traffic import Traffic
from service.catalogue import Catalogue, bundle_folders, load_catalogue
from service.console import console, parse_task
from service.settings import Settings, load_settings


class Choices(NamedTuple):
    """The options that all commands have."""

    files: list[Path]
    source: str
    target: str
    models: Path | None
    policies: str
    max_texts: int
    seed: int
    json_file: Path | None


class Bench(NamedTuple):
    """What all commands measure with."""

    policies: list[str]
    settings: dict[str, Settings]
    """By policy; none for a service that is not ours."""
    task: Task
    texts: list[str]

    def traffic(self, documents_one_in: int = 0, document_texts: int = 50) -> Traffic:
        """Return the texts as requests; BenchError for documents of texts to summarize."""
        if documents_one_in and self.task.kind == "summarize":
            raise BenchError("summaries are of single texts: --documents-one-in 0")
        return Traffic(self.texts, self.task.source, self.task.target, documents_one_in, document_texts)

    def keep_dtype(self, dtype: DType) -> None:
        """Serve what is still to come in the type that was chosen at the first load, which reports then name."""
        for policy, settings in self.settings.items():
            self.settings[policy] = settings.model_copy(update={"dtype": dtype})


def open_bench(choices: Choices, url: str | None = None) -> Bench:
    """Return what is measured with; what cannot be is refused before anything is loaded, in a sentence."""
    allow_many_connections()
    source, target = choices.source.lower(), choices.target.lower()
    task = parse_task(f"summarize:{source}" if source == target else f"translate:{source}:{target}")
    if choices.json_file and not choices.json_file.parent.is_dir():
        raise BenchError(f"{choices.json_file}: there is no such folder")
    if url:
        if urlsplit(url).scheme != "http" or not urlsplit(url).hostname:
            raise BenchError(f"{url} is no address; one looks like http://127.0.0.1:5000")
        policies, settings = [url.rstrip("/")], {}
    else:
        policies = list(dict.fromkeys(name.strip() for name in choices.policies.split(",")))
        settings = {policy: load_settings(models=choices.models, policy=policy) for policy in policies}
        _refuse_unless_promised(task, settings[policies[0]].models)
    return Bench(policies, settings, task, read_texts(choices.files, limit=choices.max_texts, seed=choices.seed))


def _refuse_unless_promised(task: Task, models: Path) -> None:
    """Look for the task in the manifests, as it takes a while until networks are loaded."""
    if not models.is_dir():
        raise BenchError(f"{models}: there is no such folder")
    for folder in bundle_folders(models):
        with suppress(BundleError):
            if task in load_manifest(folder).tasks:
                return
    raise BenchError(f"{models}: no bundle does {task}")


def load_here(bench: Bench) -> Catalogue:
    """Load the bundles in this process; BenchError when none of them does the task after all."""
    settings = bench.settings[bench.policies[0]]
    catalogue = load_catalogue(settings)
    for entry in catalogue.entries:
        if entry.error:
            console.print(f"dragoman: {entry.error}", style="yellow", markup=False)
    if bench.task not in catalogue.serving:
        raise BenchError(f"{settings.models}: no bundle that can be loaded does {bench.task}")
    bench.keep_dtype(catalogue.serving[bench.task].dtype)
    return catalogue


@contextmanager
def target_of(bench: Bench, policy: str, url: str | None) -> Iterator[Target]:
    """Run a service with the policy for as long as the block, unless there is one at ``url``."""
    if url:
        yield Target(url.rstrip("/"), None)
    else:
        with served(bench.settings[policy]) as target:
            bench.keep_dtype(served_dtype(target, str(bench.task)))
            yield target
