"""One environment for many workers: found, waited for, or built."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bootstrap.installer_errors import is_transient, plain
from bootstrap.installers import Installer, find_installer, run, with_uv
from bootstrap.lease import Held, LeaseLost
from bootstrap.options import Options
from bootstrap.places import place_name, temporary_folder, write_failure
from bootstrap.report import Failure, log
from bootstrap.room import gb, needed, too_small
from bootstrap.store import Environment, Store
from bootstrap.turn import wait_for_turn

_IMPORT_CHECK = Path(__file__).parent / "import_check.py"


@dataclass(slots=True)
class Task:
    """What is wanted, and how long it took so far. ``project`` is the worker's code, ``deadline`` is monotonic."""

    project: Path
    requirements: Sequence[Path]
    fingerprint: str
    environment: Mapping[str, str]
    options: Options
    deadline: float
    seconds: dict[str, float] = field(default_factory=dict)

    def spent(self, phase: str, since: float) -> None:
        """Add the time from ``since`` until now to a phase."""
        self.seconds[phase] = round(self.seconds.get(phase, 0.0) + time.monotonic() - since, 3)

    def check_time(self) -> None:
        """Raise ``Failure`` when the platform would soon give this worker up."""
        if time.monotonic() > self.deadline:
            raise Failure(
                "time",
                "The environment was not ready within the time that the platform gives a new worker.",
                "Set RUNPOD_INIT_TIMEOUT=1800 in the endpoint's environment variables for the first start, "
                "or use an image built with BAKE_VENV=true.",
            )


def obtain(store: Store, task: Task) -> Environment:
    """The environment for the task from a place that can be written: as it lies there, from another worker, or built here.

    Raises:
        Failure: when it could not be built.
    """

    def check(waited: float) -> None:
        task.check_time()
        if waited:
            task.seconds["waiting"] = round(waited, 3)

    while True:
        try:
            found = wait_for_turn(store, task.fingerprint, task.options, check)
            if isinstance(found, Environment):
                return found
            with found as held:
                return _build(store, task, held)
        except LeaseLost:
            log("another worker has taken this build over", "WARN")
        except OSError as error:
            raise write_failure(error, store.location.kind) from error


def _build(store: Store, task: Task, held: Held) -> Environment:
    outcome: dict[str, Any] = {"status": "stopped"}
    build = store.new_build(task.fingerprint)
    try:
        if environment := store.ready(task.fingerprint):  # finished between our last look and our lease
            outcome = {"status": "ready"}
            return environment
        for leftover in store.unfinished(task.fingerprint):
            held.announce(f"removing the half-made environment {leftover.name}")
            store.discard(leftover)
        _check_space(store, task)
        facts = _install(store, task, held, build)
        _check_lease(held)
        store.mark(build, facts)
        environment = store.ready(task.fingerprint)
        if environment is None:
            raise Failure("interpreter", "The new environment does not lead to this Python.", "Report this as a bug.")
        outcome = {"status": "ready"}
        return environment
    except (Failure, OSError) as error:
        if held.lost:
            raise LeaseLost from error
        failure = error if isinstance(error, Failure) else write_failure(error, store.location.kind)
        outcome = {"status": "failed", "cause": failure.cause, "reason": failure.reason, "fix": failure.fix}
        raise failure from error
    finally:
        made = outcome["status"] == "ready"
        _discard_quietly(store, *(() if made else (build,)), _volume_cache(build), _tools(build))
        if not held.lost:
            held.finish(outcome)
        _sweep(store, task, downloads=made)


def _install(store: Store, task: Task, held: Held, build: Path) -> dict[str, Any]:
    began = time.monotonic()
    kind = store.location.kind
    cache = _cache(task, store, build)

    def check() -> None:
        task.check_time()
        _check_lease(held)

    held.announce("looking for an installer")
    installer = with_uv(find_installer(task.environment, cache, kind), _tools(build), check)
    held.announce(f"making an environment on {place_name(kind)} with {installer.name}")
    installer.make(build, check)
    held.announce(f"installing {', '.join(path.name for path in task.requirements)} with {installer.name}")
    _with_retries(installer, build, task, held, check)
    task.spent("installing", began)
    log(f"installed in {task.seconds['installing']:.0f} s")
    began = time.monotonic()
    held.announce("checking that the worker's imports work")
    facts = _check_imports(build, installer, task, check)
    task.spent("checking", began)
    log(f"{facts['checked']} imports work, checked in {task.seconds['checking']:.0f} s; {gb(facts['size'])} installed")
    return {
        "python": sys.version.split()[0],
        "versions": facts["versions"],
        "size": facts["size"],
        "seconds": dict(task.seconds),
        "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),  # for people only: clocks differ
    }


