"""The decisions of one start: which environment the worker gets, where a missing one is built, what is used in its place."""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from bootstrap import places
from bootstrap.door import is_local
from bootstrap.options import Options
from bootstrap.places import Location
from bootstrap.report import CRASH, REFRESH_AFTER, Failure, HotStart, Report, Status, log
from bootstrap.store import Environment, Store, fingerprint
from bootstrap.survey import Survey, survey

if TYPE_CHECKING:
    from bootstrap.build import Task

_CACHES = {"HF_HOME": "huggingface", "TORCH_HOME": "torch", "XDG_CACHE_HOME": "cache", "TRITON_CACHE_DIR": "triton"}


class Start:
    """One start of the worker whose code lies in ``project``; ``root``, if given, stands for the network volume.

    With a ``worker`` that goes on after it, an environment is built on the local disk and copied to the volume meanwhile;
    ``building`` is entered, with what is wrong, for a build that a volume's trouble has brought about.
    """

    def __init__(
        self,
        project: Path,
        root: Path | None,
        environment: Mapping[str, str],
        requirements: Sequence[Path],
        *,
        worker: bool = True,
        building: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._project = project
        self._environment = environment
        self._requirements = requirements
        self._image = places.image(environment)
        self._volume = places.volume(environment, root)
        self._volume_root = root or places.volume_root(environment)
        self._worker = worker
        self._building = building
        self._began = time.monotonic()
        self._fingerprint = ""
        self._seconds: dict[str, float] = {}
        self._warnings: list[str] = []
        self._hot_start: HotStart = None
        self._trouble = places.volume_trouble(environment, root)
        if self._trouble:
            self._warn(f"{self._trouble} The worker goes on without it; look at the volume's state.")

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
            if failure.cause == "volume":
                self._trouble = failure.reason
            return self._report_without(failure)
        except Exception:  # noqa: BLE001 - the container must start, whatever is wrong with this code
            log(traceback.format_exc(), "ERROR")
            return self._report_without(CRASH)

    def cache_root(self) -> str:
        """The worker's folder on the network volume, for model and compiler caches; empty where it cannot be written."""
        usable = self._volume.lasts and self._survey.writable and not self._trouble
        return str(self._volume.base) if usable else ""

    def defaults(self) -> dict[str, str]:
        """Variables for the worker, unless the user has set them: caches on the volume, the model that is in the image."""
        caches, model = self.cache_root(), self._image.base / "model"
        found = {name: f"{caches}/{folder}" for name, folder in _CACHES.items()} if caches else {}
        return {**found, "F5TTS_MODEL": str(model)} if model.is_dir() else found

    @cached_property
    def _survey(self) -> Survey:
        """The volume as it was found, once: every look may hang."""
        found = survey(self._volume, self._fingerprint)
        if found.failure is not None and found.failure.cause == "volume":
            self._trouble = found.failure.reason
            self._warn(f"{self._trouble} The worker goes on without it; look at the volume's state.")
        return found

    def _obtain(self) -> tuple[Status, Environment]:
        """The environment for the requirements, as it lies there or newly built.

        Raises:
            Failure: when there is none, and none can be built.
        """
        self._fingerprint = fingerprint(self._requirements)
        if environment := Store(self._image).ready(self._fingerprint) or self._ready_on_volume():
            log(f"the environment is ready, from {places.place_name(environment.place)}")
            return "ready", environment
        if self._is_copied_later and (environment := self._ready_locally()):
            log("the environment is ready, from the local disk")
            self._copy_later(environment)
            return "ready", environment
        options = Options.read(self._environment)
        if self._newest_other():
            options = options.without_retries()  # with something to fall back on, a dead index must not hold up every start
        from bootstrap.build import Task  # a warm start needs nothing of it

        deadline = self._began + options.limit
        task = Task(self._project, self._requirements, self._fingerprint, self._environment, options, deadline, self._seconds)
        with self._building(self._trouble) if self._trouble else nullcontext():
            status, environment = self._build(task)
        log(f"the environment is ready after {time.monotonic() - self._began:.1f} s")
        return status, environment

    def _ready_on_volume(self) -> Environment | None:
        """The environment on the volume, as it begins fastest (hot.py); ``None`` too where the volume has come to hang."""
        if self._survey.ready is None or is_local(self._volume_root):
            return self._survey.ready  # with nothing imported that a warm start can do without
        from bootstrap.hot import warm

        began = time.monotonic()
        try:
            environment, self._hot_start = warm(self._survey.ready, self._volume_root, self._local_places(), self._environment)
        except Failure as failure:
            self._trouble = failure.reason
            self._warn(f"{self._trouble} The worker goes on without it; look at the volume's state.")
            return None
        self._seconds["unpacking"] = round(time.monotonic() - began, 3)
        return environment

    def _build(self, task: "Task") -> tuple[Status, Environment]:
        from bootstrap.build import obtain

        if self._is_copied_later and (store := self._local_store(task.options.need)):
            try:
                environment = obtain(store, task)
            except Failure as failure:
                if failure.cause != "disk" or not self._survey.writable:
                    raise
                log(f"{failure.reason} It is built on the network volume itself, which takes longer", "WARN")
            else:
                self._copy_later(environment)
                return "built", environment
        store = self._store()
        if store.location.kind != "volume":
            ready = store.ready(self._fingerprint)
            return ("ready", ready) if ready else ("built", obtain(store, task))
        from bootstrap.apart import on_volume

        door = places.door(self._volume_root)
        try:
            environment, task.seconds = on_volume(
                self._volume_root, lambda: (obtain(store, task), task.seconds), lambda: not door.look().hangs
            )
        finally:
            self._seconds = task.seconds
        return "built", environment

    @property
    def _is_copied_later(self) -> bool:
        """Whether an environment is used from the local disk and copied to the volume meanwhile, or once that answers.

        Building on a network volume takes too long. If it is full the copy will say so, and the worker speaks.
        """
        found = self._survey
        full = found.failure is not None and found.failure.cause == "disk"
        far = not is_local(self._volume_root)
        return self._worker and (self._trouble is not None or (far and (found.writable or full)))

    def _ready_locally(self) -> Environment | None:
        found = (Store(location).ready(self._fingerprint) for location in self._local_places())
        return next(filter(None, found), None)

    def _local_store(self, need: int) -> Store | None:
        """The first local folder that can be written and holds ``need`` bytes more."""
        from bootstrap.room import gb

        for location in self._local_places():
            found = survey(location, self._fingerprint)
            if found.writable and found.free >= need:
                return Store(location)
        log(f"no local disk has the {gb(need)} that an environment needs", "WARN")
        return None

    def _copy_later(self, environment: Environment) -> None:
        from bootstrap.publish import start

        start(self._project, self._volume_root, environment, self._environment)

    def _store(self) -> Store:
        """The place to build in: the volume if it can be written, else a local folder that is ready or can be written.

        Raises:
            Failure: when no place can be written, or the volume is full; another place would only hide that.
        """
        failure = self._survey.failure
        if self._survey.writable:
            if not self._volume.lasts:
                self._warn_of_loss("The folder of the network volume is not a mounted volume")
            return Store(self._volume)
        if failure is not None and failure.cause == "disk":
            raise failure
        if failure is not None and not self._trouble:
            log(failure.reason, "WARN")
        missing = self._trouble or (failure.reason if failure else "No network volume is attached.")
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
            self._warn_of_loss(missing.rstrip("."))
        return store

    def _local_places(self) -> Iterator[Location]:
        return places.local_places(self._environment, self._project)

    def _warn_of_loss(self, why: str) -> None:
        self._warn(
            f"{why}: the environment is lost with this worker, and every new one builds it again. "
            "Attach a writable network volume, or use an image built with BAKE_VENV=true."
        )

    def _warn(self, sentence: str) -> None:
        log(sentence, "WARN")
        self._warnings.append(sentence)

    def _newest_other(self) -> Environment | None:
        """The newest environment of another fingerprint that still works, on the volume, in the image or in a local folder."""
        if self._survey.others and not self._trouble:
            return self._survey.others[0]
        for location in (self._image, *self._local_places()):
            if others := Store(location).others(self._fingerprint):
                return others[0]
        return None

    def _report_without(self, failure: Failure) -> Report:
        """The report of a start without the environment that is wanted."""
        log(f"{failure.reason} {failure.fix}", "ERROR")
        older = self._newest_other()
        if older is None:
            return self._report("failed", None, failure)
        self._warn("An older environment is used, since there is none for these requirements.")
        return self._report("fallback", older, failure)

    def _report(self, status: Status, chosen: Environment | None, failure: Failure | None = None) -> Report:
        return Report(
            status=status,
            place=chosen.place if chosen else "none",
            interpreter=str(chosen.interpreter) if chosen else sys.executable,
            folder=str(chosen.home) if chosen else None,
            build=str(chosen.build) if chosen else None,
            fingerprint=chosen.fingerprint if chosen else self._fingerprint,
            cause=failure.cause if failure else None,
            reason=failure.reason if failure else None,
            fix=failure.fix if failure else None,
            warnings=tuple(self._warnings),
            refresh_after=None if chosen else REFRESH_AFTER,
            waits_for_volume=chosen is None and self._trouble is not None,
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
