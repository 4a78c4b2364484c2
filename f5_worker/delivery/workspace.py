"""Folders for one job's files, gone when the job ends."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from f5_worker import log, temporary
from f5_worker.errors import DeliveryError

# Linux's file system in memory: the audio of a job must not be lost because the disk is full.
MEMORY_FOLDER = Path("/dev/shm")


@contextmanager
def job_folders() -> Iterator[tuple[Path, ...]]:
    """New folders for one job, best first: on the disk for temporary files, and in memory for when that one is full."""
    with ExitStack() as stack:
        folders = []
        for parent in (None, MEMORY_FOLDER):
            try:
                folders.append(stack.enter_context(temporary.own_folder(parent)))
            except OSError as error:
                log.warn(f"No folder for temporary files {'on the disk' if parent is None else 'in memory'}: {error.strerror}")
        yield tuple(folders)


def sweep() -> None:
    """Remove the folders of jobs whose process was killed; that of a job that runs is locked."""
    temporary.sweep(Path(tempfile.gettempdir()), MEMORY_FOLDER)


@contextmanager
def kept_folder() -> Iterator[Path]:
    """A new folder that belongs to the caller; where the block fails, it is gone with all that is in it.

    Raises:
        DeliveryError: when there is no place for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{temporary.PREFIX}result-"))
    except OSError as error:
        raise DeliveryError(
            f"No folder for temporary files can be made ({error.strerror}); set TMPDIR to one on a disk with free space."
        ) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
