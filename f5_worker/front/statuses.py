"""What an error is in HTTP: its status, and its body in our shape or, under ``/v1``, in OpenAI's."""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

from f5_worker import errors
from f5_worker.errors import WorkerError
from f5_worker.job.answer import valid_answer

STATUSES: Mapping[type[WorkerError], int] = {
    WorkerError: 500,
    errors.InputError: 400,
    errors.ReferenceClipError: 422,
    errors.NotFoundError: 404,
    errors.SettingsError: 503,
    errors.ModelUnavailableError: 503,
    errors.DiskFullError: 507,
    errors.SynthesisError: 500,
    errors.CudaBrokenError: 503,
    errors.StorageError: 502,
    errors.StorageNotConfiguredError: 501,
    errors.StorageNotFoundError: 404,
    errors.BucketNotFoundError: 502,
    errors.StorageExistsError: 409,
    errors.StorageTooLargeError: 413,
    errors.DeliveryError: 507,
    errors.AnswerTooLargeError: 413,
    errors.RequestError: 404,
    errors.KeyRefusedError: 401,
    errors.RequestTooLargeError: 413,
    errors.RequestTooSlowError: 408,
    errors.WrongContentTypeError: 415,
    errors.TooManyRequestsError: 429,
}
"""The status of each error and of what is derived from it, unless that stands here too."""

_KINDS = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_OPENAI_NAMES = {"text": "input", "local_voice": "voice", "output_format": "response_format"}


def status_of(answer: Mapping[str, Any]) -> int:
    """The status of a failed job's answer."""
    kind = getattr(errors, str(answer.get("error_type")), WorkerError)
    return next(STATUSES[base] for base in kind.__mro__ if base in STATUSES)


def error_body(answer: Mapping[str, Any], path: str, status: int) -> dict[str, Any]:
    """A failed job's answer as it is, or, on OpenAI's routes, in OpenAI's shape."""
    if not path.startswith("/v1/"):
        return {name: value for name, value in answer.items() if name != "refresh_worker"}
    field = answer.get("field")
    return {
        "error": {
            "message": answer["error"],
            "type": _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error"),
            "param": _OPENAI_NAMES.get(str(field), field),
            "code": answer["error_type"],
        }
    }


def error_response(answer: Mapping[str, Any], path: str, status: int | None = None, retry_in: float = 0.0) -> JSONResponse:
    """The response for a failed job's answer; ``retry_in`` is how long the cause is known to last, in seconds."""
    status = status or status_of(answer)
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (408, 413):
        headers["Connection"] = "close"  # the rest of the body is not read
    if status in (429, 503) and not answer.get("refresh_worker"):
        headers["Retry-After"] = str(max(1, round(retry_in)))
    return JSONResponse(valid_answer(error_body(answer, path, status)), status, headers)
