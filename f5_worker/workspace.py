"""Folders for one job's files, gone when the job ends."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from f5_worker import log

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
