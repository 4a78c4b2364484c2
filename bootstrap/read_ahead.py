"""Files pulled into the page cache by several threads in large blocks, so that a later read or page fault finds them there.

One thread alone gets half of what a network volume can give. Only the standard library; every call here releases the GIL.
"""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self, TypeAlias

Part: TypeAlias = tuple[Path, int, int | None]
"""A file, the first byte, and how many; ``None`` for all that follow."""

SILENCE = 10.0
"""Seconds without a single byte after which a file system counts as one that hangs."""
_THREADS = 6
_BLOCK = 4 * 1024 * 1024


class ReadAhead:
    """Daemon threads that read ``parts`` in their order. One that hangs is left alone: no call can end it."""

    def __init__(self, parts: Iterable[Part], threads: int = _THREADS) -> None:
        self._blocks = self._cut(parts)
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._handles: list[int] = []
        self._running = threads
        self._moved = time.monotonic()
        self.read = 0
        """Bytes so far."""
        self.error: OSError | None = None
        """What ended it early."""

    def start(self) -> Self:
        """Begin; returns at once."""
        for _ in range(self._running):
            threading.Thread(target=self._run, name="read-ahead", daemon=True).start()
        return self

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

    def _cut(self, parts: Iterable[Part]) -> Iterator[tuple[int, int, int]]:
        opened: dict[Path, int] = {}
        for path, start, length in parts:
            if path not in opened:  # one handle for all threads: each open is a round trip to the server, or several
                opened[path] = os.open(path, os.O_RDONLY)
                self._handles.append(opened[path])
            end = os.fstat(opened[path]).st_size if length is None else start + length
            for offset in range(start, end, _BLOCK):
                yield opened[path], offset, min(_BLOCK, end - offset)

    def _run(self) -> None:
        buffer = memoryview(bytearray(_BLOCK))
        try:
            while self.error is None:
                with self._lock:
                    block = next(self._blocks, None)
                if block is None:
                    return
                handle, offset, length = block
                while length > 0 and (count := os.preadv(handle, [buffer[:length]], offset)):
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
