"""Folders for one job's files, gone when the job ends."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from f5_worker import log
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
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="f5-tts-", dir=parent))
            except OSError as error:
                log.warn(f"No folder for temporary files {'on the disk' if parent is None else 'in memory'}: {error.strerror}")
            else:
                folders.append(Path(folder))
        yield tuple(folders)


@contextmanager
def kept_folder() -> Iterator[Path]:
    """A new folder that belongs to the caller; where the block fails, it is gone with all that is in it.

    Raises:
        DeliveryError: when there is no place for temporary files.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="f5-tts-"))
    except OSError as error:
        raise DeliveryError(
            f"No folder for temporary files can be made ({error.strerror}); set TMPDIR to one on a disk with free space."
        ) from error
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
