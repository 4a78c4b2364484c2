"""Whether an environment that is marked ready can still be used.

A library that was cut short ends the process by a signal at its first use, and nobody is left to say so. So a process leaves a
note in the build while it loads and first uses the packages. A build over which two processes have died, and none has spoken
since, counts as broken, and so does one whose packages fail to import: it is ready no more, and the next start builds another.

    build-<id>/
        trying-WORKER-SPACE-PID-STARTED     this process loads the packages, or died over it
        failed-...                          an import failed for a reason that may pass (an I/O error)
        broken                              an import failed for good

Where the build cannot be written, the notes lie in the temporary folder.
"""

import os
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootstrap.places import temporary_folder
from bootstrap.report import Report, log

_TRIES = 2
_STALE = 1800.0
"""Seconds after which a note of another machine is one of the dead; its process cannot be looked up from here."""
_BROKEN = "broken"
_PASSING = (OSError, MemoryError)

_proven = False


def is_broken(build: Path) -> bool:
    """Whether a build must not be used although it is marked ready."""
    notes = _notes(build)
    if not any(note.name == _BROKEN for note in notes) and (len(notes) < _TRIES or sum(map(_is_dead, notes)) < _TRIES):
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
    note = _write(build, f"trying-{_who()}")
    try:
        yield
    finally:
        if note is not None:
            note.unlink(missing_ok=True)
    if last:
        _proven = True
        for note in _notes(build):
            if _is_dead(note):
                note.unlink(missing_ok=True)


def blame(error: BaseException) -> bool:
    """Hold an import that failed against the environment of this process; ``False`` where the bootstrap has made none."""
    build = _in_use()
    if build is None:
        return False
    passes = isinstance(error, _PASSING) and (getattr(error, "errno", 0) is not None)
    _write(build, f"failed-{_who()}" if passes else _BROKEN)
    return True


def _in_use() -> Path | None:
    """The build that this process runs from. An older one, used for want of a better, may lack packages and be whole."""
    report = Report.from_environment(os.environ)
    return Path(report.interpreter).parents[1] if report is not None and report.status in ("ready", "built") else None


def _elsewhere(build: Path) -> Path | None:
    folder = temporary_folder(os.environ, "-notes")
    return folder and folder / build.name


def _notes(build: Path) -> list[Path]:
    found = []
    for folder in filter(None, (build, _elsewhere(build))):
        try:
            names = os.listdir(folder)  # noqa: PTH208 - names, not paths
        except OSError:
            continue
        found += [folder / name for name in names if name == _BROKEN or name.startswith(("trying-", "failed-"))]
    return found


def _write(build: Path, name: str) -> Path | None:
    for folder in filter(None, (build, _elsewhere(build))):
        try:
            if folder != build:
                folder.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        except OSError:
            continue
        return folder / name
    return None


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
    kind, *who = note.name.split("-")
    if kind != "trying" or len(who) != 4:
        return True
    worker, space, pid, started = who
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
        probe.unlink(missing_ok=True)
