"""What ``GET /ping`` says, by which the platform decides where requests go; and the load that it waits for."""

import threading
from typing import Any

from f5_worker import log
from f5_worker.errors import WorkerError
from f5_worker.resources import Resources

_LEAST_PAUSE = 1.0  # seconds between two loads, also where MODEL_RETRY_SECONDS is less


class Readiness:
    """The load begins with the server, since no request comes before ``/ping`` says 200; a failed one is tried again by itself.

    RunPod's load balancer sends requests to a worker that answers 200, takes 204 for one that is starting, and everything else
    for one that is not well: so is a worker whose load has failed, until a later load succeeds.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._broken: WorkerError | None = None
        self._ended = threading.Event()

    def begin(self) -> None:
        """Load in the background."""
        threading.Thread(target=self._load, name="model-loading", daemon=True).start()

    def end(self) -> None:
        """Try no more loads."""
        self._ended.set()

    def broken(self, message: str) -> None:
        """No later job in this process can succeed."""
        self._broken = WorkerError(message)

    @property
    def loaded(self) -> bool:
        """Whether a model speaks."""
        resources = self._resources
        return (resources.stand_in if resources.standing_in else resources.model).value is not None

    @property
    def retry_in(self) -> float:
        """Seconds until a failed load is tried again."""
        return self._resources.model.retry_in

    def ping(self) -> tuple[int, dict[str, Any]]:
        """The status, and its reason."""
        failure = self._broken
        if failure is None and self.loaded:
            return 200, {"status": "ready"}
        resources = self._resources
        failure = failure or (resources.stand_in.error if resources.standing_in else resources.model.error)
        if failure is None:
            return 204, {}
        return 503, {"status": "failed", **failure.answer()}

    def _load(self) -> None:
        while True:
            try:
                self._resources.speaker()
                return
            except WorkerError as error:
                log.error(error.message)
                if error.refresh_worker or self._resources.settings_error is not None:
                    return
            if self._ended.wait(max(_LEAST_PAUSE, self.retry_in)):
                return
