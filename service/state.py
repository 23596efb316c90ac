"""What one running service consists of, from its start to its end."""

import asyncio
import gc
import logging

from model.allocator import return_freed_memory
from model.bundle import BundleError
from model.config import Task
from service.access import Access
from service.catalogue import NOTHING, Catalogue, Changes, Entry, Stamps, compare, load_catalogue, stamps
from service.codes import codes_of
from service.detection import Detection, Detector
from service.downloads import Downloads
from service.engine import make_engine
from service.errors import NotReady, ReloadFailed
from service.files import FILES_AT_ONCE
from service.metrics import Metrics
from service.settings import Settings, SettingsError, choose_device
from service.translator import Translator

logger = logging.getLogger(__name__)

NOT_AGAIN = "the bundles could not be loaded again, and are served as they were"
RETURN_SECONDS = 60.0
"""How often memory that is free is given back to the system."""


class ServiceState:
    """Settings, metrics and engine from the start; catalogue and translator once the networks are loaded."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings = settings
        self.metrics = metrics
        self.access = Access(settings)
        self.engine = make_engine(settings, metrics)
        self.downloads = Downloads()
        self.files_in_progress = 0
        self.file_turns = asyncio.Semaphore(FILES_AT_ONCE)
        self.draining = False
        self.requests_in_progress = 0
        metrics.requests_in_progress.set_function(lambda: self.requests_in_progress)
        metrics.ready.set_function(lambda: self.why_not_ready is None)
        metrics.draining.set_function(lambda: self.draining)
        metrics.describe_device(choose_device(settings))
        self._loading_failed = False
        self._catalogue: Catalogue | None = None
        self._translator: Translator | None = None
        self._reloading = asyncio.Lock()
        self._stamps: Stamps = {}
        self._detected: list[str] = []
        self.detector = Detector([])
        """Tells the served languages apart."""

    async def load(self) -> None:
        """Load all bundles in a thread, so that health and metrics answer meanwhile; never raises."""
        try:
            await self.reload()
        except Exception:
            logger.exception("loading the bundles failed")
            self._loading_failed = True
            return
        # What there is now stays. The garbage collector would go through all of it, hundreds of thousands of objects,
        # again and again, for a tenth of a second each time. A bundle that leaves needs no collector.
        gc.freeze()

    async def reload(self) -> Changes:
        """Load what is new in the folder of bundles and serve it instead of what was there; one call after another.

        Who is being answered by a bundle that leaves is answered by it to the end. NotReady while shutting down;
        ReloadFailed when the folder or the keys cannot be read, and then nothing has changed.
        """
        async with self._reloading:
            if self.draining:
                raise NotReady(f"Not ready: {self.why_not_ready}")
            before = self._catalogue or NOTHING
            try:
                found = await asyncio.to_thread(stamps, self.settings.models)
                catalogue = await asyncio.to_thread(load_catalogue, self.settings, before)
                translator = await asyncio.to_thread(Translator, catalogue, self.engine, self._translator)
            except (BundleError, OSError, SettingsError) as error:
                self.metrics.reloads.labels("failed").inc()
                raise ReloadFailed(f"Nothing was loaded: {error}") from error
            self._stamps = found
            self._serve(translator)
            self.metrics.reloads.labels("done").inc()
            await self._learn_languages()  # before anything else is awaited: it has to tell apart what is served
            await asyncio.to_thread(return_freed_memory)  # half of what loading took
            return compare(before, catalogue)

    async def watch(self) -> None:
        """Reload when the folder of bundles has changed and no more is being written to it; until it is cancelled.

        What cannot be loaded as a whole, as keys that are gone, is tried again each time; the log says so once.
        """
        last = given_up = None
        said = ""
        while self.settings.reload_seconds:
            await asyncio.sleep(self.settings.reload_seconds)
            found = await asyncio.to_thread(stamps, self.settings.models)
            if found == self._stamps:
                said = ""
            elif found == last and found != given_up and not self.draining:
                try:
                    await self.reload()
                except ReloadFailed as error:
                    if str(error) != said:
                        logger.exception(NOT_AGAIN)
                    said = str(error)
                except Exception:  # of ours, which would come again
                    logger.exception(NOT_AGAIN)
                    given_up = found
            last = found

    async def return_memory(self) -> None:
        """Give back what is free, now and then: of a burst, or of a bundle that left; until it is cancelled.

        The C library keeps it otherwise, in pieces between what is in use, and each burst leaves more of them.
        """
        while True:
            await asyncio.sleep(RETURN_SECONDS)
            await asyncio.to_thread(return_freed_memory)

    def _serve(self, translator: Translator) -> None:
        catalogue = translator.catalogue
        for state, count in catalogue.counts.items():
            self.metrics.bundles.labels(state).set(count)
        self.metrics.bundle_info.clear()
        for task, bundle in catalogue.serving.items():
            self.metrics.bundle_info.labels(bundle.manifest.name, bundle.manifest.version, bundle.dtype, task).set(1)
        if self._catalogue is None:
            self.engine.start()
        self._translator = translator
        self._catalogue = catalogue
        self._loading_failed = False

    async def _learn_languages(self) -> None:
        """Tell the served languages apart from now on."""
        if self._detected == self.languages:
            return
        self._detected = self.languages
        self.detector = Detector(self.languages)
        # Not before they are served, and not when the first text has to be told: it takes a second or two.
        try:
            await asyncio.to_thread(self.detector.load)
        except Exception:
            logger.exception("the languages' n-grams cannot be read")

    @property
    def catalogue(self) -> Catalogue:
        """The bundles; NotReady until they are loaded."""
        if self._catalogue is None:
            raise NotReady(f"Not ready: {self.why_not_ready}")
        return self._catalogue

    @property
    def translator(self) -> Translator:
        """What runs tasks; NotReady while loading, while draining, and when there is nothing to run."""
        if self._translator is None or self.why_not_ready:
            raise NotReady(f"Not ready: {self.why_not_ready}")
        return self._translator

    @property
    def entries(self) -> list[Entry]:
        """The bundles found so far: none while loading."""
        return self._catalogue.entries if self._catalogue else []

    @property
    def translations(self) -> list[Task]:
        """The served translations."""
        return [task for task in self.catalogue.serving if task.kind == "translate"]

    @property
    def languages(self) -> list[str]:
        """Codes that a served translation has on either side."""
        return codes_of(self.catalogue)

    def detect(self, text: str) -> list[Detection]:
        """Return the languages that a text may be in, best first, as the detector's ``detect``, and count the best."""
        found = self.detector.detect(text)
        best = found[0].language if found and found[0].confidence else "unknown"
        self.metrics.detected_languages.labels(best).inc()
        return found

    @property
    def engine_failed(self) -> bool:
        """Whether the engine should decode and does not: a thread ended, or a step does not."""
        if self._catalogue is None:
            return False
        return not self.engine.is_alive() or self.engine.stalled_seconds() > self.settings.stall_seconds

    @property
    def why_not_ready(self) -> str | None:
        """A few words when requests cannot be served now."""
        if self.draining:
            return "shutting down"
        if self._loading_failed:
            return "loading failed; the log says why"
        if self._catalogue is None:
            return "loading"
        if not self._catalogue.serving:
            return "no bundle can be served"
        if self.engine_failed:
            return "the engine has stopped"
        return None
