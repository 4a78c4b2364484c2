"""Every S3 call of the worker, for AWS and for services that speak its protocol.

Each function takes the ``S3Config`` to work with, adds its ``prefix`` to the key, retries with back-off what is worth a retry,
and raises only the ``Storage*`` errors of ``f5_worker.errors``. Equal accounts share one client. boto3 is imported by the
first call, since ``handler.py`` must import without it.
"""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Concatenate, ParamSpec, TypeVar
from urllib.parse import quote, urlsplit

from f5_worker import s3_errors
from f5_worker.errors import BucketNotFoundError, JobStopped, StorageError, StorageNotFoundError, StorageTooLargeError
from f5_worker.network import NotPublicError, check_public, in_time, stopping
from f5_worker.s3_client import client_for
from f5_worker.s3_config import S3Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 3
_CHECK_TIMEOUT = 5.0
_BACK_OFF_SECONDS = 5.0
_LEAST_BYTES_PER_SECOND = 250_000
_PART_BYTES = 8 * 1024 * 1024
_MULTIPART_FROM_BYTES = 16 * 1024 * 1024

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """A stored object: ``key`` without the configuration's prefix, ``size`` in bytes; a listing knows no ``content_type``."""

    key: str
    size: int
    last_modified: datetime
    content_type: str | None = None


def _bounded(
    size: Callable[..., int] = lambda *_, **__: 0,
) -> Callable[[Callable[Concatenate[S3Config, P], T]], Callable[Concatenate[S3Config, P], T]]:
    """Give a call an end: so long as its retries need and ``size`` bytes take, or until the job is stopped.

    A job's own configuration reaches public addresses only; the endpoint's may lead anywhere.
    """

    def bound(function: Callable[Concatenate[S3Config, P], T]) -> Callable[Concatenate[S3Config, P], T]:
        @wraps(function)
        def call(config: S3Config, /, *args: P.args, **kwargs: P.kwargs) -> T:
            seconds = _ATTEMPTS * config.timeout + _BACK_OFF_SECONDS + size(*args, **kwargs) / _LEAST_BYTES_PER_SECOND
            try:
                return in_time(partial(function, config, *args, **kwargs), seconds, public_only=config.guarded)
            except TimeoutError:
                raise s3_errors.storage_error(s3_errors.SLOW, f"given up after {seconds:.0f} s", config, None) from None
            except NotPublicError:
                raise s3_errors.storage_error(s3_errors.NOT_PUBLIC, "refused", config, None) from None

        return call

    return bound


@_bounded(lambda path, *_: path.stat().st_size)
def upload_file(config: S3Config, path: Path, key: str, content_type: str) -> None:
    """Store the file at ``path``, in parallel parts when it is large, and prove that it is there, whole.

    Raises:
        StorageError: after the retries, or when the server took it and does not have it.
        OSError: the local file cannot be read.
    """
    size = path.stat().st_size
    if size < _MULTIPART_FROM_BYTES:
        with path.open("rb") as file:
            _put(config, key, file, content_type)
        return
    stop = stopping.get()

    def unless_stopped(_bytes: int) -> None:
        if stop is not None and stop.is_set():
            raise JobStopped  # in a thread of the transfer's, which then takes back what it has sent

    with _storage_errors(config, key) as client:
        from boto3.s3.transfer import TransferConfig

        transfer = TransferConfig(
            multipart_threshold=_MULTIPART_FROM_BYTES,
            multipart_chunksize=_PART_BYTES,
            max_concurrency=4,
            preferred_transfer_client="classic",
        )
        client.upload_file(
            str(path),
            config.bucket,
            _full_key(config, key),
            ExtraArgs={"ContentType": content_type},
            Config=transfer,
            Callback=unless_stopped,
        )
    if (stored := head(config, key).size) != size:
        raise s3_errors.storage_error(s3_errors.NOT_S3, f"{stored:,} of {size:,} bytes stored", config, _full_key(config, key))


