"""What speech needs of the process and keeps between jobs: the model, Whisper, the references, one inference at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from f5_worker.settings import Settings
from f5_worker.voice.cache import ReferenceCache
from f5_worker.voice.transcriber import Transcriber

if TYPE_CHECKING:
    from f5_worker.audio.samples import Samples
    from f5_worker.model.load import LoadedModel


class Studio:
    """``model`` gives the model, loading it if need be. Thread-safe."""

    def __init__(self, settings: Settings, model: "Callable[[], LoadedModel]") -> None:
        self.model = model
        self.references = ReferenceCache(settings.reference_cache_items)
        self._settings = settings
        self._transcriber: Transcriber | None = None
        self._transcriber_lock = threading.Lock()
        self._inference_lock = threading.Lock()

    def transcribe(self, samples: "Samples") -> str:
        """What Whisper hears; see ``Transcriber.transcribe``."""
        with self._transcriber_lock:
            if self._transcriber is None:
                from f5_worker.model.engine import load_engine
                from f5_worker.runtime.device import pick_device

                device = pick_device(load_engine().torch, self._settings)
                retry_seconds = self._settings.model_retry_seconds
                self._transcriber = Transcriber(self._settings.asr_model, device, retry_seconds=retry_seconds)
        return self._transcriber.transcribe(samples)

    @contextmanager
    def inference(self, check_stopped: Callable[[], None]) -> Iterator[None]:
        """One inference at a time; a job that is stopped while it waits leaves the queue."""
        while not self._inference_lock.acquire(timeout=0.2):
            check_stopped()
        try:
            check_stopped()
            yield
        finally:
            self._inference_lock.release()
