"""Files pulled into the page cache by several threads in large blocks, so that a later read or page fault finds them there.

One thread alone gets half of what a network volume can give. Of a volume, ``read_ahead`` has a process of its own read: where
the volume hangs, neither a thread nor an open file of it may be in the worker, which could start no child and never end.
``python -I -S read_ahead.py`` is that process: parts as JSON on its standard input, what it has read so far on its output.
"""

import errno
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Self, TypeAlias

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bootstrap.door import is_local

Part: TypeAlias = tuple[Path, int, int | None]
"""A file, the first byte, and how many; ``None`` for all that follow."""

SILENCE = 10.0
"""Seconds without a single byte after which a file system counts as one that hangs."""
_THREADS = 6
_BLOCK = 4 * 1024 * 1024
_LARGE = 256 * 1024 * 1024  # bytes from which each thread reads a stretch of its own, with a handle of its own


class Reading:
    """One under way. ``read`` is bytes so far, ``error`` what ended it early."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._moved = time.monotonic()
        self.read = 0
        self.error: OSError | None = None

    @property
    def ended(self) -> bool:
        """Whether all is read, or it has failed."""
        return self._ended.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it has come."""
        return self._ended.wait(seconds)

    def wait_while_it_moves(self, silence: float = SILENCE) -> bool:
        """Wait for the end as long as bytes come, the next at most ``silence`` seconds from now; whether it has come."""
        called = time.monotonic()
        while not self._ended.wait(0.2):
            if time.monotonic() - max(called, self._moved) > silence:
                return False
        return True


class ReadAhead(Reading):
    """Daemon threads of this process that read ``parts`` in their order."""

    def __init__(self, parts: Iterable[Part], threads: int = _THREADS) -> None:
        super().__init__()
        self._blocks = self._cut(parts)
        self._lock = threading.Lock()
        self._handles: list[int] = []
        self._running = self._threads = threads

    def start(self) -> Self:
        """Begin; returns at once."""
        for _ in range(self._running):
            threading.Thread(target=self._run, name="read-ahead", daemon=True).start()
        return self

    def _cut(self, parts: Iterable[Part]) -> Iterator[tuple[int, int, int]]:
        # One handle for all threads, and all of them at once: each open is a round trip to the server, and one more for each
        # folder on the way that was looked up more than a second ago.
        opened: dict[Path, int] = {}
        parts = list(parts)
        for path in dict.fromkeys(path for path, _, _ in parts):
            opened[path] = os.open(path, os.O_RDONLY)
            self._handles.append(opened[path])
        for path, start, length in parts:
            end = os.fstat(opened[path]).st_size if length is None else start + length
            if end - start < _LARGE:
                for offset in range(start, end, _BLOCK):
                    yield opened[path], offset, min(_BLOCK, end - offset)
                continue
            stripe = -(-(end - start) // self._threads)
            for offset in range(start, end, stripe):
                # The kernel reads ahead by handle, each time the next few blocks: to threads that share one it does nothing.
                self._handles.append(os.open(path, os.O_RDONLY))
                yield self._handles[-1], offset, min(stripe, end - offset)

    def _run(self) -> None:
        buffer = memoryview(bytearray(_BLOCK))
        try:
            while self.error is None:
                with self._lock:
                    block = next(self._blocks, None)
                if block is None:
                    return
                handle, offset, length = block
                while length > 0 and self.error is None and (count := os.preadv(handle, [buffer[:length]], offset)):
                    offset, length = offset + count, length - count
                    self.read += count
                    self._moved = time.monotonic()
        except OSError as error:
            self.error = error
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    for handle in self._handles:
                        os.close(handle)
                    self._ended.set()


class Followed(Reading):
    """One that another process does (``begin_apart``), which tells of it into a pipe; ``told`` is our end."""

    def __init__(self, told: int) -> None:
        super().__init__()
        self._told = told
        threading.Thread(target=self._listen, name="read-ahead", daemon=True).start()

    def _listen(self) -> None:
        with os.fdopen(self._told, "rb") as told:
            process, code = _follow(told, self._move)
        if process is not None:
            with suppress(ChildProcessError):  # not ours, but that of a start that is over
                os.waitpid(process, 0)
        if code:
            self.error = OSError(code, os.strerror(code))
        self._ended.set()

    def _move(self, read: int) -> None:
        self.read, self._moved = read, time.monotonic()


def begin_apart(parts: Iterable[Part], tell: int) -> None:
    """Have a process of its own read, which is left behind where it hangs, and which tells ``tell``, a pipe's end, of it."""
    import subprocess

    python = getattr(sys, "_base_executable", None) or sys.executable
    child = subprocess.Popen(
        [python, "-I", "-S", __file__],
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=tell,
        stderr=subprocess.DEVNULL,
        close_fds=False,  # exec does it, and then a file of a volume that hangs holds up the child alone
    )
    child.returncode = 0  # whoever listens waits for it, not this object
    assert child.stdin is not None
    with child.stdin as order:
        order.write(json.dumps([(str(path), start, length) for path, start, length in parts]).encode())


def _follow(lines: IO[bytes], moved: Callable[[int], None]) -> tuple[int | None, int]:
    """The process that reads, as far as it has said so, and the errno that ended it, 0 for none."""
    process = None
    for line in lines:
        word, _, number = line.decode().partition(" ")
        if word == "end":
            return process, int(number)
        if word == "process":
            process = int(number)
        else:
            moved(int(number))
    return process, errno.EIO  # it was killed


def read_ahead(*parts: Part) -> Reading:
    """Begin to read; returns at once."""
    if all(is_local(path) for path, _, _ in parts):
        return ReadAhead(parts).start()
    told, tell = os.pipe()
    try:
        begin_apart(parts, tell)
    finally:
        os.close(tell)
    return Followed(told)


def main() -> None:
    """Read what standard input names, and tell of it."""
    sys.stdout.write(f"process {os.getpid()}\n")
    sys.stdout.flush()
    reading, seen = ReadAhead((Path(path), start, length) for path, start, length in json.load(sys.stdin)).start(), 0
    while not reading.wait(0.2):
        if reading.read > seen:
            seen = reading.read
            sys.stdout.write(f"read {seen}\n")
            sys.stdout.flush()
    sys.stdout.write(f"end {(reading.error.errno or errno.EIO) if reading.error else 0}\n")


if __name__ == "__main__":
    main()