@_bounded()
def put_bytes(config: S3Config, key: str, data: bytes, content_type: str, *, overwrite: bool = True) -> None:
    """Store ``data``.

    Raises:
        StorageExistsError: not ``overwrite``, and the key is taken (decided by the server, so two writers cannot both win).
        StorageError: after the retries.
    """
    _put(config, key, data, content_type, **({} if overwrite else {"IfNoneMatch": "*"}))


def _put(config: S3Config, key: str, body: "bytes | BinaryIO", content_type: str, **condition: Any) -> None:
    with _storage_errors(config, key) as client:
        full = _full_key(config, key)
        answer = client.put_object(Bucket=config.bucket, Key=full, Body=body, ContentType=content_type, **condition)
    if not answer.get("ETag"):  # what says yes to everything stores nothing
        raise s3_errors.storage_error(s3_errors.NOT_S3, "no ETag", config, full)


@_bounded(lambda _key, max_bytes: int(max_bytes))
def get_bytes(config: S3Config, key: str, max_bytes: int) -> bytes:
    """The whole object, of ``max_bytes`` at most.

    Raises:
        StorageNotFoundError: no such key (``BucketNotFoundError``: no such bucket).
        StorageTooLargeError: it is larger; nothing was downloaded.
        StorageError: after the retries.
    """
    with _storage_errors(config, key) as client:
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        for attempt in range(1, _ATTEMPTS + 1):
            response = client.get_object(Bucket=config.bucket, Key=_full_key(config, key))
            with closing(response["Body"]) as body:
                size = response.get("ContentLength", 0)  # which a server may leave out, or lie about
                if size < 0:
                    raise s3_errors.storage_error(s3_errors.NOT_S3, "negative size", config, _full_key(config, key))
                try:
                    data = body.read(max_bytes + 1) if size <= max_bytes else b""
                    size = max(size, len(data))
                    if size > max_bytes:
                        raise StorageTooLargeError(
                            f"{key!r} in the bucket {config.bucket!r} has {size:,} bytes or more, {max_bytes:,} are allowed; "
                            "store a smaller one.",
                            size=size,
                            limit=max_bytes,
                        )
                    if len(data) < size:
                        raise IncompleteReadError(actual_bytes=len(data), expected_bytes=size)
                    return data
                except (HTTPClientError, IncompleteReadError):  # botocore retries a call, but not the reading of its body
                    if attempt == _ATTEMPTS:
                        raise
            time.sleep(random.random() * 2**attempt / 2)
    raise AssertionError("the last attempt returns or raises")


@_bounded()
def head(config: S3Config, key: str) -> ObjectInfo:
    """What is known of one object.

    Raises:
        StorageNotFoundError: no such key (``BucketNotFoundError``: no such bucket).
        StorageError: after the retries.
    """
    with _storage_errors(config, key) as client:
        try:
            response = client.head_object(Bucket=config.bucket, Key=_full_key(config, key))
        except client.exceptions.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404 and _bucket_is_missing(client, config):
                raise s3_errors.storage_error(s3_errors.NO_BUCKET, "404", config, None) from None
            raise
        if absent := [name for name in ("LastModified", "ContentLength") if name not in response]:
            raise s3_errors.storage_error(s3_errors.NOT_S3, f"no {absent[0]}", config, _full_key(config, key))
        return ObjectInfo(key, response["ContentLength"], response["LastModified"], response.get("ContentType"))


def find(config: S3Config, key: str) -> ObjectInfo | None:
    """Like ``head``, but ``None`` for a missing key; a missing bucket is an error as ever."""
    try:
        return head(config, key)
    except BucketNotFoundError:
        raise
    except StorageNotFoundError:
        return None


def list_objects(config: S3Config, prefix: str) -> Iterator[ObjectInfo]:
    """Every object whose key starts with ``prefix``, in the order of their keys, page by page.

    Raises:
        BucketNotFoundError: no such bucket.
        StorageError: after the retries.
    """
    yield from _listed(config, prefix)


