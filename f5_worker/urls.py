"""URLs from outside: whether they are usable, and what of them may be shown."""

from urllib.parse import SplitResult, urlsplit


def host_of(url: str) -> str | None:
    """The host of an http(s) URL, which may be shown; ``None`` when ``url`` is no such URL."""
    parts = _split(url.strip())
    return parts.hostname if parts else None


def service_url(url: str) -> str | None:
    """``url`` without the slash at its end if it is an http(s) URL without login and query; else ``None``."""
    parts = _split(url)
    if parts is None or "@" in parts.netloc or parts.query or parts.fragment:
        return None
    return url.rstrip("/")


def _split(url: str) -> SplitResult | None:
    """The parts of ``url``, or ``None`` if it is not http(s), has no host, or a port that there cannot be."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # out of range raises
    except ValueError:
        return None
    return parts if parts.scheme in ("http", "https") and parts.hostname else None
