"""What one running service consists of, from its start to its end."""

import asyncio
import gc
import logging

from model.config import Task
from service.access import Access
from service.catalogue import Catalogue, Entry, load_catalogue
from service.codes import all_codes
from service.detection import Detection, Detector
from service.downloads import Downloads
from service.engine import make_engine
from service.errors import NotReady
from service.metrics import Metrics
from service.settings import Settings, choose_device
from service.translator import Translator

logger = logging.getLogger(__name__)

FILES_AT_ONCE = 4
"""Files that are read, translated and written at once: fewer than the threads that texts need as well."""


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
        self.detector = Detector([])
        """Tells the served languages apart."""

    async def load(self) -> None:
        """Load all bundles in a thread, so that health and metrics answer meanwhile; never raises."""
        try:
            catalogue = await asyncio.to_thread(load_catalogue, self.settings)
        except Exception:
            logger.exception("loading the bundles failed")
            self._loading_failed = True
            return
        for state in ("ready", "failed"):
            count = sum((entry.error is None) == (state == "ready") for entry in catalogue.entries)
            self.metrics.bundles.labels(state).set(count)
        self.metrics.bundle_info.clear()
        for task, bundle in catalogue.serving.items():
            self.metrics.bundle_info.labels(bundle.manifest.name, bundle.manifest.version, bundle.dtype, task).set(1)
        self.engine.start()
        self._translator = Translator(catalogue, self.engine)
        self._catalogue = catalogue
        self.detector = Detector(self.languages)
        # What there is now stays. The garbage collector would go through all of it, hundreds of thousands of objects,
        # again and again, for a tenth of a second each time.
        gc.freeze()
        # Not before the service is ready, and not when the first text has to be told: it takes a second or two.
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
        return all_codes(code for task in self.translations for code in (task.source, task.target))

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
