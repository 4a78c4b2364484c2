"""The hot start: an environment of the network volume, unpacked to the container's disk from its pack (pack.py).

An import from a network volume waits for it thousands of times, each time for one small thing. Here the volume is read once.
"""

import hashlib
import json
import mmap
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from bootstrap import libraries
from bootstrap.apart import on_volume
from bootstrap.door import is_local
from bootstrap.pack import MAGIC, ORIGIN, DamagedPack
from bootstrap.places import Location, base_python
from bootstrap.read_ahead import SILENCE, ReadAhead, begin_apart
from bootstrap.report import HotStart, log
from bootstrap.store import KEEP_SECONDS, Environment
from bootstrap.trust import is_broken
from bootstrap.unpack import Range, unpack

_NVIDIA = Path("/proc/driver/nvidia/gpus")
_RESERVE = 256 * 1024 * 1024  # bytes on the local disk, beside what is unpacked


def pack_path(environment: Path, device: str) -> Path:
    """Where the pack of an environment lies."""
    return environment.parent / f"hot-{device}-{environment.name}.pack"


def device_of(variables: Mapping[str, str]) -> str:
    """The kind of device, each of which has a pack of its own: on each, a start touches other parts of the libraries."""
    if variables.get("F5TTS_DEVICE", "").strip().lower() == "cpu":
        return "cpu"
    try:
        lines = next(_NVIDIA.iterdir()).joinpath("information").read_text().splitlines()
        model = next(line.partition(":")[2] for line in lines if line.startswith("Model"))
    except (OSError, StopIteration):
        return "cpu"
    return "".join(letter if letter.isalnum() else "-" for letter in model.strip().lower())


def warm(
    environment: Environment, volume: Path, local: Iterable[Location], variables: Mapping[str, str]
) -> tuple[Environment, HotStart]:
    """The environment as it begins fastest: its unpacked copy, else itself; and what became of its pack.

    Raises:
        Failure: the volume has come to hang.
    """
    source = environment.interpreter.parent.parent
    if is_local(source):
        return environment, None
    pace, places, pack = _Pace(), list(local), pack_path(source, device_of(variables))
    told, tell = os.pipe()
    with ExitStack() as stack:
        stack.callback(os.close, told)
        try:
            folder, state = on_volume(volume, lambda: _unpacked(source, pack, places, pace.moved, tell), pace.goes_on)
        finally:
            os.close(tell)
        if folder is None or os.path.realpath(folder / "bin" / "python") != os.path.realpath(base_python()):
            return environment, state
        if is_broken(folder):
            return environment, "damaged"
        stack.pop_all()
    os.set_inheritable(told, True)
    os.environ[libraries.PIPE] = str(told)
    return replace(environment, interpreter=folder / "bin" / "python"), state


class _Pace:
    """Whether a child gets on, told through memory that it shares: it may take any time as long as it does."""

    def __init__(self) -> None:
        self._count = mmap.mmap(-1, 1)
        self._seen = -1
        self._since = time.monotonic()

    def moved(self) -> None:
        """The child has got on."""
        self._count[0] = (self._count[0] + 1) % 256

    def goes_on(self) -> bool:
        """Whether it has done so lately."""
        if self._count[0] != self._seen:
            self._seen, self._since = self._count[0], time.monotonic()
        return time.monotonic() - self._since < SILENCE


def _unpacked(
    source: Path, pack: Path, local: Iterable[Location], moved: Callable[[], None], tell: int
) -> tuple[Path | None, HotStart]:
    """The folder that a pack was unpacked to, now or earlier; touches the volume.

    What a start needs of the libraries that stay there is read meanwhile, by a process of its own that tells ``tell`` of it.
    """

    def read_libraries(ranges: Iterable[Range]) -> None:
        begin_apart([(Path(path), start, length) for path, start, length in ranges], tell)

    try:
        state = pack.stat()
    except FileNotFoundError:
        return None, "missing"
    began = time.monotonic()
    key = f"{MAGIC!r} {source} {pack.name} {state.st_size} {state.st_mtime_ns}"
    name = f"{source.parent.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folders = [location.base / "hot" / name for location in local if is_local(location.root)]
    if there := next(filter(Path.is_dir, folders), None):
        with suppress(OSError, ValueError):  # else the worker itself begins to read
            os.utime(there)  # of two that lie here, the one that is not used is removed some day
            read_libraries(json.loads((there / libraries.NOTE).read_bytes()))
        return there, "used"
    folder = next((folder for folder in folders if _has_room(folder.parent, state.st_size + _RESERVE)), None)
    if folder is None:
        log("no local disk can hold the start's files; they are read from the volume, one by one", "WARN")
        return None, "skipped"
    try:
        _read(pack, moved)
        unpack(pack, source, folder, moved, read_libraries)
    except DamagedPack as error:
        log(f"the start's files on the volume cannot be used: {error}. They are written anew after the first speech", "WARN")
        return None, "damaged"
    except OSError as error:
        log(f"the start's files could not be unpacked ({error.strerror}); they are read from the volume, one by one", "WARN")
        return None, "skipped"
    log(f"the start's files were unpacked in {time.monotonic() - began:.1f} s ({state.st_size / 1e6:.0f} MB)")
    _sweep(folder)
    return folder, "used"


def _sweep(kept: Path) -> None:
    """Remove what was unpacked beside it, where its environment is gone or no start has used it for a week."""
    for path in kept.parent.iterdir():
        if path == kept:
            continue
        try:
            is_gone = (path / ORIGIN).is_symlink() and not (path / ORIGIN).exists()
            if is_gone or time.time() - path.stat().st_mtime > KEEP_SECONDS:
                # In one step, so that no start finds half of it.
                shutil.rmtree(path.rename(path.with_name(f".{uuid.uuid4().hex[:8]}")), ignore_errors=True)
        except OSError as error:
            log(f"what an older start unpacked could not be removed ({error.strerror})", "WARN")


def _has_room(folder: Path, size: int) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= size
    except OSError:
        return False


def _read(pack: Path, moved: Callable[[], None]) -> None:
    reading, seen = ReadAhead([(pack, 0, None)]).start(), 0
    while not reading.wait(0.5):
        if reading.read > seen:
            seen = reading.read
            moved()
    if reading.error is not None:
        raise reading.error
