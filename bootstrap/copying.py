"""One copy of an environment to a network volume, file by file, many at once.

A virtual environment may be copied: ``bin/python`` is a link to the Python behind it, ``pyvenv.cfg`` names that one, and of the
rest only the scripts know where they stand. Bytecode names the time of its source, so that is kept. What is large gets its name
when it is whole, and the list of these with their wheels' checksums (``_LIST``) stands first in the new folder: what a worker
that was killed has left behind is taken over where it is what is wanted.
"""

import csv
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bootstrap.lease import Held, LeaseLost
from bootstrap.places import FULL
from bootstrap.publication import Note
from bootstrap.report import Failure, log
from bootstrap.room import BLOCK, gb, too_small
from bootstrap.store import MARKER, Store, write_atomically
from bootstrap.trust import is_broken

T = TypeVar("T")

_THREADS = 32
_PIECE = 1 << 20  # bytes read and written at a time
_LARGE = 8 << 20  # bytes from which a file is worth taking over
_SCRIPT = 1 << 16  # bytes; no script is larger
_LIST = ".large-files.json"
_LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    mode: int
    mtime_ns: int


class Copy:
    """Of the local ``build`` to a new one in ``store``, under a lease. ``size`` is what was written so far."""

    def __init__(self, store: Store, build: Path, held: Held, note: Note) -> None:
        self._store = store
        self._from = str(build)
        self._home = build.parent
        self._target = store.new_build(build.parent.name)
        self._to = str(self._target)
        self._held = held
        self._note = note
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._folders: list[str] = []
        self._links: list[tuple[str, str]] = []
        self._files: list[_File] = []
        self.files = 0
        self.size = 0

    @property
    def blocks(self) -> int:
        """Bytes that all files take on a volume that stores in blocks."""
        return sum(-(-file.size // BLOCK) * BLOCK for file in self._files)

    def run(self) -> None:
        """Copy everything, then the marker.

        Raises:
            Failure: the volume is too small.
            LeaseLost: another worker has taken over.
            OSError: the volume fails.
        """
        self._plan()
        leftovers = self._store.unfinished(self._home.name)
        self._check_space(leftovers)
        self._held.announce(f"copying the environment to the network volume: {len(self._files)} files, {gb(self.blocks)}")
        self._note.write(status="copying")
        try:
            self._make_folders()
            large = self._large()
            write_atomically(self._target / _LIST, json.dumps(large).encode())
            taken = self._take_over(leftovers, large)
            self._each(self._copy, (file for file in self._files if file.path not in taken))
            self._each(lambda link: os.symlink(link[1], f"{self._to}/{link[0]}"), self._links)  # noqa: PTH211
            if self._held.lost:
                raise LeaseLost
            if is_broken(Path(self._from)):
                raise Failure(
                    "import", "The environment has proved broken meanwhile.", "Start a new worker; it builds another."
                )
            marker = json.loads((self._home / MARKER).read_bytes())
            self._store.mark(self._target, marker)
        except OSError as error:
            if self._held.lost:
                raise LeaseLost from error
            if error.errno in FULL:
                self._store.discard(self._target)
            raise

    def _plan(self) -> None:
        def walk(folder: str, top: str) -> None:
            with os.scandir(folder) as entries:
                for entry in entries:
                    path = f"{top}{entry.name}"
                    if entry.is_symlink():
                        self._links.append((path, os.readlink(entry.path)))  # noqa: PTH115
                    elif entry.is_dir():
                        self._folders.append(path)
                        walk(entry.path, f"{path}/")
                    # Beside folders the top has notes of the workers that use it; some bytecode may just be under way.
                    elif (top or entry.name == "pyvenv.cfg") and ".pyc." not in entry.name:
                        found = entry.stat()
                        self._files.append(_File(path, found.st_size, found.st_mode & 0o777, found.st_mtime_ns))

        walk(self._from, "")
        # The large ones first, so that none is left alone at the end; then one of each folder after the other, since a folder
        # takes up one new name at a time.
        seen: Counter[str] = Counter()
        place: dict[str, tuple[int, int]] = {}
        for file in self._files:
            folder = file.path.rpartition("/")[0]
            place[file.path] = (-file.size, 0) if file.size >= _LARGE else (0, seen[folder])
            seen[folder] += 1
        self._files.sort(key=lambda file: place[file.path])

    def _check_space(self, leftovers: Iterable[Path]) -> None:
        need = self.blocks + self.blocks // 20
        free = shutil.disk_usage(self._store.location.root).free
        if free < need:
            for leftover in leftovers:
                self._store.discard(leftover)
            shutil.rmtree(self._store.trash, ignore_errors=True)
            free = shutil.disk_usage(self._store.location.root).free
        if free < need:
            raise too_small(need, free, self._store.location.kind)

    def _make_folders(self) -> None:
        self._target.mkdir()
        by_depth: dict[int, list[str]] = {}
        for folder in self._folders:
            by_depth.setdefault(folder.count("/"), []).append(folder)
        for depth in sorted(by_depth):
            self._each(lambda folder: os.mkdir(f"{self._to}/{folder}"), by_depth[depth])  # noqa: PTH102

    def _large(self) -> dict[str, str]:
        """The checksums of large files by their paths, from the records of their packages."""
        large = {file.path for file in self._files if file.size >= _LARGE}
        found: dict[str, str] = {}
        for file in self._files:
            if not file.path.endswith(".dist-info/RECORD"):
                continue
            packages = file.path.rsplit("/", 2)[0]
            with open(f"{self._from}/{file.path}", encoding="utf-8", newline="") as record:  # noqa: PTH123
                rows = ((os.path.normpath(f"{packages}/{row[0]}"), row[1]) for row in csv.reader(record) if len(row) == 3)
                found |= {path: checksum for path, checksum in rows if path in large and checksum}
        return found

    def _take_over(self, leftovers: Iterable[Path], large: dict[str, str]) -> set[str]:
        """Move what is whole out of copies that were not finished, and these out of the way; returns the paths."""
        sizes = {file.path: file.size for file in self._files}
        taken: set[str] = set()
        for leftover in leftovers:
            try:
                theirs: dict[str, Any] = json.loads((leftover / _LIST).read_bytes())
            except (OSError, ValueError):
                theirs = {}  # it was not made by a copy: nothing in it need be whole
            for path in large.keys() - taken:
                with suppress(FileNotFoundError):
                    if theirs.get(path) == large[path] and (leftover / path).stat().st_size == sizes[path]:
                        (leftover / path).rename(self._target / path)
                        taken.add(path)
                        self._count(sizes[path])
            self._store.discard(leftover)
        if taken:
            log(f"{len(taken)} large files ({gb(self.size)}) were there already, from a worker that did not finish")
        return taken

    def _copy(self, file: _File) -> None:
        final = f"{self._to}/{file.path}"
        name = f"{final}.part" if file.size >= _LARGE else final
        written = 0
        with open(f"{self._from}/{file.path}", "rb", buffering=0) as source:  # noqa: PTH123
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.mode)
            try:
                while (piece := source.read(_PIECE)) and not self._stop.is_set():
                    written += len(piece)
                    if file.size < _SCRIPT and file.path.startswith("bin/"):
                        piece = piece.replace(self._from.encode(), self._to.encode())
                    self._write(handle, piece)
            finally:
                os.close(handle)  # which a network file system does not before all is written
        if self._stop.is_set():
            return
        if written != file.size:
            raise Failure("disk", f"{Path(file.path).name} has changed while it was copied.", "The next worker tries again.")
        if file.path.endswith(".py"):
            os.utime(name, ns=(file.mtime_ns, file.mtime_ns))
        if name != final:
            os.rename(name, final)  # noqa: PTH104
        self._count(file.size)

    def _write(self, handle: int, piece: bytes) -> None:
        left = memoryview(piece)
        while left:
            left = left[os.write(handle, left) :]

    def _count(self, size: int) -> None:
        with self._lock:
            self.files += 1
            self.size += size

    def _each(self, work: Callable[[T], object], items: Iterable[T]) -> None:
        """Do the work for all items, in many threads."""
        waiting: Iterator[T] = iter(items)
        errors: list[BaseException] = []

        def run() -> None:
            while not self._stop.is_set():
                with self._lock:
                    item = next(waiting, None)
                if item is None:
                    return
                try:
                    work(item)
                except (OSError, Failure) as error:
                    errors.append(error)
                    self._stop.set()

        threads = [threading.Thread(target=run, daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        try:
            while alive := [thread for thread in threads if thread.is_alive()]:
                alive[0].join(_LOOK_EVERY)
                self._note.write(files=self.files, size=self.size)
                if self._held.lost:
                    raise LeaseLost
        finally:
            if alive:
                self._stop.set()
        if errors:
            raise errors[0]
