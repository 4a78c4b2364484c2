"""An installer's output in plain words. uv and pip say the same things differently; ``explain`` knows both."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bootstrap.places import place_name
from bootstrap.report import Cause, Failure, Place

_PATTERNS: tuple[tuple[Cause, str], ...] = (
    ("disk", r"No space left on device|Disk quota exceeded|os error (28|122)\b|Errno (28|122)\b"),
    ("read_only", r"Read-only file system|Permission denied|Operation not permitted|os error (1|13|30)\b|Errno (1|13|30)\b"),
    (
        "denied",
        r"\b(401|403|407)\b (Unauthorized|Forbidden|Proxy)|\b(401|403|407) (Client|Proxy) Error|credentials? .*required",
    ),
    (
        "network",
        r"error sending request|dns error|failed to lookup address|[Cc]onnection (refused|reset|closed|aborted)|timed? ?out\b"
        r"|connection error|network was disabled|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|ProtocolError|SSLError"
        r"|\b(429|5\d\d) (Too|Internal|Bad|Service|Gateway|Server)|incomplete (message|read)|IncompleteRead|unexpected EOF"
        r"|request or response body error|Temporary failure in name resolution",
    ),
    ("interpreter", r"Failed to inspect Python interpreter|Querying Python|No interpreter found|ensurepip"),
    (
        "package",
        r"No solution found|there (is|are) no versions? of|No matching distribution found|404 Not Found|not a supported wheel",
    ),
    ("build", r"Failed to build|build backend|error: subprocess-exited-with-error|metadata-generation-failed"),
)
_PACKAGE = (
    r"there (?:is|are) no versions? of ([\w.\-]+(?:==[\w.!+\-]+)?)",
    r"Because ([\w.\-]+) was not found",
    r"Because ([\w.\-]+(?:==[\w.!+\-]+)?) has no wheels",
    r"(?:No matching distribution found for|satisfies the requirement) ([\w.\-]+(?:==[\w.!+\-]+)?)",
    r"Failed to (?:build|download|install|fetch):? [`']?([A-Za-z][\w.\-]*?(?:==[\w.!+]+)?)(?:-py\S+\.whl)?[`']?(?:\s|$)",
    r"/simple/([\w.\-]+)/",
)
_SENTENCES: Mapping[Cause, tuple[str, str]] = {
    "disk": (
        "There was no space left on {where} while the environment was installed.",
        "Free some on {where} or make it larger: an environment needs about 8 GB (11 GB on a network volume), and the "
        "container disk as much again while it is being built.",
    ),
    "read_only": ("{where} refused a write during the install.", "Attach it with write access."),
    "denied": ("The package index refused {named}{at}.", "Check the index's address and credentials."),
    "network": (
        "The package index did not answer for {named}{at}.",
        "Check that workers may reach the internet; the next start tries again. BAKE_VENV=true needs no network at start.",
    ),
    "interpreter": (
        "This Python cannot make a virtual environment.",
        "Install the python3-venv package or uv, or set F5_PYTHON to a complete Python 3.11 or newer.",
    ),
    "package": (
        "The index has no {package} for this Python and platform.",
        "Correct the pin in requirements.txt and deploy again.",
    ),
    "build": (
        "{named} could not be built from its source.",
        "Pin a version that has a wheel for this Python and platform.",
    ),
}
"""What is wrong and what to do, by cause."""


def is_transient(failure: Failure) -> bool:
    """Whether the same install may succeed a moment later."""
    return failure.cause == "network"


def explain(output: str, installer: str, kind: Place) -> Failure:
    """Why an install failed, from what the installer printed."""
    cause = next((cause for cause, pattern in _PATTERNS if re.search(pattern, output)), None)
    package = next((found[1] for pattern in _PACKAGE if (found := re.search(pattern, output))), None)
    where = place_name(kind)
    named = f"the package {package}" if package else "a package"
    if cause is not None:
        reason, fix = (
            sentence.format(where=where, package=package or "such package", named=named, at=_at(output))
            for sentence in _SENTENCES[cause]
        )
        return Failure(cause, reason[0].upper() + reason[1:], fix)
    return Failure(
        "installer",
        f"{installer} failed: {plain(_last_line(output))}",
        "Look at the worker's log for what it printed before.",
    )


def plain(text: str) -> str:
    """A line of output without credentials, query strings and paths of this machine."""
    text = re.sub(r"[a-z+]+://\S+", lambda found: _without_secrets(found[0]), text)
    return re.sub(r"(?<![\w:/.])(?:/[\w.@+\-]+){2,}/?", lambda found: "…/" + found[0].rstrip("/").rsplit("/", 1)[1], text)


def _without_secrets(url: str) -> str:
    parts = urlsplit(url.rstrip(").,'\""))
    if parts.scheme == "file":
        return "a local folder"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _at(output: str) -> str:
    found = re.search(r"https?://\S+", output)
    return f" (asked: {_without_secrets(found[0])})" if found else ""


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"(?i)(error|cause|fatal)\b", line)]
    return (errors or lines or ["no output"])[-1][:300]
