"""Where an environment may lie: in the image, on the network volume, or in a folder of this machine."""

import errno
import os
import stat
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bootstrap.door import Door
from bootstrap.options import Options
from bootstrap.report import Failure, Place

FOLDER = "f5-tts-worker"
"""The worker's own folder in every place."""
IMAGE_ROOT = "/opt"
"""Where ``BAKE_VENV`` puts the environment; ``F5_IMAGE_ROOT`` overrides it."""
VOLUME_ROOT = "/runpod-volume"
"""Where RunPod mounts a network volume; ``NETWORK_VOLUME`` and ``--root`` override it."""

FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Location:
    """A folder that environments may lie under. ``lasts``: it is there for the next worker too."""

    kind: Place
    root: Path
    lasts: bool = True
    create: bool = False

    @property
    def base(self) -> Path:
        """The worker's own folder."""
        return self.root / FOLDER

    def check_writable(self) -> None:
        """Prove by writing that it can be written.

        Raises:
            Failure: ``disk`` or ``read_only``.
            FileNotFoundError: when there is no such folder.
        """
        try:
            if not self.root.is_dir():
                if not self.create:
                    raise FileNotFoundError(self.root)
                self.root.mkdir(parents=True, exist_ok=True)
            self.base.mkdir(exist_ok=True)
            probe = self.base / f".probe-{uuid.uuid4().hex}"
            try:
                probe.write_bytes(b"F5" * 2048)
            finally:
                probe.unlink(missing_ok=True)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise write_failure(error, self.kind) from error


NO_VOLUME = Location("volume", Path(os.devnull, "volume"), lasts=False)
"""Stands for a volume that must not be touched."""


def write_failure(error: OSError, kind: Place) -> Failure:
    """What an error while writing to a place means."""
    name = place_name(kind)
    if error.errno in FULL:
        return Failure("disk", f"There is no space left on {name}.", f"Free some on {name} or make it larger.")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return Failure(
            "read_only",
            f"{name[0].upper()}{name[1:]} cannot be written ({os.strerror(error.errno)}).",
            "Attach it with write access and run the container as root, which owns RunPod's volumes.",
        )
    return Failure(
        "read_only",
        f"Writing to {name} fails ({os.strerror(error.errno or errno.EIO)}).",
        "Look at the volume's state, then start a new worker.",
    )


def place_name(kind: Place) -> str:
    """A place as a sentence calls it."""
    return {"image": "the image", "volume": "the network volume", "local": "the local disk", "none": "this machine"}[kind]


def image(environment: Mapping[str, str]) -> Location:
    """Where an environment baked into the image lies."""
    return Location("image", Path(environment.get("F5_IMAGE_ROOT") or IMAGE_ROOT))


def volume(environment: Mapping[str, str], root: Path | None) -> Location:
    """The network volume, or the folder that ``--root`` names (made if it is not there)."""
    if root is not None:
        kind: Place = "image" if root == image(environment).root else "volume"
        return Location(kind, root, create=True)
    path = volume_root(environment)
    verdict = door(path).look()
    if verdict.trouble:
        return NO_VOLUME
    return Location("volume", path, lasts=verdict.mounted or "NETWORK_VOLUME" in environment)


def volume_root(environment: Mapping[str, str]) -> Path:
    """Where the network volume is mounted, if there is one."""
    return Path(environment.get("NETWORK_VOLUME") or VOLUME_ROOT)


def volume_trouble(environment: Mapping[str, str], root: Path | None) -> str | None:
    """Why the network volume is not used although it may be there; ``None`` where it answers."""
    return door(volume_root(environment)).look().trouble if root is None else None


@cache
def door(root: Path) -> Door:
    """The one door of this process to a volume; nobody else calls into it before the door has answered."""
    return Door(root, limit=Options.read(os.environ).silence)


def local_places(environment: Mapping[str, str], project: Path) -> Iterator[Location]:
    """Local folders, the best first: the one that is set, the project's own, the user's cache, the temporary folder."""
    in_container = any(name in environment for name in ("RUNPOD_POD_ID", "RUNPOD_ENDPOINT_ID"))
    if chosen := environment.get("F5_LOCAL_ROOT"):
        yield Location("local", Path(chosen), lasts=not in_container, create=True)
        return
    yield Location("local", project / ".venv", lasts=not in_container, create=True)
    cache = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path.expanduser raises
    if Path(cache).is_absolute():
        yield Location("local", Path(cache), lasts=not in_container, create=True)
    temporary = temporary_folder(environment, "")
    if temporary is not None:
        yield Location("local", temporary, lasts=False, create=True)


def temporary_folder(environment: Mapping[str, str], name: str) -> Path | None:
    """The path of this user's folder in the temporary folder; ``None`` where another user has laid something there."""
    path = Path(environment.get("TMPDIR") or "/tmp") / f"{FOLDER}-{os.getuid()}{name}"
    try:
        found = path.lstat()
    except FileNotFoundError:
        return path
    except OSError:
        return None
    return path if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() else None


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def base_python() -> str:
    """The Python that environments are made with: this one, or the one behind the virtual environment that runs this."""
    return getattr(sys, "_base_executable", None) or sys.executable
