"""The last stage: hands finished files over, as a presigned URL, inline in base64, or as a local file.

Results lie under ``output/JOB_ID.FORMAT`` (audio) and ``timings/JOB_ID.FORMAT``; both kinds go through the same functions.
"""

import base64
import errno
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import s3_utils
from f5_worker import log
from f5_worker.atomic import replace_atomically
from f5_worker.errors import DeliveryError, JobStopped, NotFoundError, StorageError, brief
from f5_worker.formats import ANY_RATE, CONTENT_TYPES, ResultKind
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from f5_worker.volume import has_volume

_FOLDERS: Mapping[ResultKind, str] = {"audio": "output", "timing": "timings"}

Way = Literal["url", "base64", "path", "kept"]
Smaller: TypeAlias = Callable[[int], tuple[Path, str] | None]
"""Makes a file of at most that many bytes of the same result; its path and format, or ``None`` if it cannot be made."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """How one result of a job was handed over: ``value`` is a URL, base64 text or a path, ``size`` the file's own bytes.

    ``kept`` is a result that no answer can hold, on this worker's disk or the network volume, for ``download``.
    """

    kind: ResultKind
    format: str
    way: Way
    value: str
    size: int
    warnings: tuple[str, ...] = ()

    @property
    def content_type(self) -> str:
        """What the result is served as."""
        return CONTENT_TYPES[self.kind][self.format]

    def answer(self) -> dict[str, Any]:
        """The job answer's fields about the file; the warnings join those of the other stages."""
        value = {} if self.way == "kept" else {f"{self.kind}_{self.way}": self.value}
        return {**value, "size": self.size, "content_type": self.content_type}


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result of an earlier job that lies in S3; ``url`` is presigned and saves under ``filename``."""

    key: str
    format: str
    content_type: str
    size: int
    filename: str
    url: str


def deliver(
    path: Path,
    kind: ResultKind,
    result_format: str,
    *,
    job_id: str,
    settings: Settings,
    s3: S3Config | None,
    smaller: Smaller | None = None,
) -> Delivered:
    """Hand over the finished file at ``path``, which stays where it is and belongs to the caller.

    The ways, each taken where those before it fail, with a warning: S3, where it is configured; on local runs a file in
    ``settings.output_dir``; the answer itself; there in a ``smaller`` form; a file that is kept for ``download``.

    Raises:
        DeliveryError: no way is left; says which failed, and what to do.
        JobStopped: the job was stopped in its upload.
    """
    size, failures, limit = path.stat().st_size, list[str](), settings.max_inline_bytes

    def delivered(way: Way, value: str, instead: str, made: str = result_format, bytes_: int = size) -> Delivered:
        return Delivered(kind, made, way, value, bytes_, _as_warnings(failures, kind, instead))

    if s3 is not None and not settings.keep_local:
        try:
            return delivered("url", store_result(s3, path, kind, job_id, result_format), "in S3")
        except JobStopped:
            raise
        except Exception as error:  # noqa: BLE001 - what was paid for is delivered, whatever an upload ran into
            failures.append(f"The upload to S3 failed: {error.message if isinstance(error, StorageError) else brief(error)}")
    if not settings.asked_from_afar and not (failures and size <= limit):
        try:
            kept = _keep(path, settings.output_dir / f"{job_id}.{result_format}")
        except OSError as error:
            failures.append(_why_not_kept(error, size))
        else:
            return delivered("path", str(kept), "kept as a local file")
    if size <= limit:
        return delivered("base64", inline(path), "in the answer itself")
    too_large = f"The {result_format} has {size:,} bytes, more than the {limit:,} that fit into an answer."
    if smaller is not None and (made := smaller(limit)) is not None:
        failures.append(too_large)
        return delivered("base64", inline(made[0]), f"sent as {made[1]} instead", made[1], made[0].stat().st_size)
    for folder in kept_folders(settings) if settings.asked_from_afar else ():
        try:
            kept = _keep(path, folder / f"{job_id}.{result_format}")
        except OSError as error:
            failures.append(_why_not_kept(error, size))
        else:
            failures.append(too_large)
            return delivered("kept", str(kept), f"kept for the endpoint download, with job_id {job_id}")
    raise _undeliverable(failures, kind, result_format, size, settings, s3)


def kept_folders(settings: Settings) -> tuple[Path, ...]:
    """Where results are kept that no answer can hold: the network volume, else the worker's own disk. Local runs keep all."""
    volume = (settings.network_volume / "results",) if settings.on_runpod and has_volume(settings) else ()
    return (*volume, settings.output_dir)


