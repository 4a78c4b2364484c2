"""Answers jobs for a worker that a silent volume keeps from it: in its imports from there, or by a build on this machine.

The interpreter of an environment on a network volume reads thousands of files from there before it takes a job, and a read
that hangs cannot be ended. So a fork stays behind on the image's own Python until the worker is at its job loop. When the
volume stops answering before that, the fork starts a worker without an environment, which says so, and which leaves once the
first one is through. The same stands in where a start finds the volume silent, and has to build what lies there.
"""

import importlib.util
import os
import select
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
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
    if report.place != "volume" or not _gets_jobs(environment) or is_local(root):
        return
    ours = _leave_behind(lambda: _HANGS if places.door(root).look().hangs else None)
    os.set_inheritable(ours, True)
    os.environ[_PIPE] = str(ours)


def dismiss() -> None:
    """The worker is at its job loop: nobody has to stand in for it."""
    if ours := os.environ.pop(_PIPE, ""):
        _end(int(ours))


@contextmanager
def while_building(environment: Mapping[str, str], trouble: str) -> Iterator[None]:
    """Within the block this process builds in place of what lies on a volume that cannot be used; jobs are told so."""
    if not _gets_jobs(environment):
        yield
        return
    failure = Failure(
        "volume",
        f"{trouble} An environment is being built on this machine, in place of the one that may be there.",
        "Look at the volume's state; the worker speaks as soon as that is built, a minute or two after its start.",
    )
    ours = _leave_behind(lambda: failure)
    try:
        yield
    finally:
        _end(ours)


def _end(ours: int) -> None:
    with suppress(BrokenPipeError):  # it was killed
        os.write(ours, b".")  # a child that hangs in the volume may have the pipe, too
    os.close(ours)


def _gets_jobs(environment: Mapping[str, str]) -> bool:
    return "RUNPOD_WEBHOOK_GET_JOB" in environment


def _leave_behind(wanted: Callable[[], Failure | None]) -> int:
    """Fork a guard that starts a stand-in once ``wanted`` says why; it ends when the pipe that is returned is closed."""
    watched, ours = os.pipe()
    sys.stderr.flush()
    if os.fork() == 0:
        os.close(ours)
        _guard(watched, wanted)
    os.close(watched)
    return ours


def _guard(watched: int, wanted: Callable[[], Failure | None]) -> NoReturn:
    import subprocess

    stand_in = None
    try:
        while not select.select([watched], [], [], _LOOK_EVERY)[0]:
            if stand_in is None and (why := wanted()) is not None and importlib.util.find_spec("runpod"):
                log(f"{why.reason} Until then another process says so to every job", "WARN")
                report = replace(Report.without(why), refresh_after=None)
                variables = {name: value for name, value in os.environ.items() if name != _PIPE}
                stand_in = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env={**variables, VARIABLE: report.to_json()})
        if stand_in is not None:
            stand_in.terminate()  # it answers the jobs that it has
            stand_in.wait()
            log("the process that stood in for the worker has ended")
    finally:
        os._exit(0)
