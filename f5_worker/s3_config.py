"""Where the worker's files lie in S3, and what the host of an S3 service says about it."""

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

PathStyle = Literal["auto", "true", "false"]

BUCKET_NAME_ALLOWED = "letters, digits, '.', '_' and '-'; a folder in it belongs in S3_PREFIX"
_BUCKET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")


@dataclass(frozen=True, slots=True)
class _Provider:
    """A service whose hosts are ``s3.REGION.DOMAIN``, or ``REGION.DOMAIN`` without ``s3_in_host``, after a bucket or not."""

    domain: str
    s3_in_host: bool = True
    is_aws: bool = False


_PROVIDERS = (
    _Provider("amazonaws.com", is_aws=True),
    _Provider("amazonaws.com.cn", is_aws=True),
    _Provider("backblazeb2.com"),
    _Provider("wasabisys.com"),
    _Provider("scw.cloud"),
    _Provider("digitaloceanspaces.com", s3_in_host=False),
)


def _any(domains: list[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, domains))})"


_S3_DOMAINS = _any([provider.domain for provider in _PROVIDERS if provider.s3_in_host])
_PLAIN_DOMAINS = _any([provider.domain for provider in _PROVIDERS if not provider.s3_in_host])
_SERVICE_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9.-]+)\.)?"
    rf"(?:s3[.-](?:[a-z0-9-]+\.)*{_S3_DOMAINS}|[a-z0-9]+\.{_PLAIN_DOMAINS})"
)
_AWS_HOST = re.compile(rf".*\.{_any([provider.domain for provider in _PROVIDERS if provider.is_aws])}")
_REGION_HOST = re.compile(rf"(?:.*\.)?s3[.-](?P<region>[a-z]{{2}}-[a-z0-9-]+)\.{_S3_DOMAINS}")

# Alibaba's, Tencent's and Volcano's services refuse a bucket in the path.
_BUCKET_IN_HOST = re.compile(
    r"(?:.*\.)?(?:oss-[a-z0-9-]+\.aliyuncs\.com|cos\.[a-z0-9-]+\.myqcloud\.com|tos-s3-[a-z0-9-]+\.volces\.com)"
)


@dataclass(frozen=True, slots=True)
class S3Config:
    """Where results and voices are stored. Equal configurations share one client."""

    bucket: str
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint_url: str | None = None
    prefix: str = ""
    url_expires: int = 3600
    path_style: PathStyle = "auto"
    timeout: float = 15.0
    guarded: bool = False
    """Whether a job brought the service's address, which may then be a public one only."""

    @property
    def on_aws(self) -> bool:
        """Whether the service is AWS itself."""
        return self.endpoint_url is None or bool(_AWS_HOST.fullmatch(urlsplit(self.endpoint_url).hostname or ""))

    @property
    def on_path(self) -> bool:
        """Whether the bucket stands in the path of a request; else it stands before the host."""
        if self.path_style != "auto":
            return self.path_style == "true"
        return not self.on_aws and not _BUCKET_IN_HOST.fullmatch(urlsplit(self.endpoint_url or "").hostname or "")

    @property
    def signing_region(self) -> str:
        """The region that requests are signed for: the given one, else the one in the host's name.

        The services that check the region name it there; the rest take us-east-1, or are told by AWS_REGION.
        """
        in_host = _REGION_HOST.fullmatch(urlsplit(self.endpoint_url or "").hostname or "")
        return self.region or (in_host["region"] if in_host else "us-east-1")


def at_service(url: str | None, bucket: str, path_style: PathStyle) -> tuple[str | None, PathStyle]:
    """The endpoint of a service and how it is asked, from a URL that may hold the bucket, in the host's name or as the path.

    R2's and Supabase's dashboards show the URL with the bucket behind it; a bucket before the host stays there.
    """
    if url is None:
        return None, path_style
    endpoint, in_url = split_bucket_url(url)
    parts = urlsplit(url)
    if in_url == bucket:
        url = endpoint
    elif (parts.hostname or "").startswith(f"{bucket.lower()}."):
        url = f"{parts.scheme}://{parts.netloc[len(bucket) + 1 :]}{parts.path.rstrip('/')}"
        path_style = "false" if path_style == "auto" else path_style
    elif parts.path.rstrip("/").endswith(f"/{bucket}"):
        url = url.rstrip("/")[: -len(bucket) - 1]
    return url, path_style


def is_bucket_name(name: str) -> bool:
    """Whether ``name`` can be a bucket's, at any S3 service."""
    return bool(_BUCKET_NAME.fullmatch(name))


def split_bucket_url(url: str) -> tuple[str, str | None]:
    """Split RunPod's ``BUCKET_ENDPOINT_URL`` into (endpoint, bucket).

    The bucket may stand before the host of a known S3 service (``https://BUCKET.s3.eu-west-1.amazonaws.com``) or as the path
    (``https://host/BUCKET``); it is ``None`` where the URL holds none.
    """
    parts = urlsplit(url)
    match = _SERVICE_HOST.fullmatch(parts.hostname or "")
    if match and match["bucket"]:
        return f"{parts.scheme}://{parts.netloc[len(match['bucket']) + 1 :]}", match["bucket"]
    return f"{parts.scheme}://{parts.netloc}", parts.path.strip("/").split("/")[0] or None
