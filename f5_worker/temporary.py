"""Temporary folders that end with what they are for, with the process, or, where that was killed, with the next one."""

import fcntl
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "f5-tts-"
_OWNER = ".owner"

_own: set[Path] = set()
_making = threading.Lock()


@contextmanager
def own_folder(parent: Path | None = None) -> Iterator[Path]:
    """A new folder in ``parent``, which absent is the system's for temporary files, gone at the end of the block.

    The lock in it tells ``sweep`` whether its owner lives.

    Raises:
        OSError: there can be none.
    """
    folder = Path(parent or tempfile.gettempdir(), PREFIX + uuid.uuid4().hex)
    try:
        with _making:
            _own.add(folder)  # first: a signal may come at any moment
            folder.mkdir(0o700)
        with _owned(folder / _OWNER):
            yield folder
    finally:
        _remove(folder)
        _own.discard(folder)


def drop_own() -> None:
    """Remove all folders of this process, which is about to be killed in the middle of its blocks; it gets no more of them."""
    _making.acquire()
    for folder in tuple(_own):
        _remove(folder)


def _remove(folder: Path) -> None:
    """Under another name, so that no thread can put anything more into it."""
    gone = folder.with_name(f"{folder.name}-gone")
    try:
        folder.rename(gone)
    except OSError:
        gone = folder  # a disk that is full, or it is gone already
    shutil.rmtree(gone, ignore_errors=True)


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
