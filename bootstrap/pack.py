"""The pack of a hot start: one file that holds what a worker's start reads of an environment on the network volume.

    F5-HOT-2 LENGTH\\n      LENGTH bytes of header follow
    {...}                  the header, as JSON: see ``Header``
    ...                    the contents of its files, one after the other
    32 bytes               the SHA-256 of all before

Unpacked it is the same environment on a local disk: small files are copies, large libraries and all that no start has read are
symbolic links to the volume. It is trusted as far as the environment is; a file that is damaged, or that would write outside of
its folder, is refused whole.
"""

import hashlib
import json
import os
import stat
import sys
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from importlib.util import source_from_cache
from pathlib import Path, PurePosixPath

from bootstrap.libraries import NOTE

MAGIC = b"F5-HOT-2 "
DIGEST = hashlib.sha256().digest_size
ORIGIN = ".origin"
"""In an unpacked environment: a link to the one that it was packed from, which tells whether that is still there."""
_BLOCK = 8 * 1024 * 1024
_PAPERS = ("METADATA", "RECORD", "entry_points.txt", "top_level.txt")  # of a package, for importlib.metadata
_READERS = 8  # of small files, each of which costs a network volume several round trips
LARGE = 40 * 1024 * 1024
"""Bytes from which a library stays on the volume, where only the ranges that a start touches are read: torch's and CUDA's. All
others are imported with the GIL held, and must not wait for the volume."""


class DamagedPack(Exception):  # noqa: N818 - it is an outcome, caught in one place
    """The file is no whole pack, not for this environment and Python, or not one to be unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is in the pack. Paths are relative to the environment."""

    fingerprint: str
    build: str
    python: str
    files: list[tuple[str, int, int, int]]
    """Path, size, time of the last change (ns), permissions."""
    links: list[str]
    """What stays on the volume, of every folder that holds one of the files, and may be asked for."""
    aliases: dict[str, str]
    """The environment's own symbolic links, whose targets are relative."""
    libraries: list[tuple[str, str, int, list[tuple[int, int]]]]
    """Large libraries: path, the path beside the environment that leads to the same file with fewer folders to ask for, size,
    and the ranges (first byte, length) to be read ahead."""

    @classmethod
    def parse(cls, raw: bytes) -> "Header":
        """The header, checked.

        Raises:
            DamagedPack: when it is none, or would have anything written outside of its folder.
        """
        try:
            values = json.loads(raw)
            header = cls(**{field.name: values[field.name] for field in fields(cls)})
            header._check()
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedPack(f"its header is not usable ({type(error).__name__})") from error
        return header

    def _check(self) -> None:
        leaves = [*(path for path, *_ in self.files), *self.links, *self.aliases, *(path for path, *_ in self.libraries)]
        if len(known := set(leaves)) != len(leaves):
            raise DamagedPack("it names a path twice")
        for path in leaves:
            if not _is_inside(path) or any(str(parent) in known for parent in PurePosixPath(path).parents):
                raise DamagedPack("a path in it leaves its folder")
        for path, target in self.aliases.items():
            if target.startswith("/") or not _is_inside(os.path.normpath(f"{PurePosixPath(path).parent}/{target}")):
                raise DamagedPack("a link in it leaves its folder")
        for _, size, changed, mode in self.files:
            if size < 0 or size > LARGE or changed < 0 or mode != stat.S_IMODE(mode):
                raise DamagedPack("a file in it has no size")
        for _, near, size, ranges in self.libraries:
            if not _is_inside(near):
                raise DamagedPack("a library in it lies elsewhere")
            if any(start < 0 or length < 0 or start + length > size for start, length in ranges):
                raise DamagedPack("a range in it lies outside of its library")
        if known & {NOTE, ORIGIN}:
            raise DamagedPack("it names what unpacking makes")
        if "bin/python" not in self.aliases or "pyvenv.cfg" not in known:
            raise DamagedPack("it is no environment")


def _is_inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and ".." not in parts and str(PurePosixPath(path)) == path and parts[0] != "/" and "\0" not in path


