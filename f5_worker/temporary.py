"""Temporary folders that end with what they are for, with the process, or, where that was killed, with the next one."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "f5-tts-"
_OWNER = ".owner"

_own: set[Path] = set()


@contextmanager
def own_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in ``parent``, which absent is the system's for temporary files, gone at the end of the block.

    The lock in it tells ``sweep`` whether its owner lives.

    Raises:
        OSError: there can be none.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=parent) as name:
        folder = Path(name)
        with _owned(folder / _OWNER):
            _own.add(folder)
            try:
                yield folder
            finally:
                _own.discard(folder)


def drop_own() -> None:
    """Remove all folders of this process, which is about to be killed with its blocks unfinished."""
    for folder in tuple(_own):
        shutil.rmtree(folder, ignore_errors=True)


def sweep(*parents: Path) -> None:
    """Remove the folders in ``parents`` whose process was killed."""
    for parent in dict.fromkeys(parents):
        for folder in parent.glob(f"{PREFIX}*"):
            try:
                with _owned(folder / _OWNER, make=False):
                    shutil.rmtree(folder)
            except OSError:
                continue  # another's, in use, or no folder of ours


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
