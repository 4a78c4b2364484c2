"""Makes an environment on the local disk from its pack (pack.py).

Thousands of small files: each costs the disk more time than the processor, so several threads make them.
"""

import hashlib
import json
import os
import shutil
import stat
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias

from bootstrap.libraries import NOTE
from bootstrap.pack import DIGEST, MAGIC, ORIGIN, DamagedPack, Header
from bootstrap.places import base_python

Range: TypeAlias = tuple[str, int, int]
"""A file, the first byte, and how many."""

_MAX_HEADER = 64 * 1024 * 1024
_BLOCK = 8 * 1024 * 1024
_THREADS = 4


def unpack(
    pack: Path,
    environment: Path,
    folder: Path,
    moved: Callable[[], None] = lambda: None,
    begun: Callable[[Sequence[Range]], None] = lambda _: None,
) -> None:
    """Make ``folder`` from the pack of ``environment``, in one step that others see.

    ``moved`` is called now and then, by any thread; ``begun`` once, with what is to be read ahead of libraries.

    Raises:
        DamagedPack: the pack is not whole, or not for this environment and Python.
        OSError: it cannot be read, or the folder cannot be written.
    """
    draft = folder.with_name(f".{folder.name}-{uuid.uuid4().hex[:8]}")
    try:
        with pack.open("rb", buffering=0) as file:
            _Unpacking(file, environment, draft, moved).run(begun)
        with suppress(FileExistsError):
            draft.rename(folder)
    except OSError:
        if not (folder / NOTE).is_file():  # else another process was quicker
            raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


class _Unpacking:
    def __init__(self, file: BinaryIO, environment: Path, folder: Path, moved: Callable[[], None]) -> None:
        self._file = file
        self._environment = environment
        self._folder = str(folder)
        self._moved = moved
        self._end = os.fstat(file.fileno()).st_size - DIGEST
        self._header, self._start = self._read_header()
        if self._start + sum(size for _, size, *_ in self._header.files) != self._end:
            raise DamagedPack("it has not the size that it should have")
        self._work = self._files()
        self._lock = threading.Lock()
        self._error: Exception | None = None

    def run(self, begun: Callable[[Sequence[Range]], None]) -> None:
        """Do all of it, in a folder that is not there yet."""
        header, home = self._header, self._environment.parent
        if (header.fingerprint, header.build, header.python) != (home.name, self._environment.name, sys.version):
            raise DamagedPack("it belongs to another environment or Python")
        ranges = [(f"{home}/{near}", start, length) for _, near, _, touched in header.libraries for start, length in touched]
        begun(ranges)
        self._make_folders()
        threads = [threading.Thread(target=self._make_files, name="unpack", daemon=True) for _ in range(_THREADS)]
        for thread in threads:
            thread.start()
        try:
            self._check()  # meanwhile: what is wrong is thrown away whole
            self._make_links()
            Path(self._folder, NOTE).write_text(json.dumps(ranges), encoding="utf-8")
        except Exception as error:
            self._error = error
            raise
        finally:
            for thread in threads:
                thread.join()
        if self._error is not None:
            raise self._error

    def _read_header(self) -> tuple[Header, int]:
        handle = self._file.fileno()
        first = os.pread(handle, len(MAGIC) + 12, 0)
        length, line, _ = first.removeprefix(MAGIC).partition(b"\n")
        if not first.startswith(MAGIC) or not line or not length.isdigit() or int(length) > _MAX_HEADER:
            raise DamagedPack("it does not begin as one")
        start = len(MAGIC) + len(length) + 1
        return Header.parse(self._read(start, int(length))), start + int(length)

    def _read(self, start: int, size: int) -> bytes:
        parts = []
        while size > 0:
            if not (part := os.pread(self._file.fileno(), size, start)):
                raise DamagedPack("it is cut short")
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _check(self) -> None:
        digest = hashlib.sha256()
        for start in range(0, self._end, _BLOCK):
            digest.update(self._read(start, min(_BLOCK, self._end - start)))
            self._moved()
        if self._read(self._end, DIGEST) != digest.digest():
            raise DamagedPack("its checksum is wrong")

    def _make_folders(self) -> None:
        header = self._header
        leaves = (
            *(path for path, *_ in header.files),
            *header.links,
            *header.aliases,
            *(path for path, *_ in header.libraries),
        )
        near = {path.rpartition("/")[0] for path in leaves}
        folders = {str(folder) for path in near if path for folder in (PurePosixPath(path), *PurePosixPath(path).parents)}
        for folder in ("", *sorted(folders - {"."})):  # each behind the one that it is in
            os.mkdir(f"{self._folder}/{folder}")  # noqa: PTH102 - pathlib takes longer than the folder

    def _files(self) -> Iterator[tuple[str, int, int, int, int]]:
        start = self._start
        for path, size, changed, mode in self._header.files:
            yield path, start, size, changed, mode
            start += size

    def _make_files(self) -> None:
        try:
            while self._error is None:
                with self._lock:
                    file = next(self._work, None)
                if file is None:
                    return
                self._make(*file)
                self._moved()
        except Exception as error:  # noqa: BLE001 - it is raised where the threads are waited for
            self._error = error

    def _make(self, path: str, start: int, size: int, changed: int, mode: int) -> None:
        content = memoryview(self._read(start, size))
        handle = os.open(f"{self._folder}/{path}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | stat.S_IWUSR)
        try:
            while content:
                content = content[os.write(handle, content) :]
            if path.endswith(".py"):
                os.utime(handle, ns=(changed, changed))  # bytecode names it
        finally:
            os.close(handle)

    def _make_links(self) -> None:
        home = self._environment.parent
        for path, target in self._header.aliases.items():
            self._link(base_python() if path == "bin/python" else target, path)
        for path in self._header.links:
            self._link(f"{self._environment}/{path}", path)
        for path, near, _, _ in self._header.libraries:
            self._link(f"{home}/{near}", path)
        self._link(str(self._environment), ORIGIN)

    def _link(self, target: str, path: str) -> None:
        os.symlink(target, f"{self._folder}/{path}")  # noqa: PTH211
