"""Memory that the C library keeps for itself, given back to the machine."""

import ctypes


def trim() -> None:
    """Return free pages: glibc holds on to the buffers of a long speech, some hundred megabytes, until the process ends."""
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # musl has none, and keeps nothing
        libc.malloc_trim(0)
