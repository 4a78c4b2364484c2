"""The decisions of one start: which environment the worker gets, where a missing one is built, what is used in its place."""

import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bootstrap import places
from bootstrap.options import Options
from bootstrap.places import Location
from bootstrap.report import CRASH, REFRESH_AFTER, Failure, HotStart, Report, Status, log
from bootstrap.store import Environment, Store, fingerprint

_CACHES = {"HF_HOME": "huggingface", "TORCH_HOME": "torch", "XDG_CACHE_HOME": "cache", "TRITON_CACHE_DIR": "triton"}


class Start:
    """One start of the worker whose code lies in ``project``; ``root``, if given, stands for the network volume."""

    def __init__(self, project: Path, root: Path | None, environment: Mapping[str, str], requirements: Sequence[Path]) -> None:
        self._project = project
        self._environment = environment
        self._requirements = requirements
        self._image = places.image(environment)
        self._volume = places.volume(environment, root)
        self._began = time.monotonic()
        self._fingerprint = ""
        self._seconds: dict[str, float] = {}
        self._warnings: list[str] = []
        self._hot_start: HotStart = None
        if trouble := places.volume_trouble(environment, root):
            self._warnings.append(f"{trouble} The worker goes on without it; look at the volume's state.")
            log(self._warnings[-1], "WARN")

    def report(self) -> Report:
        """Find the environment or build it. Whatever goes wrong, the report names a Python that runs, and says what it was.

        SIGTERM and SIGINT end the process through the ``finally`` blocks, so that a worker that waits can go on at once.
        """
        handlers = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            return self._find_or_build()
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _find_or_build(self) -> Report:
        try:
            status, environment = self._obtain()
            return self._report(status, environment)
        except Failure as failure:
            return self._report_without(failure)
        except Exception:  # noqa: BLE001 - the container must start, whatever is wrong with this code
            log(traceback.format_exc(), "ERROR")
            return self._report_without(CRASH)

    def cache_root(self) -> str:
        """The worker's folder on the network volume, for model and compiler caches; empty where it cannot be written."""
        return str(self._volume.base) if self._volume.lasts and _is_writable(self._volume) else ""

    def defaults(self) -> dict[str, str]:
        """Variables for the worker, unless the user has set them: caches on the volume, the model that is in the image."""
        caches, model = self.cache_root(), self._image.base / "model"
        found = {name: f"{caches}/{folder}" for name, folder in _CACHES.items()} if caches else {}
        return {**found, "F5TTS_MODEL": str(model)} if model.is_dir() else found

    def _obtain(self) -> tuple[Status, Environment]:
        """The environment for the requirements, as it lies there or newly built.

        Raises:
            Failure: when there is none, and none can be built.
        """
        self._fingerprint = fingerprint(self._requirements)
        for location in (self._image, self._volume):
            if environment := Store(location).ready(self._fingerprint):
                log(f"the environment is ready, from {places.place_name(location.kind)}")
                if chosen := self._warm(environment):
                    return "ready", chosen
        store = self._store()
        if environment := store.ready(self._fingerprint):
            return "ready", environment
        from bootstrap.build import Task, obtain  # a warm start needs nothing of it

        options = Options.read(self._environment)
        if self._newest_other():
            options = options.without_retries()  # with something to fall back on, a dead index must not hold up every start
        deadline = self._began + options.limit
        task = Task(self._project, self._requirements, self._fingerprint, self._environment, options, deadline, self._seconds)
        environment = obtain(store, task)
        log(f"the environment is ready after {time.monotonic() - self._began:.1f} s")
        return "built", environment

    def _warm(self, environment: Environment) -> Environment | None:
        """The environment as it begins fastest (hot.py); ``None`` where the volume that holds it hangs."""
        if environment.place != "volume":
            return environment
        from bootstrap.hot import VolumeSilent, warm

        began = time.monotonic()
        try:
            chosen, self._hot_start = warm(environment, self._local_places(), self._environment)
        except VolumeSilent:
            self._volume = places.NO_VOLUME
            self._warnings.append("The network volume has stopped answering. The worker goes on without it.")
            log(self._warnings[-1], "WARN")
            return None
        self._seconds["unpacking"] = round(time.monotonic() - began, 3)
        return chosen

    def _store(self) -> Store:
        """The place to build in: the volume if it can be written, else a local folder that is ready or can be written.

        Raises:
            Failure: when no place can be written, or the volume is full; another place would only hide that.
        """
        try:
            self._volume.check_writable()
            if not self._volume.lasts:
                self._warn_of_loss("The folder of the network volume is not a mounted volume")
            return Store(self._volume)
        except FileNotFoundError:
            missing = "No network volume is attached"
        except Failure as failure:
            if failure.cause == "disk":
                raise
            missing = failure.reason.rstrip(".")
            log(failure.reason, "WARN")
        stores = [Store(location) for location in self._local_places()]
        ready = (store for store in stores if store.ready(self._fingerprint))
        store = next(ready, None) or next((store for store in stores if _is_writable(store.location)), None)
        if store is None:
            raise Failure(
                "read_only",
                "No place can be written: neither a network volume nor any local folder.",
                "Attach a network volume with write access, or use an image built with BAKE_VENV=true.",
            )
        if not store.location.lasts:
            self._warn_of_loss(missing)
        return store

    def _local_places(self) -> Iterator[Location]:
        return places.local_places(self._environment, self._project)

    def _warn_of_loss(self, why: str) -> None:
        sentence = (
            f"{why}: the environment is lost with this worker, and every new one builds it again. "
            "Attach a writable network volume, or use an image built with BAKE_VENV=true."
        )
        log(sentence, "WARN")
        self._warnings.append(sentence)

    def _newest_other(self) -> Environment | None:
        """The newest environment of another fingerprint that still works, on the volume, in the image or in a local folder."""
        for location in (self._volume, self._image, *self._local_places()):
            if others := Store(location).others(self._fingerprint):
                return others[0]
        return None

    def _report_without(self, failure: Failure) -> Report:
        """The report of a start without the environment that is wanted."""
        log(f"{failure.reason} {failure.fix}", "ERROR")
        older = self._newest_other()
        if older is None:
            return self._report("failed", None, failure)
        text = "An older environment is used, since there is none for these requirements."
        log(text, "WARN")
        self._warnings.append(text)
        return self._report("fallback", older, failure)

    def _report(self, status: Status, chosen: Environment | None, failure: Failure | None = None) -> Report:
        return Report(
            status=status,
            place=chosen.place if chosen else "none",
            interpreter=str(chosen.interpreter) if chosen else sys.executable,
            folder=str(chosen.home) if chosen else None,
            fingerprint=chosen.fingerprint if chosen else self._fingerprint,
            cause=failure.cause if failure else None,
            reason=failure.reason if failure else None,
            fix=failure.fix if failure else None,
            warnings=tuple(self._warnings),
            refresh_after=None if chosen else REFRESH_AFTER,
            seconds={**self._seconds, "total": round(time.monotonic() - self._began, 3)},
            size=chosen.size if chosen else None,
            hot_start=self._hot_start,
            versions=chosen.versions if chosen else {},
        )


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _is_writable(location: Location) -> bool:
    try:
        location.check_writable()
    except (Failure, FileNotFoundError):
        return False
    return True
