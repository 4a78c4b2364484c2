"""The hot start: an environment of the network volume, unpacked to the container's disk from its pack (pack.py)."""

import hashlib
import os
import select
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from bootstrap.door import is_local
from bootstrap.pack import MAGIC
from bootstrap.places import Location, base_python
from bootstrap.read_ahead import SILENCE
from bootstrap.report import HotStart, log
from bootstrap.store import Environment

_UNPACK = Path(__file__).with_name("unpack.py")
_NVIDIA = Path("/proc/driver/nvidia/gpus")
_RESERVE = 256 * 1024 * 1024  # on the local disk, beside what is unpacked


class VolumeSilent(Exception):  # noqa: N818 - it is an outcome, caught in one place
    """The volume has stopped answering."""


def pack_path(environment: Path, variables: Mapping[str, str]) -> Path:
    """Where the pack of an environment lies: one for each kind of device, since each start touches other parts of libraries."""
    return environment.parent / f"hot-{_device(variables)}-{environment.name}.pack"


def _device(variables: Mapping[str, str]) -> str:
    if variables.get("F5TTS_DEVICE", "").strip().lower() == "cpu":
        return "cpu"
    try:
        lines = next(_NVIDIA.iterdir()).joinpath("information").read_text().splitlines()
        model = next(line.partition(":")[2] for line in lines if line.startswith("Model"))
    except (OSError, StopIteration):
        return "cpu"
    return "".join(letter if letter.isalnum() else "-" for letter in model.strip().lower())


def warm(environment: Environment, local: Iterable[Location], variables: Mapping[str, str]) -> tuple[Environment, HotStart]:
    """The environment as it begins fastest: its unpacked copy, else itself.

    Raises:
        VolumeSilent: the volume hangs.
    """
    source = environment.interpreter.parent.parent
    pack = pack_path(source, variables)
    if is_local(source):
        return environment, None
    try:
        state = pack.stat()
    except OSError:
        return environment, "missing"
    began = time.monotonic()
    key = f"{MAGIC!r} {source} {pack.name} {state.st_size} {state.st_mtime_ns}"
    name = f"{environment.fingerprint}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    folders = [(location, location.base / "hot" / name) for location in local if is_local(location.root)]
    for _, folder in folders:
        if _leads_here(folder):
            return replace(environment, interpreter=folder / "bin" / "python"), "used"
    for location, folder in folders:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(folder.parent).free < state.st_size + _RESERVE:
                log(f"{location.root} has no room to unpack the start's files", "WARN")
                continue
        except OSError:
            continue
        answer = _unpack(pack, source, folder)
        if answer == "ok" and _leads_here(folder):
            log(f"the start's files were unpacked in {time.monotonic() - began:.1f} s ({state.st_size / 1e6:.0f} MB)")
            return replace(environment, interpreter=folder / "bin" / "python"), "used"
        log(f"the start's files could not be unpacked ({answer}); the environment is used as it lies on the volume", "WARN")
        return environment, "damaged" if answer.startswith("damaged") else "skipped"
    log("no local disk can hold the start's files; the environment is used as it lies on the volume", "WARN")
    return environment, "skipped"


def _leads_here(folder: Path) -> bool:
    return os.path.realpath(folder / "bin" / "python") == os.path.realpath(base_python())


def _unpack(pack: Path, source: Path, folder: Path) -> str:
    """The last line of unpack.py, which is given any time as long as it gets on."""
    import subprocess  # which a start without a pack is spared

    child = subprocess.Popen(
        [base_python(), "-I", "-S", str(_UNPACK), str(pack), str(source), str(folder)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    said = b""
    while True:
        if not select.select([child.stdout], [], [], SILENCE)[0]:
            child.kill()  # it ends when its call returns; nobody waits for that
            raise VolumeSilent
        more = os.read(child.stdout.fileno(), 65536)
        if not more:
            break
        said += more
    child.wait()
    return said.decode(errors="replace").rstrip("\n").rpartition("\n")[2] or f"ended with {child.returncode}"
