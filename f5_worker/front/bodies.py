"""What a request brings: JSON or a form, of a size that a job can have."""

import json
from collections.abc import Callable
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from f5_worker.errors import InputError, RequestTooLargeError, WrongContentTypeError
from f5_worker.job.problems import Problem, input_error
from f5_worker.loop import in_thread
from f5_worker.settings import Settings

_BESIDE_THE_CLIPS = 10_000_000
_CLIPS = 2  # a job with several voices may bring more than one
_FORM = "multipart/form-data"
_MOST_FIELDS = 20


def most_bytes(settings: Settings) -> int:
    """The largest body that is read: clips in base64, and whatever else a job may have."""
    return _CLIPS * settings.max_reference_bytes * 4 // 3 + _BESIDE_THE_CLIPS


async def read_json(request: Request, settings: Settings) -> dict[str, Any]:
    """The object that the body is.

    Raises:
        WrongContentTypeError, RequestTooLargeError: it is not read.
        InputError: it is no JSON object.
    """
    _check_type(request, "application/json")
    data = await _limited(request, most_bytes(settings)).body()
    value = await in_thread(_parsed, data)
    if not isinstance(value, dict):
        allowed = 'an object, like {"text": "Hello."}'
        raise input_error([Problem.of_value("input", "is not an object", value, allowed)])
    return value


async def read_form_or_json(
    request: Request, settings: Settings, file_field: str, encode: Callable[[bytes], str]
) -> dict[str, Any]:
    """A form's fields, its one file encoded as ``file_field``; or as ``read_json``."""
    if not request.headers.get("content-type", "").lower().startswith(_FORM):
        return await read_json(request, settings)
    limit = most_bytes(settings)
    fields: dict[str, Any] = {}
    try:
        async with _limited(request, limit).form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=limit) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    fields[name] = value
                elif (value.size or 0) > settings.max_reference_bytes:
                    raise _too_large(settings.max_reference_bytes)
                else:
                    fields[file_field] = encode(await value.read())
                    fields.setdefault("voice_name", value.filename)
    except HTTPException as error:
        raise InputError(f"The form cannot be read: {error.detail}", field="input") from error
    return fields


def _check_type(request: Request, allowed: str) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent != allowed and not sent.endswith("+json"):
        raise WrongContentTypeError(f"The body is {sent[:60] or 'of no type'}; send Content-Type: {allowed}.")


def _limited(request: Request, limit: int) -> Request:
    """The same request, whose body raises ``RequestTooLargeError`` where it is larger, announced or not."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    read = 0

    async def receive() -> Message:
        nonlocal read
        message = await request.receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise _too_large(limit)
        return message

    return Request(request.scope, receive)


def _too_large(limit: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"The body is larger than the {limit:,} bytes that are taken; send clips as URLs.", limit=limit)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise InputError("The body is nested too deeply to be a job.", field="input") from None
    except ValueError as error:
        where = f"{error.msg} at character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else "not UTF-8"
        raise InputError(f'The body is not JSON ({where}); send an object, like {{"text": "Hello."}}.', field="input") from None
