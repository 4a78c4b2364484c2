"""The network volume: whether there is one, and whether it answers."""

import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from bootstrap.door import Verdict
from bootstrap.places import door
from f5_worker.errors import VolumeSilentError
from f5_worker.settings import Settings

T = TypeVar("T")
_LOOK_AFTER = 2.0  # seconds of a call


def look(settings: Settings) -> Verdict:
    """What a child process has found there: a volume whose server is gone would hold this one for ever."""
    return door(settings.network_volume).look()


def has_volume(settings: Settings) -> bool:
    """Whether a network volume is there and answers. RunPod's default folder counts only where something is mounted: it may be
    there for the model cache alone, and what is written beside that is lost with the worker.
    """
    verdict = look(settings)
    there = verdict.mounted or (verdict.folder and settings.network_volume != Settings().network_volume)
    return there and verdict.trouble is None


def patiently(function: Callable[[], T], volume: Path, what: str) -> T:
    """``function``, which may touch the volume, in a thread that is left alone when the volume hangs; ``what`` lies there.

    Raises:
        VolumeSilentError: the volume does not answer.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(context.run(function))
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            future.set_exception(error)

    context = contextvars.copy_context()
    threading.Thread(target=run, name="volume", daemon=True).start()
    while True:
        try:
            return future.result(_LOOK_AFTER)
        except TimeoutError:
            if future.done():
                continue  # its own
            if door(volume).look().trouble and not future.done():
                raise silent(what) from None


def silent(what: str) -> VolumeSilentError:
    """The error of a volume that has stopped answering, on which ``what`` lies."""
    return VolumeSilentError(
        f"The network volume does not answer, and {what} on it; it is tried again after MODEL_RETRY_SECONDS. Look at the "
        "volume's state if this goes on, or start the worker in another data centre."
    )