def write_pack(target: Path, header: Header, environment: Path) -> int:
    """Write the pack of ``environment`` in one step that others see; returns its size.

    Raises:
        OSError: when a file cannot be read as the header describes it, or the pack cannot be written.
    """
    from concurrent.futures import ThreadPoolExecutor

    draft = target.with_name(f".{target.name}-{uuid.uuid4().hex[:8]}.part")
    digest = hashlib.sha256()
    try:
        with draft.open("wb", buffering=_BLOCK) as file:

            def put(data: bytes) -> None:
                digest.update(data)
                file.write(data)

            raw = json.dumps(asdict(header), separators=(",", ":")).encode()
            put(MAGIC + b"%d\n" % len(raw))
            put(raw)
            with ThreadPoolExecutor(_READERS) as pool:
                for first in range(0, len(header.files), 8 * _READERS):
                    some = header.files[first : first + 8 * _READERS]
                    contents = pool.map(lambda entry: (environment / entry[0]).read_bytes(), some)
                    for (path, size, *_), content in zip(some, contents, strict=True):
                        if len(content) != size:
                            raise OSError(f"{path} has changed")
                        put(content)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target.stat().st_size


def make_header(environment: Path, files: Collection[str], mapped: Mapping[str, Sequence[tuple[int, int]]]) -> Header:
    """The header for an environment of which a start has touched ``files``, and those ranges of libraries that it ``mapped``.

    Raises:
        OSError: when the environment cannot be read.
    """
    found: dict[str, os.stat_result] = {}
    folders = {""}
    libraries: list[tuple[str, str, int, list[tuple[int, int]]]] = []
    for path in sorted({"pyvenv.cfg", *files, *map(_source, files), *mapped}):
        if path.count("/"):
            folders.add(os.path.dirname(path))  # noqa: PTH120 - also of a file that is not there: it must be missed locally
        with suppress(FileNotFoundError, NotADirectoryError):
            state = (environment / path).lstat()
            if stat.S_ISREG(state.st_mode) and state.st_size <= LARGE:
                found[path] = state
            elif stat.S_ISREG(state.st_mode) and path in mapped:
                near = _nearer(environment, path)
                libraries.append((path, near, state.st_size, _within(mapped[path], state.st_size)))
    folders = {folder for folder in folders if (environment / folder).is_dir()}
    for path in (*folders, *found, *(path for path, *_ in libraries), "bin/python"):
        folders.update(str(parent) for parent in PurePosixPath(path).parents if str(parent) != ".")
    aliases, links, large = {"bin/python": ""}, [], {path for path, *_ in libraries}
    for path, entry in _entries(environment, folders):
        if path in found or path in folders or path in large or path == "bin/python":
            continue
        target = os.readlink(entry.path) if entry.is_symlink() else "/"  # noqa: PTH115
        inside = not target.startswith("/") and _is_inside(os.path.normpath(f"{PurePosixPath(path).parent}/{target}"))
        if inside:
            aliases[path] = target
        elif not _is_idle(path):
            links.append(path)
    return Header(
        fingerprint=environment.parent.name,
        build=environment.name,
        python=sys.version,
        files=[(path, state.st_size, state.st_mtime_ns, stat.S_IMODE(state.st_mode)) for path, state in found.items()],
        links=links,
        aliases=aliases,
        libraries=libraries,
    )


def _is_idle(path: str) -> bool:
    """Whether a worker does without: bytecode, which Python makes where it is not, and what installers alone read. Links to
    these would be a fifth of what a start has to unpack."""
    _, _, inside = path.partition(".dist-info/")
    return "/__pycache__/" in path or bool(inside and inside not in _PAPERS)


def _nearer(environment: Path, path: str) -> str:
    """A second name of a library, near the volume's root: each folder on the way costs a round trip, again every second."""
    near = f"large-{environment.name}/{PurePosixPath(path).name}"
    target = environment.parent / near
    try:
        target.parent.mkdir(exist_ok=True)
        with suppress(FileExistsError):
            target.hardlink_to(environment / path)
        if target.samefile(environment / path):
            return near
    except OSError:
        pass  # a file system without such names, or one that is full
    return f"{environment.name}/{path}"


def _source(path: str) -> str:
    """The module's source where ``path`` is its bytecode: an import asks for its size and time, and does not open it."""
    try:
        return source_from_cache(path)
    except ValueError:
        return path


def _within(ranges: Iterable[tuple[int, int]], size: int) -> list[tuple[int, int]]:
    return [(start, min(length, size - start)) for start, length in ranges if start < size]


def _entries(environment: Path, folders: Iterable[str]) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    for folder in sorted(folders):
        with os.scandir(environment / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                yield (f"{folder}/{entry.name}" if folder else entry.name), entry