def _with_retries(installer: Installer, build: Path, task: Task, held: Held, check: Any) -> None:
    pause = task.options.backoff
    for left in range(task.options.retries, -1, -1):
        try:
            installer.install(build, task.requirements, check)
            return
        except Failure as failure:
            if left == 0 or not is_transient(failure):
                raise
            held.announce(f"{failure.reason} Trying again in {pause:.0f} s")
            until = time.monotonic() + pause
            while time.monotonic() < until:
                check()
                time.sleep(min(0.2, pause))
            pause *= 2


def _check_imports(build: Path, installer: Installer, task: Task, check: Any) -> dict[str, Any]:
    command = [str(build / "bin" / "python"), "-I", str(_IMPORT_CHECK), str(task.project)]
    code, output = run(command, installer.environment, check)
    for line in output.splitlines()[:-1]:
        log(plain(line))
    try:
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        ok = bool(answer["ok"])
    except (ValueError, IndexError, KeyError, TypeError):
        log(f"the import check ended with {code}: {plain(output[-500:])}", "ERROR")
        raise Failure(
            "interpreter",
            "The new environment's Python does not run." if code else "The import check gave no answer.",
            "Look at the worker's log; if the base image is your own, check that its Python is complete.",
        ) from None
    if not ok:
        raise Failure(
            "import",
            f"Everything was installed, but the worker cannot import {answer['module']}: {plain(str(answer['error']))}.",
            "Check that requirements.txt belongs to this version of the worker, and that the base image is not cut down.",
        )
    return answer


def _check_lease(held: Held) -> None:
    if held.lost:
        raise LeaseLost


def _check_space(store: Store, task: Task) -> None:
    need = needed(store.location, task.options)
    if store.trash.is_dir() and shutil.disk_usage(store.location.root).free < need:
        shutil.rmtree(store.trash, ignore_errors=True)
    free = shutil.disk_usage(store.location.root).free
    log(f"{gb(free)} free on {place_name(store.location.kind)}; an environment needs {gb(need)}")
    if free < need:
        raise too_small(need, free, store.location.kind)


def _cache(task: Task, store: Store, build: Path) -> Path | None:
    """Where downloads go: never onto the volume, unless the local disk is too small for them.

    ``None`` is the installer's own cache in the user's home, from which files can be linked instead of copied.
    """
    home = Path(task.environment.get("HOME") or "/")
    beside = home.is_dir() and home.stat().st_dev == store.location.root.stat().st_dev
    if "UV_CACHE_DIR" in task.environment or store.location.kind == "local" or (beside and store.location.kind != "image"):
        return None
    local = _local_cache(task)
    try:
        if local is not None and shutil.disk_usage(local.parent).free >= task.options.need_cache:
            local.mkdir(mode=0o700, exist_ok=True)
            return local
    except OSError as error:
        log(f"the local disk cannot hold the downloads ({error.strerror})", "WARN")
    log(f"the container disk has less than {gb(task.options.need_cache)} free; downloads go to the volume meanwhile", "WARN")
    return _volume_cache(build)


def _volume_cache(build: Path) -> Path:
    return build.with_name(f"{build.name}-cache")


def _tools(build: Path) -> Path:
    return build.with_name(f"{build.name}-tools")


def _local_cache(task: Task) -> Path | None:
    return temporary_folder(task.environment, f"-cache-{task.fingerprint}")


def _discard_quietly(store: Store, *paths: Path) -> None:
    for path in paths:
        try:
            if path.is_dir():
                store.discard(path)
        except OSError as error:
            log(f"a half-made environment could not be removed ({error.strerror}); the next builder tries again", "WARN")


def _sweep(store: Store, task: Task, *, downloads: bool) -> None:
    """Remove what is not needed any more; see sweep.py. In an image it must be gone at once, elsewhere nobody waits for it.

    ``downloads`` go too, unless the next try can go on with them.
    """
    local = _local_cache(task) if downloads else None
    cache = str(local) if local is not None and local.is_dir() else ""
    if store.location.kind == "image":
        shutil.rmtree(store.trash, ignore_errors=True)
        if cache:
            shutil.rmtree(cache, ignore_errors=True)
    elif cache or store.trash.is_dir() or len(store.homes()) > 2:
        log("left-over files are removed meanwhile, and environments older than a week, except for the newest two")
        sweep = [sys.executable, "-S", "-m", "bootstrap.sweep", str(store.location.root), task.fingerprint]
        try:
            subprocess.Popen(
                [*sweep, cache],
                cwd=task.project,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            log(f"they could not be removed ({error.strerror}); the next builder tries again", "WARN")
