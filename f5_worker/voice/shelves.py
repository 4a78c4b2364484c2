"""Where voices lie: a bucket, or the network volume. Both keep files by name, and fail with the same errors."""

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import s3_utils
from bootstrap.places import FULL, write_failure
from f5_worker.atomic import replace_atomically
from f5_worker.errors import (
    StorageDeniedError,
    StorageError,
    StorageExistsError,
    StorageNotConfiguredError,
    StorageNotFoundError,
    StorageTooLargeError,
)
from f5_worker.formats import VOICE_CONTENT_TYPES
from f5_worker.job.context import NO_BUCKET_FIX, Job
from f5_worker.names import voice_extension
from f5_worker.s3_config import S3Config
from f5_worker.volume import has_volume

FOLDER = "voices"
"""In the bucket, and on the volume."""
_MISSING = (errno.ENOENT, errno.ENAMETOOLONG, errno.ELOOP)


class Shelf(Protocol):
    """Files by name, where a name is no path. Every call raises ``StorageError`` where the place fails."""

    def files(self, start: str = "") -> Iterable[s3_utils.ObjectInfo]:
        """Every file whose name starts with ``start``; its ``key`` is the name."""

    def find(self, name: str) -> s3_utils.ObjectInfo | None:
        """What is known of one file."""

    def read(self, name: str, max_bytes: int) -> bytes:
        """The whole file.

        Raises:
            StorageNotFoundError: there is none.
            StorageTooLargeError: it has more than ``max_bytes``; ``details["size"]`` says how many.
        """

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        """Store a file, whole or not at all.

        Raises:
            StorageExistsError: not ``overwrite``, and the name is taken; of two writers at once one wins.
        """

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""


def open_shelf(job: Job) -> Shelf:
    """The bucket of the job or the endpoint; without one, the network volume.

    Raises:
        StorageNotConfiguredError: there is neither.
        StorageDeniedError: the volume's ``voices`` is a link.
    """
    if job.s3 is not None:
        return BucketShelf(job.s3)
    if not has_volume(job.settings):
        raise StorageNotConfiguredError(
            "There is no place for voices: neither an S3 bucket nor a network volume. Attach a network volume (NETWORK_VOLUME "
            f"names its folder; on your own machine any folder will do), or {NO_BUCKET_FIX}"
        )
    return FolderShelf.on_volume(job.settings.network_volume)


@dataclass(frozen=True, slots=True)
class BucketShelf:
    """``voices/`` in S3."""

    config: S3Config

    def files(self, start: str = "") -> Iterator[s3_utils.ObjectInfo]:
        for info in s3_utils.list_objects(self.config, self._key(start)):
            yield replace(info, key=info.key.removeprefix(self._key("")))

    def find(self, name: str) -> s3_utils.ObjectInfo | None:
        return s3_utils.find(self.config, self._key(name))

    def read(self, name: str, max_bytes: int) -> bytes:
        return s3_utils.get_bytes(self.config, self._key(name), max_bytes)

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        content_type = VOICE_CONTENT_TYPES.get(voice_extension(name) or "", "application/json")
        s3_utils.put_bytes(self.config, self._key(name), data, content_type, overwrite=overwrite)

    def remove(self, name: str) -> None:
        s3_utils.delete(self.config, self._key(name))

    def _key(self, name: str) -> str:
        return f"{FOLDER}/{name}"


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """A folder, made by the first write. Plain files only: links, which may lead anywhere, and pipes are not there."""

    root: Path

    @classmethod
    def on_volume(cls, volume: Path) -> "FolderShelf":
        """``voices/`` on the network volume.

        Raises:
            StorageDeniedError: it is a link, which may lead out of the volume.
        """
        root = volume / FOLDER
        if root.is_symlink():
            raise StorageDeniedError(f"{FOLDER} on the network volume is a link; put a folder in its place, or {NO_BUCKET_FIX}")
        return cls(root)

    def files(self, start: str = "") -> Iterator[s3_utils.ObjectInfo]:
        with self._reading(f"The folder {FOLDER}"):
            try:
                entries = sorted(os.scandir(self.root), key=lambda entry: entry.name)
            except FileNotFoundError:
                return
        for entry in entries:
            if entry.name.startswith(start) and (info := self.find(entry.name)):
                yield info

    def find(self, name: str) -> s3_utils.ObjectInfo | None:
        with self._reading(f"The file {name!r}"):
            try:
                status = (self.root / name).lstat()
            except OSError as error:
                if error.errno in _MISSING:
                    return None
                raise
        return _info(name, status) if stat.S_ISREG(status.st_mode) else None

    def read(self, name: str, max_bytes: int) -> bytes:
        info = self.find(name)
        try:
            if info is None:
                raise FileNotFoundError(name)
            with self._reading(f"The file {name!r}"), open(self.root / name, "rb", opener=_without_links) as file:
                data = b"" if info.size > max_bytes else file.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise StorageNotFoundError(f"There is no file {name!r} on the network volume.") from error
        size = max(info.size, len(data))
        if size > max_bytes:
            raise StorageTooLargeError(
                f"{name!r} on the network volume has {size:,} bytes, {max_bytes:,} are allowed; store a smaller one.",
                size=size,
                limit=max_bytes,
            )
        return data

    def write(self, name: str, data: bytes, *, overwrite: bool = True) -> None:
        try:
            with replace_atomically(self.root / name, overwrite=overwrite) as part:
                part.write_bytes(data)
        except FileExistsError as error:
            if overwrite:
                raise _write_error(error) from error
            raise StorageExistsError(f"{name!r} is on the network volume already.") from error
        except OSError as error:
            raise _write_error(error) from error

    def remove(self, name: str) -> None:
        try:
            (self.root / name).unlink(missing_ok=True)
        except OSError as error:
            raise _write_error(error) from error

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            kind = StorageDeniedError if error.errno in (errno.EACCES, errno.EPERM) else StorageError
            raise kind(
                f"{what} on the network volume cannot be read ({os.strerror(error.errno or errno.EIO)}); look at the volume's "
                f"state and permissions, or {NO_BUCKET_FIX}"
            ) from error


def _info(name: str, status: os.stat_result) -> s3_utils.ObjectInfo:
    return s3_utils.ObjectInfo(name, status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def _without_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW)


def _write_error(error: OSError) -> StorageError:
    failure = write_failure(error, "volume")
    kind = StorageError if error.errno in FULL else StorageDeniedError
    return kind(f"{failure.reason} {failure.fix} Or {NO_BUCKET_FIX}")
