"""Every error the worker raises on purpose, sorted by whose fault it is.

    WorkerError
    ├── InputError                 the job: a field is missing, unknown, out of range, or contradicts another
    │   ├── ReferenceClipError     the job: the reference clip or its transcript cannot be used
    │   └── NotFoundError          the job: the voice or result it names does not exist
    ├── SettingsError              the endpoint: an environment variable has a value that cannot work
    ├── ModelUnavailableError      the worker: the model cannot be loaded (now); its causes:
    │   ├── PackageMissingError        a Python package is absent or does not import
    │   │   └── EnvironmentFailedError     since the environment could not be built; time for a new worker to try again
    │   ├── CheckpointNotFoundError    no such file, folder, repository or file in it
    │   ├── HubUnreachableError        the model hub does not answer
    │   ├── CheckpointMismatchError    checkpoint, configuration and vocabulary do not belong together
    │   ├── DiskFullError              no room for the weights
    │   ├── OutOfMemoryError           no room in GPU or main memory
    │   └── DriverTooOldError          the host's CUDA driver cannot run this torch
    ├── SynthesisError             the worker: the model ran and failed
    │   └── CudaBrokenError            and no later job in this process can succeed
    ├── StorageError               S3; its causes:
    │   ├── StorageNotConfiguredError  no bucket or credentials are set
    │   ├── StorageNotFoundError       no such key or bucket
    │   │   └── BucketNotFoundError        no such bucket, so the settings are wrong rather than the key
    │   ├── StorageExistsError         the key is taken and must not be overwritten
    │   ├── StorageTooLargeError       the object is larger than its reader accepts
    │   ├── StorageDeniedError         wrong key, signature or permission
    │   └── StorageUnreachableError    no answer, or none in time
    └── DeliveryError              the audio exists, but no way to hand it over fits

    JobStopped                     not an error: the caller stopped the job, nobody waits for an answer

``WorkerError.answer()`` is the one shape in which an error leaves the worker. Messages are one sentence that says what is wrong
and what to do; they hold no path of the machine, credential, or signed URL.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self


class WorkerError(Exception):
    """An expected failure. ``details`` are JSON values that join the answer beside ``error`` and ``error_type``."""

    refresh_worker: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, Any] = details

    def because(self, prefix: str) -> Self:
        """The same error with ``prefix`` before its message: what was being done when it happened."""
        self.message = f"{prefix}{self.message}"
        self.args = (self.message,)
        return self

    def again(self) -> Self:
        """A copy to raise once more: several jobs may be answered with one remembered error, each with its own traceback."""
        return type(self)(self.message, **self.details)

    def answer(self) -> dict[str, Any]:
        """The job's answer: ``{"error", "error_type", ...details}``, and ``refresh_worker`` if the process must not go on."""
        body: dict[str, Any] = {**self.details, "error": self.message, "error_type": type(self).__name__}
        if self.refresh_worker:
            body["refresh_worker"] = True
        return body


class InputError(WorkerError):
    """A job input cannot be accepted; names the field, the value, what is allowed and the mend."""


class ReferenceClipError(InputError):
    """The reference clip or its transcript cannot be used."""


class NotFoundError(InputError):
    """The voice or the stored result that the job names does not exist."""


class SettingsError(WorkerError):
    """One or more environment variables have values that cannot work."""


class ModelUnavailableError(WorkerError):
    """The model cannot be loaded."""


class PackageMissingError(ModelUnavailableError):
    """A Python package that speech needs is absent or does not import."""


class EnvironmentFailedError(PackageMissingError):
    """The environment that holds the packages could not be built; a new worker may build it."""

    refresh_worker = True


class CheckpointNotFoundError(ModelUnavailableError):
    """A configured model file, folder or repository does not exist."""


class HubUnreachableError(ModelUnavailableError):
    """The model hub does not answer and nothing usable is cached."""


class CheckpointMismatchError(ModelUnavailableError):
    """Checkpoint, configuration and vocabulary do not belong together, or the file is damaged."""


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
    """An S3 call failed."""


class StorageNotConfiguredError(StorageError):
    """No bucket is configured."""


class StorageNotFoundError(StorageError):
    """The key or the bucket does not exist."""


class BucketNotFoundError(StorageNotFoundError):
    """The bucket does not exist: no key in it can be found, whatever the job names."""


class StorageExistsError(StorageError):
    """The key is taken, and the write must not replace what is there."""


class StorageTooLargeError(StorageError):
    """The object is larger than its reader accepts; ``details`` hold ``size`` and ``limit`` (bytes)."""


class StorageDeniedError(StorageError):
    """S3 refused the credentials or the permission."""


class StorageUnreachableError(StorageError):
    """S3 does not answer, or not in time."""


class DeliveryError(WorkerError):
    """The audio exists, but neither upload nor an inline answer can hand it over."""


class JobStopped(Exception):  # noqa: N818 - nobody failed
    """The caller stopped this job; its work ends at the next ODE step or chunk."""
