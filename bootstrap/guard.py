"""Answers jobs for a worker that hangs in its imports, while its environment's volume does.

The interpreter of an environment on a network volume reads thousands of files from there before it takes a job, and a read
that hangs cannot be ended. So a fork stays behind on the image's own Python until the worker is at its job loop. When the
volume stops answering before that, the fork starts a worker without an environment, which says so, and which leaves once the
first one is through.
"""

import importlib.util
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from bootstrap import places
from bootstrap.door import is_local
from bootstrap.report import VARIABLE, Failure, Report, log

_PIPE = "F5_BOOTSTRAP_GUARD"
_LOOK_EVERY = 2.0
_HANGS = Failure(
    "volume",
    "The network volume does not answer, and the environment that lies there cannot be loaded.",
    "Look at the volume's state; the worker goes on by itself as soon as it answers.",
)


def watch(report: Report, environment: Mapping[str, str]) -> None:
    """Leave a guard behind, where the platform will hand out jobs; this process becomes the environment's interpreter next."""
    root = places.volume_root(environment)
    if report.place != "volume" or "RUNPOD_WEBHOOK_GET_JOB" not in environment or is_local(root):
        return
    watched, ours = os.pipe()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(ours)
        _guard(watched, root)
    os.close(watched)
    os.set_inheritable(ours, True)
    os.environ[_PIPE] = str(ours)


def dismiss() -> None:
    """The worker is at its job loop: nobody has to stand in for it."""
    if ours := os.environ.pop(_PIPE, ""):
        os.close(int(ours))


def _guard(watched: int, root: Path) -> NoReturn:
    stand_in = None
    try:
        while not select.select([watched], [], [], _LOOK_EVERY)[0]:
            if stand_in is None and places.door(root).look().hangs and importlib.util.find_spec("runpod"):
                log(f"{_HANGS.reason} Until then another process says so to every job", "WARN")
                report = replace(Report.without(_HANGS), refresh_after=None)
                variables = {name: value for name, value in os.environ.items() if name != _PIPE}
                stand_in = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env={**variables, VARIABLE: report.to_json()})
        if stand_in is not None:
            log("the environment could be loaded; the process that stood in for the worker ends")
            stand_in.terminate()  # it answers the jobs that it has
            stand_in.wait()
    finally:
        os._exit(0)
