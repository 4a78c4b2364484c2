"""The one gate of every answer: what passes can be encoded as the SDK encodes it, and is small enough for the platform."""

import json
import math
from collections.abc import Mapping
from typing import Any

from f5_worker.errors import AnswerTooLargeError
from f5_worker.settings import Settings

MAX_ANSWER_BYTES = 9_500_000
"""RunPod takes 10 MB for ``/run``, the SDK's own wrapping included."""
MAX_SYNC_ANSWER_BYTES = 19_500_000
"""20 MB for ``/runsync``: for endpoints whose ``MAX_INLINE_BYTES`` says that nothing else is used."""


def answer_limit(settings: Settings) -> int:
    """The most bytes of an answer from an endpoint with these settings."""
    return MAX_ANSWER_BYTES if settings.max_inline_bytes <= Settings().max_inline_bytes else MAX_SYNC_ANSWER_BYTES


def valid_answer(answer: Mapping[str, Any], limit: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
    """``answer`` with valid Unicode, finite numbers and plain types; one that is too large becomes an error that says so.

    What the SDK cannot encode is logged by it and never posted: the job would hang until the platform's time limit.
    """
    plain: dict[str, Any] = _plain(answer)
    size = len(json.dumps(plain, ensure_ascii=False).encode())
    if size <= limit:
        return plain
    largest = max(plain, key=lambda name: len(json.dumps(plain[name])))
    return AnswerTooLargeError(
        f"The answer has {size:,} bytes, more than the {limit:,} that RunPod takes; most of it is {largest!r}. "
        "Ask for less at once, or set an S3 bucket, from which results are sent as URLs.",
        size=size,
        limit=limit,
    ).answer()


def _plain(value: Any) -> Any:
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case bool() | int() | None:
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {_plain(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_plain(item) for item in value]
        case _:
            return _plain(str(value))
