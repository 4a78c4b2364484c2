"""One job as its endpoint sees it: the settings it runs under, where its files go, whether its caller still waits."""

import threading
import time
from dataclasses import dataclass, field

from f5_worker.errors import JobStopped, StorageNotConfiguredError
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """``s3`` is the job's own configuration where it sent one, else the endpoint's."""

    settings: Settings
    s3: S3Config | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    warnings: list[str] = field(default_factory=list)

    def check_stopped(self) -> None:
        """Raise JobStopped once the caller has stopped the job."""
        if self.stop.is_set():
            raise JobStopped

    def storage(self) -> S3Config:
        """The S3 configuration, for endpoints that cannot do without.

        Raises:
            StorageNotConfiguredError: when there is none.
        """
        if self.s3 is None:
            raise StorageNotConfiguredError(
                "No S3 bucket is configured; set S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the endpoint, "
                "or send s3Config with the job."
            )
        return self.s3


class Stopwatch:
    """Seconds by stage: ``lap`` gives the time since the last lap to a stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last lap to stage ``name``."""
        now = time.perf_counter()
        self.laps[name] = self.laps.get(name, 0.0) + now - self._last
        self._last = now
