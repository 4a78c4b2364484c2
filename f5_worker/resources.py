"""What lives as long as the worker: its settings, the model, Whisper, the references. Made once, and handed to every job.

Making it loads nothing and never fails: settings that cannot work are kept as an error that every job is answered with.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.report import Report
from f5_worker import log
from f5_worker.delivery.records import Records
from f5_worker.errors import EnvironmentFailedError, HubUnreachableError, PackageMissingError, SettingsError, WorkerError
from f5_worker.runtime.load_once import LoadOnce
from f5_worker.runtime.packages import missing_package
from f5_worker.settings import Settings, front_settings, load_settings
from f5_worker.speech.scheduler import Scheduler
from f5_worker.voice.cache import ReferenceCache
from f5_worker.volume import look

if TYPE_CHECKING:
    from f5_worker.audio.samples import Samples
    from f5_worker.model.load import LoadedModel
    from f5_worker.timing.pauses import Pause
    from f5_worker.timing.whisper import WhisperAligner
    from f5_worker.timing.words import Word
    from f5_worker.voice.transcriber import Transcriber


class Resources:
    """Thread-safe. ``settings`` are the defaults where ``settings_error`` says that the environment's cannot work."""

    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self.settings, self.settings_error = _read_settings(environment)
        self.report = Report.from_environment(environment)
        self.jobs = {"completed": 0, "failed": 0, "stopped": 0}
        self.references = ReferenceCache(self.settings.reference_cache_items)
        self.records = Records()
        self.scheduler = Scheduler()
        # Settings that cannot work are no failed load: nothing was tried that a later job would have to be spared.
        retry_seconds = 0.0 if self.settings_error else self.settings.model_retry_seconds
        self.model: LoadOnce[LoadedModel] = LoadOnce(partial(self._load, stand_in=False), lambda: retry_seconds, clock)
        self.stand_in: LoadOnce[LoadedModel] = LoadOnce(partial(self._load, stand_in=True), lambda: retry_seconds, clock)
        self._clock = clock
        self._started_at = clock()
        self._transcriber: Transcriber | None = None
        self._word_finder: WhisperAligner | None = None
        self._transcriber_lock = threading.Lock()

    @property
    def uptime(self) -> float:
        """Seconds since the worker started."""
        return self._clock() - self._started_at

    @property
    def standing_in(self) -> bool:
        """Whether the demo model speaks, since this local run could not have the configured one from the hub."""
        return self.settings.demo_stands_in and isinstance(self.model.error, HubUnreachableError)

    def speaker(self) -> "LoadedModel":
        """The model that speaks: the configured one, tried again after each cool-down; else, where it may, the demo model.

        Raises:
            WorkerError: neither can be loaded.
        """
        try:
            return self.model.get()
        except HubUnreachableError:
            if not self.settings.demo_stands_in:
                raise
        return self.stand_in.get()

    def raise_remembered(self) -> None:
        """Raise the error for which no model will speak before a cool-down is over."""
        (self.stand_in if self.standing_in else self.model).raise_remembered()

    def fetch_whisper(self) -> None:
        """Have Whisper's files here before the model's thread loads it; see ``Transcriber.fetch``."""
        self._whisper().fetch(self.settings.network_volume)

    def transcribe(self, samples: "Samples") -> str:
        """What Whisper hears; see ``Transcriber.transcribe``."""
        return self._whisper().transcribe(samples)

    def find_words(
        self, words: "Sequence[Word]", samples: "Samples", pauses: "Sequence[Pause]", language: str
    ) -> "list[tuple[tuple[float, float], float] | None]":
        """Where Whisper hears words that it is told; see ``WhisperAligner.find``."""
        pipeline = self._whisper().pipeline()
        with self._transcriber_lock:
            if self._word_finder is None:
                from f5_worker.timing.whisper import WhisperAligner

                self._word_finder = WhisperAligner(pipeline)
        return self._word_finder.find(words, samples, pauses, language)

    def _whisper(self) -> "Transcriber":
        with self._transcriber_lock:
            if self._transcriber is None:
                from f5_worker.model.engine import load_engine
                from f5_worker.runtime.device import pick_device
                from f5_worker.voice.transcriber import Transcriber

                load_engine()
                device = pick_device(self.settings)
                self._transcriber = Transcriber(
                    self.settings.asr_model,
                    device,
                    retry_seconds=self.settings.model_retry_seconds,
                    network_volume=self.settings.network_volume,
                )
            return self._transcriber

    def package_missing(self, error: ImportError | PackageMissingError) -> PackageMissingError:
        """The typed error; where the bootstrap could not build the environment that holds the package, with its reasons."""
        failure = missing_package(error) if isinstance(error, ImportError) else error
        report = self.report
        if report is None or report.speech:
            return failure
        # Not before the report's time: a worker that is replaced at once would build, and fail, in a tight loop.
        is_time = report.refresh_after is not None and self.uptime >= report.refresh_after
        is_time = is_time or (report.waits_for_volume and look(self.settings).trouble is None)
        kind = EnvironmentFailedError if is_time else PackageMissingError
        return kind(f"{report.reason} {report.fix} Until then, speech is not available: {failure.message}", **failure.details)

    def _load(self, *, stand_in: bool) -> "LoadedModel":
        try:
            if self.settings_error is not None:
                raise self.settings_error.again()
            from f5_worker.model.load import load_model, load_stand_in

            log.info(f"The {'demo model' if stand_in else f'model {Path(self.settings.model).name}'} loads")
            return (load_stand_in if stand_in else load_model)(self.settings)
        except (ImportError, PackageMissingError) as error:
            failure: WorkerError = self.package_missing(error)
        except WorkerError as error:
            failure = error
        raise failure.because("Model not available: ")


def _read_settings(environment: Mapping[str, str]) -> tuple[Settings, SettingsError | None]:
    try:
        return load_settings(environment), None
    except SettingsError as error:
        return Settings(front=front_settings(environment)), error
