"""One job as its endpoint sees it: the settings it runs under, where its files go, whether its caller still waits."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from f5_worker.errors import JobStopped, StorageNotConfiguredError
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from f5_worker.stages import Stages

NO_BUCKET_FIX = "set S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the endpoint, or send s3Config with the job."


class Stop:
    """Whether the caller has stopped the job. Thread-safe; what waits for something else is woken, so that nobody polls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stopped = False
        self._callbacks: list[Callable[[], None]] = []

    def set(self) -> None:
        """Stop the job; what was registered with ``wakes`` is called in this thread."""
        with self._lock:
            self._stopped = True
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def is_set(self) -> bool:
        """Whether the job is stopped."""
        return self._stopped

    def check(self) -> None:
        """Raise ``JobStopped`` once the job is stopped."""
        if self._stopped:
            raise JobStopped

    @contextmanager
    def wakes(self, callback: Callable[[], None]) -> Iterator[None]:
        """Within the block ``callback`` is called when the job is stopped, at once if it is already. It must not block."""
        with self._lock:
            self._callbacks.append(callback)
            stopped = self._stopped
        try:
            if stopped:
                callback()
            yield
        finally:
            with self._lock:
                self._callbacks.remove(callback)


@dataclass(frozen=True, slots=True)
class Job:
    """``s3`` is the job's own configuration where it sent one, else the endpoint's. ``warnings`` reach the answer.

    ``id`` is the platform's, ``digest`` the SHA-256 of its input: a job that is handed out again has both. For ``other_voices``
    the default voice speaks where no voice of that name is stored.
    """

    settings: Settings
    s3: S3Config | None = None
    stop: Stop = field(default_factory=Stop)
    id: str | None = None
    digest: str = ""
    warnings: list[str] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)
    other_voices: frozenset[str] = frozenset()

    def storage(self) -> S3Config:
        """The S3 configuration, for endpoints that cannot do without.

        Raises:
            StorageNotConfiguredError: when there is none.
        """
        if self.s3 is None:
            raise StorageNotConfiguredError(f"No S3 bucket is configured; {NO_BUCKET_FIX}")
        return self.s3
