"""Folders for one job's files, gone when the job ends."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from f5_worker import log
from f5_worker.errors import DeliveryError

# Linux's file system in memory: the audio of a job must not be lost because the disk is full.
MEMORY_FOLDER = Path("/dev/shm")
_PREFIX, _OWNER = "f5-tts-", ".owner"


@contextmanager
def job_folders() -> Iterator[tuple[Path, ...]]:
    """New folders for one job, best first: on the disk for temporary files, and in memory for when that one is full.

    Each has its owner's lock beside what the job writes, so that ``sweep`` can tell a folder whose owner is dead.
    """
    with ExitStack() as stack:
        folders = []
        for parent in (None, MEMORY_FOLDER):
            try:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent))
                stack.enter_context(_owned(Path(folder) / _OWNER))
            except OSError as error:
                log.warn(f"No folder for temporary files {'on the disk' if parent is None else 'in memory'}: {error.strerror}")
            else:
                folders.append(Path(folder))
        yield tuple(folders)


def sweep() -> None:
    """Remove the folders of jobs whose process was killed; that of a job that runs is locked."""
    for parent in dict.fromkeys((Path(tempfile.gettempdir()), MEMORY_FOLDER)):
        for folder in parent.glob(f"{_PREFIX}*"):
            try:
                with _owned(folder / _OWNER, make=False):
                    shutil.rmtree(folder)
            except OSError:
                continue  # another's, in use, or no folder of a job


@contextmanager
def _owned(path: Path, *, make: bool = True) -> Iterator[None]:
    """Hold the lock at ``path``, which ends with the process, however that ends.

    Raises:
        OSError: somebody else holds it, or there is none and ``make`` is false.
    """
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def kept_folder() -> Iterator[Path]:
    """A new folder that belongs to the caller; where the block fails, it is gone with all that is in it.

    Raises:
        DeliveryError: when there is no place for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="f5-tts-result-"))
    except OSError as error:
        raise DeliveryError(
            f"No folder for temporary files can be made ({error.strerror}); set TMPDIR to one on a disk with free space."
        ) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