@_bounded()
def _listed(config: S3Config, prefix: str) -> list[ObjectInfo]:
    own = len(_full_key(config, ""))
    with _storage_errors(config, prefix) as client:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=config.bucket, Prefix=_full_key(config, prefix))
        listed: list[ObjectInfo] = []
        for page in pages:
            if not page.keys() & {"Name", "IsTruncated", "KeyCount"}:  # every service sends one of them, even for no objects
                raise s3_errors.storage_error(s3_errors.NOT_S3, "no listing", config, None)
            listed += [ObjectInfo(item["Key"][own:], item["Size"], item["LastModified"]) for item in page.get("Contents", ())]
        return listed


@_bounded()
def delete(config: S3Config, key: str) -> None:
    """Remove one object; one that is not there is no error, as in S3 itself.

    Raises:
        StorageError: after the retries.
    """
    with _storage_errors(config, key) as client:
        client.delete_object(Bucket=config.bucket, Key=_full_key(config, key))


@_bounded()
def presign(config: S3Config, key: str, *, filename: str | None = None) -> str:
    """A URL that serves the object to anyone for ``config.url_expires`` seconds; browsers save it as ``filename`` if given.

    Raises:
        StorageError: no URL can be signed (no credentials, settings that cannot work); the server is not asked.
    """
    params = {"Bucket": config.bucket, "Key": _full_key(config, key)}
    if filename is not None:
        params["ResponseContentDisposition"] = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
    with _storage_errors(config, key) as client:
        return client.generate_presigned_url("get_object", Params=params, ExpiresIn=config.url_expires)


@_bounded()
def check(config: S3Config) -> None:
    """One quick call, with no retry, that proves the endpoint reachable, the credentials accepted and the bucket listable.

    Raises:
        StorageError: whichever of these is not so.
    """
    quick = replace(config, timeout=min(config.timeout, _CHECK_TIMEOUT))
    with _storage_errors(quick, None, attempts=1) as client:
        client.list_objects_v2(Bucket=config.bucket, Prefix=_full_key(config, ""), MaxKeys=1)


def _bucket_is_missing(client: "S3Client", config: S3Config) -> bool:
    """Whether the bucket is why HEAD said 404: its answer has no body that would tell; a listing's has."""
    try:
        client.list_objects_v2(Bucket=config.bucket, Prefix=_full_key(config, ""), MaxKeys=1)
    except client.exceptions.NoSuchBucket:
        return True
    except client.exceptions.ClientError:
        return False  # not allowed to list: the key stays the likelier reason
    return False


def _full_key(config: S3Config, key: str) -> str:
    return f"{config.prefix}/{key}" if config.prefix else key


@contextmanager
def _storage_errors(config: S3Config, key: str | None, attempts: int = _ATTEMPTS) -> Iterator["S3Client"]:
    """Lend the client of ``config``; every foreign error becomes a ``StorageError``, here and nowhere else."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError
    except (ImportError, OSError) as error:
        raise StorageError(
            f"S3 needs the Python package boto3, which does not import ({type(error).__name__}); install requirements.txt."
        ) from error
    full = None if key is None else _full_key(config, key)
    if config.guarded:
        check_public(urlsplit(config.endpoint_url or "").hostname or "")
    try:
        yield client_for(config, attempts)
    except (KeyError, TypeError, AttributeError, RecursionError) as error:  # what botocore makes of answers that are not S3's
        raise s3_errors.storage_error(s3_errors.NOT_S3, type(error).__name__, config, full) from None
    # ValueError: botocore has no class of its own for an endpoint that is no URL or a key that is no Unicode.
    except (BotoCoreError, ClientError, Boto3Error, ResponseParserError, ValueError) as error:
        # Without its cause: botocore's texts hold header values and signed URLs, which a traceback would carry into the log.
        raise s3_errors.translate(error, config, full) from None
