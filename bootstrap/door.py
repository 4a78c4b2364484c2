"""The one door to the network volume: a child process looks at it, so that nobody hangs in a volume that does.

A call into a file system whose server is gone returns an error, or never returns, and then not even SIGKILL ends the process.
So a look is the work of a child; its parent waits for a limited time, and while that child hangs no other is started. The child
runs on the Python behind the environments, since the environment's own may lie on the volume:
``python -I -S door.py ROOT PROBE read|write`` prints a verdict as JSON.
"""

import errno
import json
import os
import select
import stat
import sys
import time
from _thread import allocate_lock  # threading is not there yet when a warm start looks
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

LIMIT = 10.0
"""Seconds after which a look counts as one that hangs."""
_KEPT = 1.0  # seconds for which a good verdict holds; a bad one is never kept
_PROBE = ("f5-tts-worker", ".door")
_LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "tmpfs", "ramfs", "overlay", "f2fs", "squashfs"})
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_DENIED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look has found. ``error`` is the errno with which the file system fails; sizes are bytes."""

    hangs: bool = False
    error: int | None = None
    folder: bool = False
    mounted: bool = False
    writable: bool = False
    total: int | None = None
    free: int | None = None

    @property
    def trouble(self) -> str | None:
        """Why the volume cannot be used at all, as a sentence; ``None`` where it answers, also where there is none."""
        if self.hangs:
            return "The network volume does not answer."
        return None if self.error is None else f"The network volume fails ({os.strerror(self.error)})."


class Door:
    """Thread-safe. With ``write`` a look also proves that the worker's own folder can be written."""

    def __init__(self, root: Path, *, write: bool = False, limit: float = LIMIT) -> None:
        self._root = root
        self._mode = "write" if write else "read"
        self.limit = limit
        self._lock = allocate_lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._since: float | None = None
        self._last: tuple[float, Verdict] | None = None

    def look(self) -> Verdict:
        """The verdict of a moment ago, else of a new look. Waits for ``limit`` seconds, counted from the start of the look."""
        with self._lock:
            if self._last is None or self._last[1].trouble or time.monotonic() - self._last[0] > _KEPT:
                self._last = time.monotonic(), self._look()
            return self._last[1]

    def _look(self) -> Verdict:
        if self._child is None and is_local(self._root):
            return examine(str(self._root), str(self._root.joinpath(*_PROBE)), self._mode)
        since = self._since or time.monotonic()
        return self._ask(max(0.0, since + self.limit - time.monotonic())) or Verdict(hangs=True)

    def _ask(self, wait: float) -> Verdict | None:
        """The verdict of the child, begun if there is none; ``None`` where it is not there after ``wait`` seconds."""
        try:
            child = self._child = self._child or self._begin()
        except OSError as error:
            return Verdict(error=error.errno)
        assert child.stdout is not None
        if not select.select([child.stdout], [], [], wait)[0]:
            return None
        with child:
            answer = child.stdout.read()
        self._child = self._since = None
        try:
            return Verdict(**json.loads(answer))
        except (ValueError, TypeError):
            return Verdict(error=errno.EIO)  # it was killed

    def _begin(self) -> "subprocess.Popen[bytes]":
        import subprocess  # 10 ms, which a start without a network volume is spared

        self._since = time.monotonic()
        python = getattr(sys, "_base_executable", None) or sys.executable
        probe = self._root.joinpath(*_PROBE)
        return subprocess.Popen(
            [python, "-I", "-S", __file__, str(self._root), str(probe), self._mode],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            close_fds=False,  # exec does it, and then a file of a volume that hangs holds up the child alone
        )


def is_local(path: Path) -> bool:
    """Whether a path lies on a disk of this machine, which cannot hang; the kernel's list of mounts says so, not the path."""
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    whole, best = os.path.abspath(path), ("", "")  # noqa: PTH100 - resolving links would ask the path
    for line in lines:
        before, _, after = line.partition(" - ")
        point, kind = before.split(" ")[4].encode().decode("unicode_escape"), after.split(" ", 1)[0]
        if (whole == point or whole.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
            best = point, kind
    return best[1] in _LOCAL


def examine(root: str, probe: str, mode: str) -> Verdict:
    """Look at the volume in this very process: its folder, its free space, and a small file behind all caches."""
    try:
        if not stat.S_ISDIR(os.stat(root).st_mode):  # noqa: PTH116 - pathlib costs more than the look
            return Verdict()
        state = os.statvfs(root)
        writable = os.access(root, os.W_OK) and not state.f_flag & os.ST_RDONLY
        if mode == "write" and writable:
            writable = _written(probe)
        _read(probe)
        free, total = state.f_bavail * state.f_frsize, state.f_blocks * state.f_frsize
        return Verdict(folder=True, mounted=os.path.ismount(root), writable=writable, total=total, free=free)
    except OSError as error:
        return Verdict() if error.errno in (*_ABSENT, *_DENIED) else Verdict(error=error.errno)


def leave_probe(root: Path) -> None:
    """Write the file that every look reads, if it is not there yet: without it nobody would notice that only the data hang."""
    probe = root.joinpath(*_PROBE)
    if not probe.exists():
        _written(str(probe))


def _written(probe: str) -> bool:
    try:
        os.makedirs(os.path.dirname(probe), exist_ok=True)  # noqa: PTH103, PTH120
        handle = os.open(probe, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, b"F5" * 2048, 0)
        finally:
            os.close(handle)  # a network file system writes now, a local one needs no disk for it
    except OSError as error:
        if error.errno not in _DENIED:
            raise
        return False
    return True


def _read(probe: str) -> None:
    try:
        handle = os.open(probe, os.O_RDONLY)
    except OSError as error:
        if error.errno in (*_ABSENT, *_DENIED):
            return  # nobody has written it yet
        raise
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        os.pread(handle, 4096, 0)
    finally:
        os.close(handle)


if __name__ == "__main__":
    found = examine(*sys.argv[1:])
    sys.stdout.write(json.dumps({name: getattr(found, name) for name in found.__slots__}))
