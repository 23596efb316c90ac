"""The bundles of a folder: which are served, and why the others are not."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from model.bundle import MANIFEST, Bundle, BundleError, load_bundle
from model.config import DType, Task
from service.chinese import served_as
from service.settings import Settings, choose_device, choose_dtype, share_cores

logger = logging.getLogger(__name__)


PIVOT = "en"
"""Through which a text goes that no bundle translates directly."""


class Entry(NamedTuple):
    """A folder in which a bundle was looked for, with the bundle or what was wrong with it.

    Clients read the error, so it names the folder without its path; the log has that.
    """

    folder: str
    bundle: Bundle | None
    error: str | None


class Catalogue(NamedTuple):
    """All bundles that were found, and for each task the one that serves it."""

    entries: list[Entry]
    serving: dict[Task, Bundle]

    def route(self, source: str, target: str) -> list[Task]:
        """Return the translations that lead from one language to another: one, or two through PIVOT, or none."""
        direct = Task(kind="translate", source=served_as(source), target=served_as(target))
        if direct in self.serving:
            return [direct]
        legs = [direct.model_copy(update=update) for update in ({"target": PIVOT}, {"source": PIVOT})]
        return legs if all(leg in self.serving for leg in legs) else []

    def reaches(self, source: str, target: str) -> bool:
        """Say whether there is a way from one language to another, as there is from each to itself."""
        return served_as(source) == served_as(target) or bool(self.route(source, target))


def whole(route: Sequence[Task]) -> Task | None:
    """Return what the tasks of a route do together; None when there are none."""
    return route[-1].model_copy(update={"source": route[0].source}) if route else None


def load_catalogue(settings: Settings) -> Catalogue:
    """Load, verify and warm every bundle of the folder; of two that do the same task the first by name serves it."""
    folder, device, dtype = settings.models, choose_device(settings), choose_dtype(settings)
    torch.set_num_threads(share_cores(settings).for_each)  # as when serving, so that a trial of types is a fair one
    if not folder.is_dir():
        logger.error("%s: there is no such folder", folder)
        return Catalogue([Entry(folder.name, None, f"{folder.name}: there is no such folder")], {})
    entries: list[Entry] = []
    for child in bundle_folders(folder):
        loaded = [entry.bundle for entry in entries if entry.bundle]
        entries.append(_load(child, device, dtype, loaded))
    serving: dict[Task, Bundle] = {}
    for entry in entries:
        for task in entry.bundle.manifest.tasks if entry.bundle else []:
            if task in serving:
                logger.warning("%s: %s is already served by %s", entry.folder, task, serving[task].manifest.name)
            else:
                assert entry.bundle
                serving[task] = entry.bundle
    if not serving:
        reasons = [entry.error for entry in entries if entry.error] or ["it holds no folder of a bundle"]
        logger.warning("no bundle is served from %s: %s", folder, "; ".join(reasons))
    return Catalogue(entries, serving)


def bundle_folders(models: Path) -> list[Path]:
    """Return the folders that are taken for bundles, by name."""
    return [child for child in sorted(models.iterdir()) if child.is_dir() and not child.name.startswith(".")]


def _load(folder: Path, device: torch.device, dtype: DType | None, loaded: Sequence[Bundle]) -> Entry:
    try:
        bundle = load_bundle(folder, device, dtype, loaded=loaded)
        warm_up(bundle)
    except BundleError as error:
        logger.error("%s", error)
        return Entry(folder.name, None, str(error).replace(str(folder), folder.name))
    except Exception as error:  # a TorchScript archive can fail in any way when it first runs
        logger.exception("%s: %s failed its warm-up", folder, MANIFEST)
        return Entry(folder.name, None, f"{folder.name}: failed its warm-up: {type(error).__name__}")
    logger.info("loaded %s %s in %s from %s", bundle.manifest.name, bundle.manifest.version, bundle.dtype, folder)
    return Entry(folder.name, bundle, None)


def warm_up(bundle: Bundle) -> None:
    """Decode one sentence, so that the first request does not pay for what is made at first use.

    ValueError when nothing is found, as by a network that gives NaN.
    """
    source = bundle.tokenizer.encode_source("1, 2, 3.", bundle.manifest.tasks[0])
    if not all(bundle.search.search([source], bundle.manifest.decoding)):
        raise ValueError("it found nothing to say")
