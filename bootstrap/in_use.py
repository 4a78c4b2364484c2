"""Tells the builders of newer environments that this one is in use.

    hold_environment(os.environ)     # once, in the worker's main block

All workers that run from an environment write into one small file there every few seconds. A builder that sees it change keeps
the environment; who wrote, and at what time by which clock, does not matter.
"""

import os
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path

from bootstrap.options import Options
from bootstrap.report import Report, log
from bootstrap.store import IN_USE

_BYTES = 64


def hold_environment(environment: Mapping[str, str]) -> None:
    """Start the thread that shows signs of life, if start.sh has chosen an environment that others may want to remove."""
    report = Report.from_environment(environment)
    if report is None or report.folder is None or report.place == "image":
        return
    every = Options.read(environment).in_use_beat
    threading.Thread(target=_beat, args=(Path(report.folder) / IN_USE, every), name="in-use", daemon=True).start()


def _beat(path: Path, every: float) -> None:
    worker, count, failing, stop = uuid.uuid4().hex, 0, False, threading.Event()
    while True:
        count += 1
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.pwrite(handle, f"{worker} {count}".encode().ljust(_BYTES), 0)
            finally:
                os.close(handle)
            failing = False
        except OSError as error:
            if not failing:  # a volume that cannot be written is no reason to stop speaking
                log(f"this worker's use of its environment cannot be noted ({error.strerror})", "WARN")
            failing = True
        stop.wait(every)
