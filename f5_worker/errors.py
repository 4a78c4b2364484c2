"""Every error the worker raises on purpose, sorted by whose fault it is.

    WorkerError
    ├── InputError                             the job
    │   ├── ReferenceClipError
    │   └── NotFoundError
    ├── SettingsError                          the endpoint
    ├── ModelUnavailableError                  the worker
    │   ├── PackageMissingError
    │   │   ├── EngineBrokenError
    │   │   └── EnvironmentFailedError
    │   ├── CheckpointNotFoundError
    │   ├── HubUnreachableError
    │   ├── CheckpointMismatchError
    │   ├── VolumeSilentError
    │   ├── DiskFullError
    │   ├── OutOfMemoryError
    │   └── DriverTooOldError
    ├── SynthesisError                         the worker
    │   └── CudaBrokenError
    ├── StorageError                           S3, or the network volume
    │   ├── StorageNotConfiguredError
    │   ├── StorageNotFoundError
    │   │   └── BucketNotFoundError
    │   ├── StorageExistsError
    │   ├── StorageTooLargeError
    │   ├── StorageDeniedError
    │   └── StorageUnreachableError
    ├── DeliveryError                          the worker, or its settings
    │   └── AnswerTooLargeError
    └── RequestError                           an HTTP request, before it is a job
        ├── KeyRefusedError
        ├── RequestTooLargeError
        ├── RequestTooSlowError
        ├── WrongContentTypeError
        └── TooManyRequestsError

    JobStopped                                 nobody's

``WorkerError.answer()`` is the one shape in which an error leaves the worker. Messages are one sentence that says what is wrong
and what to do; they hold no path of the machine, credential, or signed URL.
"""

import traceback
from collections.abc import Mapping
from typing import Any, ClassVar, Self


class WorkerError(Exception):
    """An expected failure. ``details`` are JSON values that join the answer beside ``error`` and ``error_type``.

    On its way up an error is completed in place, by those who know more: the job's field, what was tried, another way out.
    """

    refresh_worker: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    def because(self, prefix: str) -> Self:
        """This error, with ``prefix`` put before its message as it is ("Model not available: ")."""
        return self._say(f"{prefix}{self.message}")

    def advise(self, sentence: str) -> Self:
        """This error, with one more sentence after its message: a way out that only the caller knows."""
        return self._say(f"{self.message} {sentence}")

    def within(self, part: str) -> Self:
        """This error, of a part of the job (``voices.Anna``): its field lies in there, and the message says so."""
        field = self.details.get("field")
        self.details = {**self.details, "field": f"{part}.{field}" if field else part}
        return self._say(within(part, field, self.message))

    def with_details(self, **details: Any) -> Self:
        """This error, with those ``details`` that it does not have yet."""
        self.details = {**details, **self.details}
        return self

    def again(self) -> Self:
        """A fresh copy without traceback, for one failure that is the answer to several jobs: each raises its own."""
        return type(self)(self.message, **self.details)

    def _say(self, message: str) -> Self:
        self.message, self.args = message, (message,)
        return self

    def answer(self) -> dict[str, Any]:
        """The job's answer: ``{"error", "error_type", ...details}``, and ``refresh_worker`` if the process must not go on."""
        body: dict[str, Any] = {**self.details, "error": self.message, "error_type": type(self).__name__}
        if self.refresh_worker:
            body["refresh_worker"] = True
        return body


class InputError(WorkerError):
    """A job input cannot be accepted; a field is missing, unknown, out of range, or contradicts another."""


class ReferenceClipError(InputError):
    """The reference clip or its transcript cannot be used."""


class NotFoundError(InputError):
    """The voice or the stored result that the job names does not exist."""


class SettingsError(WorkerError):
    """One or more environment variables have values that cannot work."""


class ModelUnavailableError(WorkerError):
    """The model cannot be loaded (now)."""


class PackageMissingError(ModelUnavailableError):
    """A Python package that speech needs is absent or does not import."""


