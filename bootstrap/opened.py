"""The names of the environment's files that a start opens, from its first moment on, where they are to be packed (hot.py)."""

import sys
from typing import Any

names: set[str] | None = None
"""Absolute paths, also of files that were not there; ``None`` where nothing is recorded."""


def begin() -> None:
    """Record from now on until ``end``. A hook can never be taken back, so only a start that is to be packed begins this."""
    global names
    names = set()
    inside = f"{sys.prefix}/"

    def audit(event: str, arguments: tuple[Any, ...]) -> None:
        # An exception here would be raised in whoever opens a file.
        if event == "open" and names is not None and isinstance(path := arguments[0], str) and path.startswith(inside):
            names.add(path)

    sys.addaudithook(audit)


def end() -> set[str] | None:
    """What was recorded, once: from then on ``None``."""
    global names
    recorded, names = names, None
    return recorded
