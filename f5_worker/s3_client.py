"""The S3 clients: one for all configurations that differ in nothing it knows. boto3 is imported by the first."""

from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Literal

from f5_worker.s3_config import S3Config

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PARALLEL_CALLS = 16
"""How many calls one client serves at once without waiting for a connection."""

_CONNECT_TIMEOUT = 10.0
_CLIENTS_KEPT = 16

_client_lock = Lock()


def client_for(config: S3Config, attempts: int) -> "S3Client":
    """The one client for all configurations that differ in nothing it knows."""
    connection = replace(config, bucket="", prefix="", url_expires=0)
    with _client_lock:
        return _make_client(connection, attempts)


@lru_cache(maxsize=_CLIENTS_KEPT)
def _make_client(config: S3Config, attempts: int) -> "S3Client":
    from boto3.session import Session  # boto3.client() would share one session between threads, which is not safe
    from botocore.config import Config

    # On AWS "virtual" also picks the region's own host: the global one redirects, which a presigned URL does not survive.
    style: Literal["path", "virtual"] = "path" if config.on_path else "virtual"
    return Session().client(
        "s3",
        region_name=config.signing_region,
        endpoint_url=config.endpoint_url,
        aws_access_key_id=config.access_key_id,
        aws_secret_access_key=config.secret_access_key,
        aws_session_token=config.session_token,
        config=Config(  # type: ignore[call-arg]  # the stubs do not know ignore_configured_endpoint_urls
            signature_version="s3v4",
            connect_timeout=min(config.timeout, _CONNECT_TIMEOUT),
            read_timeout=config.timeout,
            retries={"mode": "standard", "total_max_attempts": attempts},
            max_pool_connections=PARALLEL_CALLS,
            s3={"addressing_style": style},
            # Several S3-compatible services refuse the checksums that botocore otherwise adds to every call.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # The environment's endpoint must not catch a job that brings its own s3Config for AWS.
            ignore_configured_endpoint_urls=True,
            tcp_keepalive=True,
        ),
    )
