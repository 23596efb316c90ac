"""The bundles of a folder: which are served, and why the others are not.

Bundles are code, and the folder is what the operator trusts: a link that leads out of it is not followed.
"""

import logging
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch

from model.bundle import (
    GLOSSARY,
    MANIFEST,
    SIGNATURE,
    USED,
    WORDS,
    Bundle,
    BundleError,
    kind,
    load_bundle,
    load_manifest,
)
from model.config import DType, Task
from model.signature import Keys
from model.torchscript import without_deprecation_warnings
from service.chinese import served_as
from service.settings import STARTERS, Settings, Threads, choose_device, choose_dtype, read_keys, share_cores

logger = logging.getLogger(__name__)


PIVOT = "en"
"""Through which a text goes that no bundle translates directly."""


class Entry(NamedTuple):
    """A folder in which a bundle was looked for, with the bundle or what was wrong with it.

    With both, the bundle is the one that was there before. Clients read the error, so it names the folder without its
    path; the log has that.
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

    @property
    def bundles(self) -> list[Bundle]:
        """Those that are loaded."""
        return [entry.bundle for entry in self.entries if entry.bundle]

    @property
    def counts(self) -> dict[str, int]:
        """How many are ready, are outdated because the new one failed, and failed."""
        states = [(entry.bundle is not None, entry.error is not None) for entry in self.entries]
        return {
            "ready": states.count((True, False)),
            "outdated": states.count((True, True)),
            "failed": states.count((False, True)),
        }


NOTHING = Catalogue([], {})
_READ = (MANIFEST, SIGNATURE, GLOSSARY, WORDS, *USED)
"""Of a folder, what is loaded."""


def whole(route: Sequence[Task]) -> Task | None:
    """Return what the tasks of a route do together; None when there are none."""
    return route[-1].model_copy(update={"source": route[0].source}) if route else None


class Changes(NamedTuple):
    """What became of the folders of bundles: their names, and of those that failed the reason."""

    loaded: list[str]
    kept: list[str]
    removed: list[str]
    failed: dict[str, str]


def compare(before: Catalogue, after: Catalogue) -> Changes:
    """Return what changed from one catalogue to the next."""
    known = {entry.folder: entry for entry in before.entries}
    sound = [entry for entry in after.entries if not entry.error]
    kept = [entry.folder for entry in sound if entry.folder in known and known[entry.folder].bundle == entry.bundle]
    return Changes(
        loaded=[entry.folder for entry in sound if entry.folder not in kept],
        kept=kept,
        removed=[folder for folder in known if folder not in {entry.folder for entry in after.entries}],
        failed={entry.folder: entry.error for entry in after.entries if entry.error},
    )


def load_catalogue(settings: Settings, before: Catalogue = NOTHING) -> Catalogue:
    """Load, verify and warm every bundle of the folder; of two that do the same task the first by name serves it.

    What was loaded ``before`` and did not change is taken from there, and so is what cannot be replaced because the new
    one is broken. SettingsError when the keys cannot be read; BundleError when the folder was there before and is not
    any more.
    """
    folder, keys = settings.models, read_keys(settings)
    if not folder.is_dir():
        if before.entries:  # as when a disk is lost: what is served goes on
            raise BundleError(f"{folder}: there is no such folder")
        logger.error("%s: there is no such folder", folder)
        return Catalogue([Entry(folder.name, None, f"{folder.name}: there is no such folder")], {})
    folders = _with_starters(bundle_folders(folder)) if settings.starters else bundle_folders(folder)
    loader = _Loader(choose_device(settings), choose_dtype(settings), keys, before.bundles)
    found = loader.load_side_by_side(folders, share_cores(settings))
    known = {entry.folder: entry.bundle for entry in before.entries}
    entries = [Entry(child.name, found[child].bundle or known.get(child.name), found[child].error) for child in folders]
    return Catalogue(entries, _serving(folder, entries))


def _serving(folder: Path, entries: Sequence[Entry]) -> dict[Task, Bundle]:
    serving: dict[Task, Bundle] = {}
    for entry in entries:
        for task in entry.bundle.manifest.tasks if entry.bundle else []:
            if task in serving:
                first = next(one.folder for one in entries if one.bundle is serving[task])
                logger.warning("%s: %s is already served by %s", entry.folder, task, first)
            else:
                assert entry.bundle
                serving[task] = entry.bundle
    if not serving:
        reasons = [entry.error for entry in entries if entry.error] or ["it holds no folder of a bundle"]
        logger.warning("no bundle is served from %s: %s", folder, "; ".join(reasons))
    return serving


def bundle_folders(models: Path) -> list[Path]:
    """Return the folders that are taken for bundles, by name."""
    return [child for child in sorted(models.iterdir()) if child.is_dir() and not child.name.startswith(".")]


def _with_starters(own: Sequence[Path]) -> list[Path]:
    """Return folders and those of the starters, last, so that a starter does what no other bundle does."""
    names = {folder.name for folder in own}
    return [*own, *(folder for folder in bundle_folders(STARTERS) if folder.name not in names)]


Stamps = dict[Path, tuple[int, int, int]]


def stamps(models: Path) -> Stamps:
    """Return time, size and number of the files that are loaded, by which a change is noticed without reading them."""
    found = {}
    try:
        folders = bundle_folders(models)
    except OSError:  # it is not there, or cannot be listed, of which loading tells
        folders = []
    for folder in folders:
        for path in (folder, *(folder / name for name in _READ)):
            try:
                stat = path.stat()
            except OSError:  # it is not there, or not any more
                continue
            found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


class _Loader(NamedTuple):
    """How bundles are loaded."""

    device: torch.device
    dtype: DType | None
    keys: Keys | None
    before: Sequence[Bundle]
    """What is loaded already."""

    def load_side_by_side(self, folders: Sequence[Path], threads: Threads) -> dict[Path, Entry]:
        """Load bundles in as many threads as will decode; those of one kind one after another, as they spare work."""
        of_kind = defaultdict(list)
        for folder in folders:
            of_kind[self._kind(folder)].append(folder)
        pool = ThreadPoolExecutor(
            threads.workers,
            initializer=torch.set_num_threads,  # as when serving, so that a trial of types is a fair one
            initargs=(threads.for_each,),
        )
        # Around all threads: each of them restores the filters of warnings that another may have set.
        with without_deprecation_warnings(), pool:
            return dict(chain.from_iterable(pool.map(self._load_all, of_kind.values())))

    def _kind(self, folder: Path) -> str:
        try:
            _stay_inside(folder)
            return kind(load_manifest(folder, self.keys))
        except Exception:  # of which loading tells
            return str(folder)

    def _load_all(self, folders: Sequence[Path]) -> list[tuple[Path, Entry]]:
        found: list[tuple[Path, Entry]] = []
        for folder in folders:
            loaded = [*self.before, *(entry.bundle for _, entry in found if entry.bundle)]
            found.append((folder, Entry(folder.name, *self._load(folder, loaded))))
        return found

    def _load(self, folder: Path, loaded: Sequence[Bundle]) -> tuple[Bundle | None, str | None]:
        """Return the folder's bundle, warm, or else what is wrong with it."""
        try:
            _stay_inside(folder)
            bundle = load_bundle(folder, self.device, self.dtype, loaded=loaded, keys=self.keys)
            if all(bundle.search is not other.search for other in loaded):
                warm_up(bundle)
                name, version = bundle.manifest.name, bundle.manifest.version
                logger.info("loaded %s %s in %s from %s", name, version, bundle.dtype, folder)
        except BundleError as error:
            logger.error("%s", error)
            return None, str(error).replace(str(folder), folder.name)
        except Exception as error:  # a TorchScript archive can fail in any way when it first runs
            logger.exception("%s: %s failed its warm-up", folder, MANIFEST)
            return None, f"{folder.name}: failed its warm-up: {type(error).__name__}"
        return bundle, None


def _stay_inside(folder: Path) -> None:
    models = folder.parent.resolve()
    for path in (folder, *(folder / name for name in _READ)):
        if not path.resolve().is_relative_to(models):
            raise BundleError(f"{path}: is a link that leads out of the folder of bundles")


def warm_up(bundle: Bundle) -> None:
    """Decode one sentence, so that the first request does not pay for what is made at first use.

    ValueError when nothing is found, as by a network that gives NaN.
    """
    source = bundle.tokenizer.encode_source("1, 2, 3.", bundle.manifest.tasks[0])
    if not all(bundle.search.search([source], bundle.manifest.decoding)):
        raise ValueError("it found nothing to say")
