"""From whatever a model load raised to the typed error that says what is wrong and what to do."""

import errno
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

from f5_worker import log
from f5_worker.errors import (
    CheckpointMismatchError,
    CheckpointNotFoundError,
    DiskFullError,
    DriverTooOldError,
    HubUnreachableError,
    ModelUnavailableError,
    OutOfMemoryError,
    brief,
)
from f5_worker.runtime.packages import missing_package

# Named, not imported: this module must work where torch and huggingface_hub are the packages that are missing.
_HUB_NOT_FOUND = {"RepositoryNotFoundError", "EntryNotFoundError", "RemoteEntryNotFoundError", "RevisionNotFoundError"}
_HUB_NO_ACCESS = {"GatedRepoError", "DisabledRepoError"}
_HUB_UNREACHABLE = {"OfflineModeIsEnabled", "LocalEntryNotFoundError", "RevisionResolutionError", "FileMetadataError"}
_HUB_NEVER_ASKED = {"UnsupportedProtocol", "InvalidURL", "LocalProtocolError"}
_HTTP_PACKAGES = ("httpx", "httpcore", "httpx2", "httpcore2", "requests", "urllib3")
_DRIVER_TOO_OLD = ("driver on your system is too old", "forward compatibility was attempted", "insufficient driver")
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")
_DAMAGED = {"SafetensorError", "UnpicklingError", "EOFError", "BadZipFile"}
_DEMO_HINT = "F5TTS_MODEL=demo speaks at once with a tiny English model in the image (one voice of its own, it clones nothing)"

_WITHOUT_HUB = (
    "put the files on the network volume and set F5TTS_MODEL to a model folder "
    f"(or F5TTS_CKPT_FILE, F5TTS_VOCAB_FILE and F5TTS_VOCODER_PATH to them); {_DEMO_HINT}"
)
_OFFLINE_SWITCHES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


def reach_the_hub() -> str:
    """The first way out where the hub cannot be reached: undo what forbids it, if something does."""
    switches = [name for name in _OFFLINE_SWITCHES if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE")]
    return f"unset {' and '.join(switches)}" if switches else "allow this worker to reach the model hub"


def explain_load_error(error: BaseException, what: str, without_hub: str = _WITHOUT_HUB) -> ModelUnavailableError:
    """The typed error for ``error``, raised while loading ``what`` ("the F5-TTS checkpoint", "the Whisper model").

    The whole chain of causes is searched, since the hub's client and transformers wrap the real one. An error that is already
    typed is returned as it is. ``without_hub`` is what can be done where the hub will never be reached.
    """
    chain = list(_causes(error))
    for cause in chain:
        if isinstance(cause, ModelUnavailableError):
            return cause
    # The hub's own answer first: its client wraps "no access" into the same error as "no connection".
    for cause in sorted(chain, key=lambda cause: _status(cause) is None):
        if (explained := _explain(cause, what, without_hub)) is not None:
            return explained
    log.error(f"Loading {what} failed: {', from '.join(map(_traced, chain))}")
    return ModelUnavailableError(
        f"{what} could not be loaded: {brief(error)}; the worker's log has the details.", cause=type(error).__name__
    )


def damaged(what: str) -> str:
    """What is said of the file ``what`` when its content is none of a checkpoint."""
    return (
        f"{what} is damaged, cut short or in a format that is not allowed; delete the file so that it is fetched again, "
        "or upload it again."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status that the error was made from."""
    return getattr(getattr(error, "response", None), "status_code", None)


def _explain(error: BaseException, what: str, without_hub: str) -> ModelUnavailableError | None:
    names = {cls.__name__ for cls in type(error).__mro__}
    packages = {cls.__module__.split(".")[0] for cls in type(error).__mro__}
    text = str(error).lower()
    if isinstance(error, ImportError):
        return missing_package(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(
            f"The disk is full: {what} does not fit. Free space on the network volume, or use a larger one "
            "(the official model and its vocoder need 1.5 GB)."
        )
    if any(marker in text for marker in _DRIVER_TOO_OLD):
        return DriverTooOldError(
            "The CUDA driver of this host is too old for the installed torch. Restrict the endpoint's allowed CUDA versions "
            "to 12.8 and newer, so that it runs on hosts with a newer driver."
        )
    if isinstance(error, MemoryError) or "OutOfMemoryError" in names or any(marker in text for marker in _OUT_OF_MEMORY):
        return OutOfMemoryError(
            f"Memory ran out while loading {what}. Choose a GPU with at least 8 GB (or a worker with more memory), "
            "and run nothing else on it."
        )
    if names & _HUB_NO_ACCESS or (_status(error) in (401, 403) and not names & _HUB_NOT_FOUND):
        return CheckpointNotFoundError(
            f"The model hub does not give access to {what}; accept its terms there and set HF_TOKEN."
        )
    unreachable = HubUnreachableError(
        f"The model hub cannot be reached and {what} is not cached; {reach_the_hub()}, or {without_hub}."
    )
    if names & _HUB_UNREACHABLE or "ConnectionError" in names:
        return unreachable
    # Between the two: not found in the cache is a kind of the first, and what the hub answers is a kind of HTTP error.
    if names & _HUB_NOT_FOUND or _status(error) == 404 or "HFValidationError" in names:
        return CheckpointNotFoundError(
            f"The model hub has no such repository or file for {what}; check its name, and set HF_TOKEN if it is private."
        )
    if names & _HUB_NEVER_ASKED:
        return ModelUnavailableError(
            f"The model hub cannot be asked for {what}: HF_ENDPOINT is not the address of a hub (such as "
            "https://huggingface.co), or HF_TOKEN contains characters that no token has; correct or unset them."
        )
    if packages & set(_HTTP_PACKAGES):
        return unreachable
    if names & _DAMAGED or "pytorchstreamreader" in text or "weights only load failed" in text:
        return CheckpointMismatchError(damaged(what))
    if isinstance(error, FileNotFoundError):
        return CheckpointNotFoundError(f"A file of {what} does not exist; check the paths in the settings.")
    return None


def _traced(error: BaseException) -> str:
    """Kind, place and first line of an error: what a log may hold of it."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place} ({brief(error)})"