class EngineBrokenError(PackageMissingError):
    """An import of the packages that speech needs failed half-way; no later one in this process can succeed."""

    refresh_worker = True


class EnvironmentFailedError(PackageMissingError):
    """The environment that holds the packages could not be built; a new worker may build it."""

    refresh_worker = True


class CheckpointNotFoundError(ModelUnavailableError):
    """A configured model file, folder or repository does not exist."""


class HubUnreachableError(ModelUnavailableError):
    """The model hub does not answer and nothing usable is cached."""


class CheckpointMismatchError(ModelUnavailableError):
    """Checkpoint, configuration and vocabulary do not belong together, or the file is damaged."""


class VolumeSilentError(ModelUnavailableError):
    """The network volume, on which packages or weights lie, has stopped answering; it is tried again."""


class DiskFullError(ModelUnavailableError):
    """There is no room on the disk for the weights."""


class OutOfMemoryError(ModelUnavailableError):
    """There is no room in GPU or main memory."""


class DriverTooOldError(ModelUnavailableError):
    """The host's CUDA driver is older than this torch needs."""

    refresh_worker = True


class SynthesisError(WorkerError):
    """The model ran and failed, or what it made is not speech (NaN, empty)."""


class CudaBrokenError(SynthesisError):
    """The CUDA context is poisoned; no later job in this process can succeed."""

    refresh_worker = True


class StorageError(WorkerError):
    """A call to S3 failed, or the network volume did."""


class StorageNotConfiguredError(StorageError):
    """There is no bucket, no credentials for it, or no other place for what is to be stored."""


class StorageNotFoundError(StorageError):
    """The key, the file or the bucket does not exist."""


class BucketNotFoundError(StorageNotFoundError):
    """The bucket does not exist: the settings are wrong, whatever key the job names."""


class StorageExistsError(StorageError):
    """The key is taken, and the write must not replace what is there."""


class StorageTooLargeError(StorageError):
    """The object is larger than its reader accepts; ``details`` hold ``size`` and ``limit`` (bytes)."""


class StorageDeniedError(StorageError):
    """S3 refused the key, the signature or the permission; or the network volume cannot be written."""


class StorageUnreachableError(StorageError):
    """S3 does not answer, or not in time."""


class DeliveryError(WorkerError):
    """The audio exists, but neither upload nor an inline answer can hand it over."""


class AnswerTooLargeError(DeliveryError):
    """The answer is larger than the platform takes."""


class RequestError(WorkerError):
    """An HTTP request asks for no job that there is."""


class KeyRefusedError(RequestError):
    """The request has no key, or another than the endpoint's, or comes from another site's page."""


class RequestTooLargeError(RequestError):
    """The body is larger than any job is."""


class RequestTooSlowError(RequestError):
    """The body did not come in time."""


class WrongContentTypeError(RequestError):
    """The body is not of a type that is read here."""


class TooManyRequestsError(RequestError):
    """As many jobs run and wait as may."""


class JobStopped(Exception):  # noqa: N818 - nobody failed
    """The caller stopped this job; its work ends at the next ODE step or chunk."""


def unexpected(error: Exception) -> WorkerError:
    """What the caller is told of an error that nobody foresaw."""
    kind = type(error).__name__
    return WorkerError(f"The worker failed unexpectedly ({kind}); send the job again, and report it with the worker's log.")


def place_of(error: BaseException) -> str:
    """Where it was raised, for the log."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{place.filename.rpartition('/')[2]}:{place.lineno} ({place.name})"


def within(part: str, field: str | None, sentence: str) -> str:
    """``sentence``, said of a ``field`` that lies in a part of the job (``voices.Anna``; empty: in the job itself)."""
    if not part:
        return sentence
    return f"{part}.{sentence}" if field and sentence.startswith(field) else f"{part}: {sentence}"


def brief(error: BaseException) -> str:
    """The first line of a foreign error, short enough for an answer and without paths and URLs."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    words = [word for word in first.split() if not word.strip("'\"(),:").startswith(("/", "http://", "https://"))]
    return " ".join(words)[:200] or type(error).__name__
