"""The right to build one environment, shared by workers on many hosts.

File locks are not to be trusted across hosts on network file systems, and the hosts' clocks not at all. What can be trusted is
that ``mkdir`` succeeds for one caller only. So a lease is a numbered folder, ``lease-000001``, and the highest number holds:

- It is taken by making the next number. Numbers are never used twice, so a worker that slept over its decision cannot take what
  somebody else has taken since: its ``mkdir`` fails.
- Its holder writes a new heartbeat into it every few seconds. A waiter takes it for dead when it has not **seen** the heartbeat
  change for a while on its own clock. No time stamp is ever compared.
- It ends with an outcome file, or by the next number. A holder that was taken over notices and stops.

A holder that is frozen between its last look and its marker can still write the marker. That is harmless: its build is whole,
and if the successor has moved it away the marker points nowhere and counts as none.
"""

import json
import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bootstrap.report import log
from bootstrap.store import write_atomically

_BEAT_BYTES = 256


class LeaseLost(Exception):  # noqa: N818 - nobody failed: another worker is at it now
    """Another worker has taken the lease over."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as another worker sees it. ``beat`` is the heartbeat's raw content, ``outcome`` is there once it has ended."""

    number: int
    beat: bytes
    outcome: Mapping[str, Any] | None

    @property
    def doing(self) -> str:
        """What the holder says that it does."""
        return self.beat.decode(errors="replace").partition("|")[2].strip("\0 \n")


def current(home: Path) -> Lease | None:
    """The lease that holds, or the last one that ended; ``None`` if there was never one."""
    number = _highest(home)
    if number == 0:
        return None
    folder = _folder(home, number)
    try:
        beat = (folder / "beat").read_bytes()
    except OSError:
        beat = b""  # just made, or its holder died before the first beat
    try:
        outcome = json.loads((folder / "outcome").read_bytes())
    except (OSError, ValueError):
        outcome = None
    return Lease(number, beat, outcome if isinstance(outcome, dict) else None)


class Watch:
    """Judges by this process's clock alone whether a lease's holder still lives."""

    def __init__(self, stale: float) -> None:
        self._stale = stale
        self._seen: tuple[int, bytes] | None = None
        self._since = 0.0

    def is_dead(self, lease: Lease) -> bool:
        """True when the heartbeat has not changed for ``stale`` seconds of looking."""
        seen = (lease.number, lease.beat)
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since >= self._stale


class Held:
    """A lease of our own; a context manager that keeps its heart beating."""

    def __init__(self, home: Path, number: int, owner: str, beat: float) -> None:
        self._home = home
        self._folder = _folder(home, number)
        self._number = number
        self._owner = owner
        self._every = beat
        self._doing = "starting"
        self._count = 0
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        for number in _numbers(self._home):
            if number < self._number:
                shutil.rmtree(_folder(self._home, number), ignore_errors=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join(5.0)  # it may hang in a volume that does

    def announce(self, what: str) -> None:
        """Tell the waiters, and the log, what happens now."""
        self._doing = what
        log(what)

    @property
    def lost(self) -> bool:
        """Whether another worker has taken over. Looks at the disk."""
        if not self._lost.is_set() and (_highest(self._home) != self._number or not self._folder.is_dir()):
            self._lost.set()
        return self._lost.is_set()

    def finish(self, outcome: Mapping[str, Any]) -> None:
        """End the lease; others act on it at once instead of waiting until it looks dead."""
        try:
            write_atomically(self._folder / "outcome", json.dumps(outcome).encode())
        except OSError as error:
            log(f"the end of this build could not be noted ({error.strerror}); others will find out by themselves", "WARN")

    def _run(self) -> None:
        failing = False
        while not self._ended.wait(self._every):
            try:
                self._write()
                failing = False
            except OSError as error:
                if not failing:
                    log(f"the heartbeat cannot be written ({error.strerror}); another worker may take over", "WARN")
                failing = True
            if self.lost:
                return

    def _write(self) -> None:
        self._count += 1
        text = f"{self._count} {self._owner}|{self._doing}".encode()[:_BEAT_BYTES]
        # In place and always of one length: it must go on when the disk is full.
        handle = os.open(self._folder / "beat", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, text.ljust(_BEAT_BYTES, b"\0"), 0)
        finally:
            os.close(handle)


def take(home: Path, after: int, owner: str, beat: float) -> Held | None:
    """Take the lease that follows number ``after``; ``None`` when another worker was quicker.

    Raises:
        OSError: when the folder cannot be written.
    """
    home.mkdir(parents=True, exist_ok=True)
    number = after + 1
    try:
        _folder(home, number).mkdir()
    except FileExistsError:
        return None
    if _highest(home) != number:
        # This worker slept so long that others have taken, ended and cleaned up this very number.
        shutil.rmtree(_folder(home, number), ignore_errors=True)
        return None
    return Held(home, number, owner, beat)


def _folder(home: Path, number: int) -> Path:
    return home / f"lease-{number:06d}"


def _numbers(home: Path) -> list[int]:
    # Listing the folder also makes a network file system look again at what it has cached of it.
    try:
        names = os.listdir(home)  # noqa: PTH208 - names, not paths
    except OSError:
        return []
    return [int(name[6:]) for name in names if name.startswith("lease-") and name[6:].isdigit()]


def _highest(home: Path) -> int:
    return max(_numbers(home), default=0)
