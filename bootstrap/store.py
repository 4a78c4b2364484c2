"""The environments of one place.

    <root>/f5-tts-worker/
        venvs/<fingerprint>/
            ready.json          the marker: names the build to use; written last, atomically
            build-<id>/         the virtual environment; no two builders ever share one
            lease-000001/ ...   who builds, see lease.py
        trash/                  moved here in one step, then removed at leisure

A virtual environment cannot be moved, so a build stands where it will be used, under a name of its own, and the marker alone
decides whether and which one counts. Without a marker nothing is used, whatever is on the disk.
"""

import hashlib
import json
import os
import sys
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.places import Location, base_python
from bootstrap.report import Failure, Place
from bootstrap.trust import is_broken

LAYOUT = 1
"""Raise it when an environment made by older code must not be used any more."""
MARKER = "ready.json"
KEEP_SECONDS = 7 * 24 * 3600.0
"""A fingerprint's folder that changed within this time is not removed: workers may run from it."""


def fingerprint(requirements: Sequence[Path]) -> str:
    """Names an environment: what is installed, for which Python, on which platform. Comments do not count.

    Raises:
        Failure: when a requirements file cannot be read.
    """
    lines: list[str] = []
    try:
        for path in requirements:
            lines += [line for raw in path.read_text(encoding="utf-8").splitlines() if (line := raw.split(" #")[0].strip())]
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(
            "package",
            f"requirements.txt cannot be read ({type(error).__name__}).",
            "Put the file back and build the image again.",
        ) from error
    pins = [line for line in lines if not line.startswith("#")]
    # The base Python's place counts: environments link to it, and another image may have it elsewhere.
    parts = [str(LAYOUT), sys.implementation.cache_tag or "", *_platform(), sys.base_prefix, *pins]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return f"{sys.implementation.cache_tag}-{os.uname().machine}-{digest}"


def _platform() -> tuple[str, str, str]:
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except ValueError:
        libc = ""  # not glibc
    return sys.platform, os.uname().machine, libc


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment that is ready. ``home`` is the fingerprint's folder."""

    place: Place
    home: Path
    interpreter: Path
    serial: int
    size: int | None
    versions: Mapping[str, str]
    build: Path

    @property
    def fingerprint(self) -> str:
        """What it was built for."""
        return self.home.name


class Store:
    """See the module's docstring."""

    def __init__(self, location: Location) -> None:
        self.location = location
        self.venvs = location.base / "venvs"
        self.trash = location.base / "trash"

    def home(self, name: str) -> Path:
        """The folder of one fingerprint."""
        return self.venvs / name

    def ready(self, name: str) -> Environment | None:
        """The environment for the fingerprint, if its marker is whole and its interpreter is the Python that runs this."""
        home = self.home(name)
        try:
            marker = json.loads((home / MARKER).read_bytes())
            interpreter = home / marker["build"] / "bin" / "python"
            # A link to the very Python that runs this line cannot be a broken one, and no subprocess has to prove it.
            if os.path.realpath(interpreter) != os.path.realpath(base_python()):
                return None
            build = home / marker["build"]
            if not (build / "pyvenv.cfg").is_file() or is_broken(build):
                return None
            serial, size, versions = int(marker["serial"]), marker["size"], dict(marker["versions"])
            return Environment(self.location.kind, home, interpreter, serial, size, versions, build)
        except (OSError, ValueError, TypeError, KeyError):
            return None  # not there, half written or from other code: all the same, it is not used

    def others(self, name: str) -> list[Environment]:
        """What is ready for other fingerprints, the newest first."""
        found = (self.ready(folder) for folder in _names(self.venvs) if folder != name)
        return sorted((env for env in found if env), key=lambda env: env.serial, reverse=True)

    def new_build(self, name: str) -> Path:
        """The path for a new build; the caller makes it."""
        return self.home(name) / f"build-{uuid.uuid4().hex[:12]}"

    def mark(self, build: Path, facts: Mapping[str, Any]) -> None:
        """Declare a build ready.

        Raises:
            OSError: when the marker cannot be written.
        """
        serial = 1 + max((env.serial for env in self.others("")), default=0)
        marker = {**facts, "layout": LAYOUT, "build": build.name, "serial": serial}
        write_atomically(build.parent / MARKER, json.dumps(marker, indent=1).encode())

    def unfinished(self, name: str) -> list[Path]:
        """The builds of a fingerprint that its marker does not name."""
        ready = self.ready(name)
        home = self.home(name)
        keep = ready.interpreter.parent.parent.name if ready else None
        return [home / entry for entry in _names(home) if entry.startswith("build-") and entry != keep]

    def discard(self, path: Path) -> None:
        """Take a folder out of the way in one step, and of a build its packs. What is in the trash is removed by ``sweep``."""
        self.trash.mkdir(exist_ok=True)
        packs = [path.with_name(name) for name in _names(path.parent) if _is_pack(name, path.name)]
        for one in (path, *packs):
            with suppress(FileNotFoundError):  # another worker was quicker
                one.rename(self.trash / f"{one.name}-{uuid.uuid4().hex[:8]}")

    def homes(self) -> list[Path]:
        """The folders of all fingerprints, ready or not."""
        return [self.home(name) for name in _names(self.venvs)]

    def outdated(self, keep: str) -> list[Path]:
        """Folders that may go: not ``keep``, not the newest of the rest (for a rollback), and unchanged for ``KEEP_SECONDS``.

        A folder changes when somebody starts to build in it, or marks it. Its age is judged by the file system's own clock,
        through a file made now, since this host's may be wrong.

        Raises:
            OSError: when nothing can be written.
        """
        rollback = next((env.fingerprint for env in self.others(keep)), None)
        probe = self.location.base / f".probe-{uuid.uuid4().hex}"
        try:
            probe.touch()
            now = probe.stat().st_mtime
        finally:
            probe.unlink(missing_ok=True)
        others = (home for home in self.homes() if home.name not in (keep, rollback))
        return [home for home in others if now - home.stat().st_mtime > KEEP_SECONDS]


def write_atomically(path: Path, content: bytes) -> None:
    """Write a small file so that a reader sees the old content, or the new one, never a part.

    Raises:
        OSError: when it cannot be written.
    """
    draft = path.with_name(f".{path.name}-{uuid.uuid4().hex[:8]}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_pack(name: str, build: str) -> bool:
    """Whether it is a pack of a build (hot.py), or the second names of its large libraries, which keep these from going."""
    return name == f"large-{build}" or (name.startswith("hot-") and name.endswith(f"-{build}.pack"))


def _names(folder: Path) -> list[str]:
    try:
        return sorted(entry for entry in os.listdir(folder) if not entry.startswith("."))  # noqa: PTH208 - names, not paths
    except OSError:
        return []
