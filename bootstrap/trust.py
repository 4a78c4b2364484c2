"""Whether an environment that is marked ready can still be used.

A library that was cut short ends the process by a signal at its first use, and nobody is left to say so. So a process leaves a
note beside the build while it loads and first uses the packages. A build over which two processes have died, and none has
spoken since, counts as broken, and so does one whose packages fail to import: it is ready no more, and the next start builds
another. Of one fingerprint only a few a day: then it is not the builds that are broken, but a variable, or the machine.

    trying-BUILD-WORKER-SPACE-PID-STARTED     this process loads the packages, or died over it
    failed-BUILD-...                          an import failed for a reason that may pass (an I/O error)
    broken-BUILD                              an import failed for good
    withdrawn-BUILD                           it counts as broken, or will when this process dies

Where nothing can be written there, the notes lie in the temporary folder.
"""

import os
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from bootstrap.door import is_local
from bootstrap.places import temporary_folder
from bootstrap.report import Report, log

T = TypeVar("T")

_TRIES = 2
_DAY, _A_DAY = 24 * 3600.0, 5
_STALE = 1800.0
"""Seconds after which a note of another machine is one of the dead; its process cannot be looked up from here."""
_PATIENCE = 2.0
"""Seconds for which a start waits for a network volume to take a note."""

_proven = False


def is_broken(build: Path) -> bool:
    """Whether a build must not be used although it is marked ready."""
    notes = _notes(build)
    for_good = any(note.name.startswith("broken-") for note in notes)
    if not for_good and (len(notes) < _TRIES or sum(map(_is_dead, notes)) < _TRIES):
        return False
    if sum(_age(path) < _DAY for path in build.parent.glob("withdrawn-*") if path != _withdrawn(build)) >= _A_DAY:
        log("the packages cannot be loaded, and another build would not change that: so many were built today", "ERROR")
        return False
    log(f"{build.name} is marked ready, but its packages cannot be loaded any more; it is not used", "WARN")
    return True


@contextmanager
def trial(*, last: bool = False) -> Iterator[None]:
    """Within the block a library of this process's environment may end the process; after the ``last`` one it will not."""
    global _proven
    build = None if _proven else _in_use()
    if build is None:
        yield
        return
    note = _soon(build, lambda: _begin(build))
    try:
        yield
    finally:
        if note is not None:
            _soon(build, lambda: note.unlink(missing_ok=True))
    if last:
        _proven = True
        _soon(build, lambda: _end(build))


def blame(error: BaseException) -> bool:
    """Hold an import that failed against the environment of this process; ``False`` where the bootstrap has made none."""
    build = _in_use()
    if build is None:
        return False
    passes = isinstance(error, OSError | MemoryError) and getattr(error, "errno", 0) is not None
    _soon(build, lambda: _write(build, f"failed-{build.name}-{_who()}" if passes else f"broken-{build.name}"))
    _soon(build, lambda: _touch(_withdrawn(build)))
    return True


def _in_use() -> Path | None:
    """The build that this process runs from. An older one, used for want of a better, may lack packages and be whole."""
    report = Report.from_environment(os.environ)
    return Path(report.build) if report is not None and report.build and report.status in ("ready", "built") else None


def _begin(build: Path) -> Path | None:
    if any(map(_is_dead, _notes(build))):
        _touch(_withdrawn(build))
    return _write(build, f"trying-{build.name}-{_who()}")


def _end(build: Path) -> None:
    for path in (*filter(_is_dead, _notes(build)), _withdrawn(build)):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _soon(build: Path, function: Callable[[], T]) -> T | None:
    """What ``function`` returns, unless the network volume takes too long for it: a note is not worth a worker that hangs."""
    if is_local(build):
        return function()
    from threading import Thread

    results: list[T] = []
    thread = Thread(target=lambda: results.append(function()), name="trust", daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return results[0] if results else None


def _notes(build: Path) -> list[Path]:
    starts = tuple(f"{kind}-{build.name}" for kind in ("trying", "failed", "broken"))
    found = []
    for folder in _folders(build):
        with suppress(OSError):
            found += [folder / name for name in os.listdir(folder) if name.startswith(starts)]  # noqa: PTH208 - names, not paths
    return found


def _write(build: Path, name: str) -> Path | None:
    for folder in _folders(build):
        if folder != build.parent:
            with suppress(OSError):
                folder.mkdir(exist_ok=True)
        if _touch(folder / name):
            return folder / name
    return None


def _folders(build: Path) -> Iterator[Path]:
    yield build.parent
    if (elsewhere := temporary_folder(os.environ, "-notes")) is not None:
        yield elsewhere


def _withdrawn(build: Path) -> Path:
    return build.with_name(f"withdrawn-{build.name}")


def _touch(path: Path) -> bool:
    try:
        path.touch()
    except OSError:
        return False
    return True


def _who() -> str:
    """This worker, its process space, and this process, which a later one may share its number with."""
    return f"{_worker()}-{_space()}-{os.getpid()}-{_started(str(os.getpid()))}"


def _worker() -> str:
    return _digest(os.environ.get("RUNPOD_POD_ID") or os.uname().nodename)


def _space() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return _digest(boot + os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - it is no path
    except OSError:
        return ""


def _digest(text: str) -> str:
    return f"{zlib.crc32(os.fsencode(text)):08x}"


def _started(pid: str) -> str:
    """When a process began, in ticks; empty where it is gone."""
    try:
        return Path("/proc", pid, "stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_dead(note: Path) -> bool:
    if not note.name.startswith("trying-"):
        return True
    worker, space, pid, started = note.name.split("-")[-4:]
    if space and space == _space():
        return _started(pid) != started
    return worker == _worker() or _age(note) > _STALE


def _age(note: Path) -> float:
    """By the file system's own clock, through a file made now: this host's may be wrong."""
    probe = note.with_name(f".probe-{uuid.uuid4().hex}")
    try:
        probe.touch()
        return probe.stat().st_mtime - note.stat().st_mtime
    except OSError:
        return 0.0
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
