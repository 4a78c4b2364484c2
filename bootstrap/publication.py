"""What became of an environment's copy to the volume: a note beside the local one, kept by the process that copies.

status     waiting    the volume does not answer, or another worker copies
           copying    under way
           done       it is there, by this worker's doing or another's
           failed     ``reason`` and ``fix`` say why; the next worker tries again
files, size            how many, and their bytes, so far; at the end all, or 0 where another worker was quicker
seconds                of copying
reason, fix            null, or one sentence each
"""

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from bootstrap.report import Failure

PIPE = "F5_BOOTSTRAP_COPYING"
"""Names the pipe at whose other end the process that copies waits for the worker's first speech."""
_NOTE = "publication.json"
_LOCK = ".publication.lock"
_ENDED = "The process that copied the environment to the network volume has ended before it was done."
_NEXT = "Nothing has to be done: the next worker goes on with it."

State = Literal["waiting", "copying", "done", "failed"]


@dataclass(frozen=True, slots=True)
class Publication:
    """See the module's docstring."""

    status: State = "waiting"
    files: int = 0
    size: int = 0
    seconds: float = 0.0
    reason: str | None = None
    fix: str | None = None

    @property
    def warning(self) -> str | None:
        """A sentence for ``health``, as long as the volume has no environment."""
        if self.status == "failed":
            return f"The environment is not on the network volume: {self.reason} {self.fix}"
        if self.status == "done":
            return None
        return "The environment is still being copied to the network volume; until it is there, each new worker builds its own."


class Note:
    """The note of the one process that copies what lies in ``home``: of the one that has ``lock``, see ``take_lock``."""

    def __init__(self, home: Path, lock: int) -> None:
        self._path = home / _NOTE
        self._lock = lock
        self.publication = Publication()

    def write(self, **changes: Any) -> None:
        """Tell what has changed."""
        self.publication = replace(self.publication, **changes)
        draft = self._path.with_suffix(".new")
        with suppress(OSError):  # a local disk that is full does not keep the volume from being filled
            draft.write_text(json.dumps(asdict(self.publication)))
            draft.replace(self._path)

    def fail(self, failure: Failure) -> None:
        """Tell why there is no copy."""
        self.write(status="failed", reason=failure.reason, fix=failure.fix)


def take_lock(home: Path) -> int | None:
    """The right to copy and to keep the note, as a descriptor for a child to inherit; ``None`` where another process has it."""
    lock = os.open(home / _LOCK, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def may_begin() -> None:
    """The worker has spoken: from now on copying is in nobody's way. Does nothing where nobody waits for that."""
    if speaking := os.environ.pop(PIPE, ""):
        with suppress(BrokenPipeError):  # it has waited long enough
            os.write(int(speaking), b".")  # a child may have the pipe too
        os.close(int(speaking))


def read(home: Path) -> Publication | None:
    """What is known of the copy of the environment in ``home``; ``None`` where none was ever to be made."""
    try:
        found = Publication(**json.loads((home / _NOTE).read_bytes()))
        if found.status in ("done", "failed") or _is_locked(home / _LOCK):
            return found
        return replace(found, status="failed", reason=_ENDED, fix=_NEXT)
    except (OSError, ValueError, TypeError):
        return None


def _is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
