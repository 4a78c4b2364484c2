"""The one gate of every answer: what passes can be encoded as the SDK encodes it, and is small enough for the platform."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from f5_worker.errors import AnswerTooLargeError
from f5_worker.settings import Settings

MAX_ANSWER_BYTES = 9_500_000
"""RunPod takes 10 MB for ``/run``, the SDK's own wrapping included."""
MAX_SYNC_ANSWER_BYTES = 19_500_000
"""20 MB for ``/runsync``: for endpoints whose ``MAX_INLINE_BYTES`` says that nothing else is used."""

MAX_PART_BYTES = 990_000
"""RunPod takes 1 MB for a part of a stream."""


def for_stream(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The last part of a stream, without its largest fields where it is too large for one: the audio has been sent before."""
    left, left_out = {**answer}, list[str]()
    while _size(left) > MAX_PART_BYTES:
        left_out.append(max(left, key=lambda name: _size(left[name])))
        del left[left_out[-1]]
    if left_out:
        warning = f"Too large for a part of the stream; it is only in the output of the job's status: {', '.join(left_out)}."
        left["warnings"] = [*left.get("warnings", []), warning]
    return left


def for_result(parts: Sequence[Mapping[str, Any]], limit: int = MAX_ANSWER_BYTES) -> list[Mapping[str, Any]]:
    """All parts of a stream as the output of its job: without the audio of those before the last, then without these at all,
    where they would make it larger than the platform takes."""
    *before, whole = parts
    for fewer in ([*parts], [*map(_without_audio, before), whole]):
        if _size(fewer) <= limit:
            return fewer
    return [whole]


def _without_audio(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if name != "audio_base64"}


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


def answer_limit(settings: Settings) -> int:
    """The most bytes of an answer from an endpoint with these settings."""
    return MAX_ANSWER_BYTES if settings.max_inline_bytes <= Settings().max_inline_bytes else MAX_SYNC_ANSWER_BYTES


def valid_answer(answer: Mapping[str, Any], limit: int = MAX_ANSWER_BYTES) -> dict[str, Any]:
    """``answer`` with valid Unicode, finite numbers and plain types; one that is too large becomes an error that says so.

    What the SDK cannot encode is logged by it and never posted: the job would hang until the platform's time limit.
    """
    plain: dict[str, Any] = _plain(answer)
    size = _size(plain)
    if size <= limit:
        return plain
    largest = max(plain, key=lambda name: len(json.dumps(plain[name])))
    return AnswerTooLargeError(
        f"The answer has {size:,} bytes, more than the {limit:,} that RunPod accepts; most of it is {largest!r}. "
        "Ask for less at once, or set an S3 bucket, so that results come as URLs.",
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
