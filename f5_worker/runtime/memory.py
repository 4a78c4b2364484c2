"""Memory that the C library keeps for itself, given back to the machine."""

import ctypes
import time

_EVERY = 5.0  # seconds
_trimmed_at = 0.0


def trim(*, at_once: bool) -> None:
    """Return free pages, at once or if that was not done lately: glibc holds on to some hundred megabytes of a long speech
    until the process ends, and to what the threads of many short jobs leave between what is in use."""
    global _trimmed_at
    if not at_once and time.monotonic() - _trimmed_at < _EVERY:
        return
    _trimmed_at = time.monotonic()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # musl has none, and keeps nothing
        libc.malloc_trim(0)
