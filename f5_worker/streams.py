"""Standard streams that never fail: a log whose reader is gone, or whose disk is full, must not end the worker."""

import os
import sys
from pathlib import Path
from typing import Any, TextIO, cast

_NAMES = ("stdout", "stderr")


def replace_closed() -> None:
    """Let /dev/null stand for standard streams that were closed from the start: libraries that are imported ask for them.

    The next file or connection would get their numbers, and the log of a child process with it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    for name in _NAMES:
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - as long as the process


def never_fail() -> None:
    """Let standard output and error drop what cannot be written."""
    for name in _NAMES:
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, cast(TextIO, _Unbreakable(stream)))


class _Unbreakable:
    """A text stream that drops what cannot be written; everything else is the stream's own."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except (OSError, ValueError):  # ValueError: it is closed
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except (OSError, ValueError):
            return

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
