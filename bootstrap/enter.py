"""Where ``handler.py`` begins when it is run: on a Python without the worker's packages it becomes the one that has them.

What is imported at the top must be within reach of any Python 3.
"""

import importlib
import importlib.util
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bootstrap.packages import PACKAGES
from bootstrap.variables import move_behind

if TYPE_CHECKING:
    from bootstrap.report import Report

PROJECT = Path(__file__).resolve().parents[1]
_OURS = ("bootstrap", "f5_worker")


def leave_an_old_python() -> None:
    """On a Python that is too old for the worker, go on in start.sh, which looks for another."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have one
        os.execv(str(PROJECT / "start.sh"), ["start.sh", *sys.argv[1:]])


def enter(first: str) -> None:
    """Return where this Python is the one to go on with; else find or build the environment, and go on in its interpreter.

    The process stays the same, so signals and exit codes are the worker's own. ``F5_BOOTSTRAP_REPORT`` in the environment says
    that this has been done, and nothing is done again; set to nothing it keeps the bootstrap out. Where all packages are there
    (an image, a notebook, a virtual environment of one's own) the worker runs as it is. Where no environment can be had it
    runs too, to say why; but not without the SDK: then the process exits with 1.

    ``first`` is the module of the worker that imports the SDK. Where an environment has broken since it was built, that fails,
    and the process goes back to the Python that it came from.
    """
    from bootstrap.report import CRASH, VARIABLE, Report

    if VARIABLE in os.environ:
        report = Report.from_environment(os.environ)
        if report is not None and report.speech:
            _read_ahead(report)
            _prove(report, first)
        elif report is not None:
            _stay(first)
        return
    report, defaults = None, {}
    try:
        from bootstrap import guard
        from bootstrap.choose import Start

        building = partial(guard.while_building, os.environ)
        start = Start(PROJECT, None, os.environ, (PROJECT / "requirements.txt",), building=building)
        if not all(map(_is_there, PACKAGES)):
            report = start.report()
        defaults = start.defaults()
    except Exception:  # noqa: BLE001 - the container must start, whatever is wrong with this code
        report = Report.without(CRASH.logged())
    for name, value in defaults.items():  # only now: an installer would keep its downloads there
        os.environ[name] = os.environ.get(name) or value
    if report is not None:
        os.environ[VARIABLE] = report.to_json()
        if report.speech:
            guard.watch(report, os.environ)
            _become(report.interpreter)
    _stay(first)


def _stay(first: str) -> None:
    """Go on in this Python, where it has the SDK; without PYTHONPATH, where that has modules that break it."""
    from bootstrap.report import log

    if not _is_there("runpod"):
        log("The worker cannot start on this Python, which has no RunPod SDK; correct what the bootstrap says above.", "ERROR")
        sys.exit(1)
    if os.environ.get("PYTHONPATH") and _import_error(first) is not None:
        log("PYTHONPATH is not used: with it, the worker's packages cannot be imported.", "WARN")
        del os.environ["PYTHONPATH"]
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def _read_ahead(report: "Report") -> None:
    """Begin to read what this start will need of the volume, or to note what it reads, for those that come later (hot.py)."""
    from bootstrap import libraries, opened

    libraries.begin()
    if report.to_be_packed:
        opened.begin()


def _prove(report: "Report", first: str) -> None:
    """Import the SDK, from the environment alone; where that fails, go on in the Python that found or built it."""
    from dataclasses import replace

    from bootstrap import trust
    from bootstrap.report import BROKEN, VARIABLE, Report

    move_behind()
    with trust.trial():
        error = _import_error(first)
    if error is None:
        return
    failure = Report.without(BROKEN.logged(error))
    refresh_after = 0.0 if trust.blame(error) else failure.refresh_after
    os.environ[VARIABLE] = replace(failure, interpreter=report.origin, refresh_after=refresh_after).to_json()
    os.execv(report.origin, [report.origin, *sys.orig_argv[1:]])


def _import_error(first: str) -> Exception | None:
    """What a package raises when ``first`` is imported; a fault of the worker's own is left to its own import."""
    try:
        importlib.import_module(first)
    except Exception as error:  # noqa: BLE001 - whatever a package raises while it is imported
        missing = error.name if isinstance(error, ImportError) else None
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        in_file = Path(trace.tb_frame.f_code.co_filename) if trace is not None else PROJECT
        ours = missing.partition(".")[0] in _OURS if missing else in_file.parent in [PROJECT / name for name in _OURS]
        return None if ours else error
    return None


def _become(interpreter: str) -> None:
    """Run the same command with another Python; returns where that Python cannot be run."""
    from bootstrap.report import NOT_RUNNING, VARIABLE, Report

    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an earlier image set it; every import takes about twice as long
    if "IPython" in sys.modules:
        sys.exit("An interactive session is not replaced by the worker: run handler.py in a process of its own.")
    sys.stdout.flush()
    try:
        os.execv(interpreter, [interpreter, *sys.orig_argv[1:]])
    except OSError:
        os.environ[VARIABLE] = Report.without(NOT_RUNNING.logged()).to_json()


def _is_there(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
