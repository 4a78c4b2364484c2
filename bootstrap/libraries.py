"""The large libraries of a hot start, which stay on the volume: what is touched of them is read from the first moment on."""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bootstrap.read_ahead import Reading

NOTE = "hot.json"
"""Beside ``pyvenv.cfg`` of an unpacked environment: what is to be read ahead of the libraries that stayed on the volume."""

PIPE = "F5_BOOTSTRAP_READING"
"""Names the pipe in which a process tells of it that has begun while the environment was unpacked."""

reading: "Reading | None" = None
"""Under way since ``begin``; ``None`` where this process runs from no unpacked environment."""


def begin() -> None:
    """Read ahead, anew if it has been done, where the interpreter's environment was unpacked from a pack (hot.py)."""
    global reading
    told = os.environ.pop(PIPE, "")
    try:
        with open(f"{sys.prefix}/{NOTE}", "rb") as file:  # noqa: PTH123 - every start comes by here, most for nothing
            note = file.read()
    except OSError:
        return
    from bootstrap.read_ahead import Followed, read_ahead

    if told:
        reading = Followed(int(told))
        return
    import json
    from pathlib import Path

    reading = read_ahead(*((Path(path), start, length) for path, start, length in json.loads(note)))
