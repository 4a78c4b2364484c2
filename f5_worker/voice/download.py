"""Reference clips from outside: a URL, or base64 in the job. Bytes come back; what they hold is for others to judge,
but for web pages, which share links lead to.
"""

import base64
import binascii
import socket
import sys
from functools import partial

import requests
from urllib3.exceptions import HTTPError as Urllib3Error

from f5_worker.audio.mix import clip_error
from f5_worker.audio.signatures import HTML_PAGE, name_if_not_audio
from f5_worker.errors import ReferenceClipError
from f5_worker.network import in_time
from f5_worker.sdk import SSRFError, iter_content_capped, safe_get
from f5_worker.urls import host_of
from f5_worker.voice.share_links import direct_link

_CHUNK = 64 * 1024
# Identity: the size that the server announces is then the size that arrives.
_HEADERS = {"User-Agent": "f5-tts-runpod-worker", "Accept": "audio/*, */*;q=0.5", "Accept-Encoding": "identity"}
_STATUS_MENDS = {
    401: "the URL needs a login; use a presigned or public URL",
    403: "access is denied or a presigned URL has expired; make a new one",
    404: "there is no such file; check the URL",
    410: "the file is gone; check the URL",
    429: "the server is refusing this many requests; try again later",
}

_NOT_PUBLIC = (
    "it leads to an address that is not public, and a worker fetches nothing from there; use a public URL, or upload the voice"
)
_GUARD_REASONS = (
    ("exceeded maximum redirects", "it redirects too often; use the final URL"),
    ("redirect without Location", "it redirects to nowhere; use the final URL"),
    ("refusing to fetch", "this worker's proxy setting rules out the check for private addresses; upload the voice instead"),
)
# First match wins: these classes inherit from each other.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.SSLError, "its TLS certificate cannot be verified; use a server with a valid one"),
    (requests.Timeout, "it does not answer in time; check the URL, or try again later"),
    (requests.exceptions.ChunkedEncodingError, "the connection broke before the file was complete; try again"),
    (requests.ConnectionError, "there is no connection; check the host and port in the URL, or try again later"),
    (requests.exceptions.InvalidURL, "the URL is malformed; check it"),
    (UnicodeError, "the host's name is malformed; check it"),
)


def fetch_url(url: str, *, max_bytes: int, timeout: float, field: str = "local_voice") -> bytes:
    """Download ``url`` behind the SDK's guard against private addresses; at most ``max_bytes``, within ``timeout`` s in all.

    ``timeout`` covers everything: name lookup, redirects, and a server that sends one byte a second.

    Raises:
        JobStopped: the job was stopped meanwhile.
        ReferenceClipError: the URL cannot be used (and why), or leads to a web page; with the host's name only: paths and
            queries may hold secrets.
    """
    host = host_of(url)
    if host is None:
        raise ReferenceClipError(
            f"{field} is not a URL that can be fetched; use http:// or https:// with a host, or the name of a stored voice.",
            field=field,
        )
    try:
        data = in_time(partial(_get, url.strip(), max_bytes, timeout), timeout)
    except TimeoutError as error:
        reason = f"it took longer than {timeout:g} s; use a faster server or a smaller file"
        raise _failed(field, host, reason) from error
    except _TooLargeError as error:
        reason = (
            f"it is larger than {max_bytes / 2**20:.3g} MB; send a shorter clip, or a compressed format such as mp3 or flac"
        )
        raise _failed(field, host, reason) from error
    except (SSRFError, requests.RequestException, Urllib3Error, OSError, ValueError) as error:
        raise _failed(field, host, _why(error)) from None  # these quote the URL: it must not get into a log with them
    if name_if_not_audio(data) == HTML_PAGE:
        page = f"{field}: the URL leads to a web page on {host}, not to a file; {direct_link(host)}."
        raise ReferenceClipError(f"{page} {clip_error(f'is {HTML_PAGE}, not audio').message}", field=field, host=host)
    return data


def decode_base64(text: str, *, max_bytes: int, field: str = "ref_audio_base64") -> bytes:
    """Decode base64, or a data URL of it; white space is allowed, anything else is not. The size is checked before decoding.

    Raises:
        ReferenceClipError: it is empty, too large, a data URL that is not base64, or not base64 at all.
    """
    body = text.strip()
    if body[:5].lower() == "data:":
        head, comma, body = body.partition(",")
        if not comma or not head.lower().endswith(";base64"):
            raise ReferenceClipError(f"{field} is a data URL without base64; use data:audio/wav;base64,<data>.", field=field)
    body = "".join(body.split())
    size = len(body) * 3 // 4 - body[-2:].count("=")
    if not body:
        raise ReferenceClipError(f"{field} is empty; send the clip's bytes in base64.", field=field)
    if size > max_bytes:
        raise ReferenceClipError(
            f"{field} holds {size / 2**20:.3g} MB, more than the {max_bytes / 2**20:.3g} MB allowed; "
            "send a shorter clip, or a compressed format such as mp3 or flac.",
            field=field,
        )
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReferenceClipError(
            f"{field} is not base64 (letters, digits, + and /, padded with =); encode the bytes in its standard alphabet.",
            field=field,
        ) from error


class _TooLargeError(Exception):
    """The body is larger than allowed."""


class _StatusError(requests.RequestException):
    """The server answered, but not with the file."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


def _get(url: str, max_bytes: int, timeout: float) -> bytes:
    # The SDK's own check of the announced size raises what its guard raises: it is off, and made below.
    response: requests.Response = safe_get(url, timeout=timeout, headers=_HEADERS, max_bytes=sys.maxsize)
    try:
        if response.status_code != requests.codes.ok:
            raise _StatusError(response.status_code)
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > max_bytes:
            raise _TooLargeError
        try:
            return b"".join(iter_content_capped(response, _CHUNK, max_bytes))
        except SSRFError as error:
            raise _TooLargeError from error
    finally:
        response.close()


def _failed(field: str, host: str, reason: str) -> ReferenceClipError:
    return ReferenceClipError(f"{field}: the download from {host} failed: {reason}.", field=field, host=host)


def _why(error: Exception) -> str:
    """What went wrong and the fix, without the URL that most of these errors quote."""
    if isinstance(error, _StatusError):
        return f"HTTP status {error.status}; {_STATUS_MENDS.get(error.status, 'check the URL, or try again later')}"
    if isinstance(error, SSRFError):
        if isinstance(error.__cause__, socket.gaierror):
            return "the host's name does not resolve; check it"
        return next((reason for start, reason in _GUARD_REASONS if str(error).startswith(start)), _NOT_PUBLIC)
    unknown = f"{type(error).__name__}; check the URL, or try again later"
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), unknown)
