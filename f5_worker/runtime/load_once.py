"""One value that is loaded by whoever needs it first: single-flight, with a memory for failures."""

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from f5_worker.errors import WorkerError

T = TypeVar("T")


class LoadOnce(Generic[T]):
    """Of several ``get`` at once one calls ``load``, and the others wait for it.

    A failed load is kept: within the cool-down it is reported again at once, the first need after that tries again.
    Failures are ``WorkerError``; ``load`` turns every other error into one.
    """

    def __init__(
        self, load: Callable[[], T], retry_seconds: Callable[[], float], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._retry_seconds = retry_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._retry_at = 0.0
        self.value: T | None = None
        self.error: WorkerError | None = None

    @property
    def retry_in(self) -> float:
        """Seconds until a failed load is tried again; 0 where none has failed."""
        return max(0.0, self._retry_at - self._clock()) if self.error is not None else 0.0

    def raise_remembered(self) -> None:
        """Raise the error of the last load while its cool-down lasts."""
        failure = self.error
        if failure is not None and self._clock() < self._retry_at:
            # A new one each time: several jobs may be answered with it at once, and each adds its own traceback.
            raise failure.again()

    def get(self) -> T:
        """The value, loaded if need be.

        Raises:
            WorkerError: as ``load`` raised it, now or within the cool-down.
        """
        with self._lock:
            if self.value is not None:
                return self.value
            self.raise_remembered()
            try:
                self.value = self._load()
            except WorkerError as error:
                self.error = error
                self._retry_at = self._clock() + self._retry_seconds()
                raise
            self.error = None
            return self.value