def store_result(s3: S3Config, path: Path, kind: ResultKind, job_id: str, result_format: str) -> str:
    """Upload one result of a job and sign its URL.

    Raises:
        StorageError: S3 failed, also after retries.
    """
    s3_utils.upload_file(s3, path, _result_key(kind, job_id, result_format), CONTENT_TYPES[kind][result_format])
    return sign_result(s3, kind, job_id, result_format)


def sign_result(s3: S3Config, kind: ResultKind, job_id: str, result_format: str) -> str:
    """A new URL of a stored result.

    Raises:
        StorageError: it cannot be signed.
    """
    return s3_utils.presign(s3, _result_key(kind, job_id, result_format))


def find_result(s3: S3Config, job_id: str, kind: ResultKind, result_format: str | None) -> StoredResult:
    """The stored result of an earlier job; without a format (one of ``CONTENT_TYPES[kind]``), the first that is there.

    Raises:
        NotFoundError: nothing is stored.
        StorageError: S3 failed.
    """
    known = CONTENT_TYPES[kind]
    wanted = tuple(known) if result_format is None else (result_format,)
    for name in wanted:
        key = _result_key(kind, job_id, name)
        if (info := s3_utils.find(s3, key)) is not None:
            filename = f"{job_id}.{name}"
            url = s3_utils.presign(s3, key, filename=filename)
            return StoredResult(key, name, known[name], info.size, filename, url)
    raise NotFoundError(
        f"No {kind} is stored for job_id={job_id!r} (looked for {', '.join(wanted)}); check the id and the format: only "
        "results that were uploaded to S3 can be downloaded, for as long as the bucket keeps them.",
        field="job_id",
    )


def find_kept(settings: Settings, job_id: str, kind: ResultKind, result_format: str | None) -> Path | None:
    """A result that was kept because no answer could hold it; see ``find_result``."""
    wanted = tuple(CONTENT_TYPES[kind]) if result_format is None else (result_format,)
    candidates = (folder / f"{job_id}.{name}" for folder in kept_folders(settings) for name in wanted)
    return next((path for path in candidates if path.is_file()), None)


def inline_result(s3: S3Config, result: StoredResult, max_bytes: int) -> str | None:
    """The stored result in base64, or ``None`` if it is larger than ``max_bytes`` (before encoding).

    Raises:
        StorageError: S3 failed.
    """
    if result.size > max_bytes:
        return None
    return base64.b64encode(s3_utils.get_bytes(s3, result.key, max_bytes)).decode("ascii")


def _result_key(kind: ResultKind, job_id: str, result_format: str) -> str:
    return f"{_FOLDERS[kind]}/{job_id}.{result_format}"


def inline(path: Path) -> str:
    """A file's bytes in base64."""
    return base64.b64encode(path.read_bytes()).decode("ascii")


def _keep(path: Path, target: Path) -> Path:
    """Copy to ``target`` so that nobody sees half a file there, also from another file system."""
    with replace_atomically(target) as part:
        shutil.copyfile(path, part)
    return target


def _why_not_kept(error: OSError, size: int) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of OUTPUT_DIR has no room for {size:,} bytes."
    return f"OUTPUT_DIR cannot be written ({os.strerror(error.errno) if error.errno else type(error).__name__})."


def _as_warnings(failures: list[str], kind: ResultKind, instead: str) -> tuple[str, ...]:
    if not failures:
        return ()
    warning = f"{' '.join(failures)} The {kind} is {instead}."
    log.warn(warning)
    return (warning,)


def _undeliverable(
    failures: list[str], kind: ResultKind, result_format: str, size: int, settings: Settings, s3: S3Config | None
) -> DeliveryError:
    mends = ["repair S3" if s3 is not None else "set S3_BUCKET and its credentials"]
    if not settings.asked_from_afar:
        mends.append("free or change OUTPUT_DIR")
    if result_format in ANY_RATE:
        mends.append("choose a smaller output_format (mp3, ogg)")
    mends.append("send a shorter text")
    return DeliveryError(
        f"{' '.join(failures)}{' ' if failures else ''}The {result_format} {kind} has {size:,} bytes, more than the "
        f"{settings.max_inline_bytes:,} that fit into an answer: {' or '.join(mends)}.",
        size=size,
        limit=settings.max_inline_bytes,
    )
