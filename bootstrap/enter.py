"""Where ``handler.py`` begins when it is run: on a Python without the worker's packages it becomes the one that has them.

What is imported at the top must be within reach of any Python 3.
"""

import importlib.util
import os
import sys
from pathlib import Path

from bootstrap.packages import PACKAGES

PROJECT = Path(__file__).resolve().parents[1]


def leave_an_old_python() -> None:
    """On a Python that is too old for the worker, go on in start.sh, which looks for another."""
    if sys.version_info < (3, 11):  # noqa: UP036 - whoever runs it may have one
        os.execv(str(PROJECT / "start.sh"), ["start.sh", *sys.argv[1:]])


def enter() -> None:
    """Return where this Python is the one to go on with; else find or build the environment, and go on in its interpreter.

    The process stays the same, so signals and exit codes are the worker's own. ``F5_BOOTSTRAP_REPORT`` in the environment says
    that this has been done, and nothing is done again; set to nothing it keeps the bootstrap out. Where all packages are there
    (an image, a notebook, a virtual environment of one's own) the worker runs as it is. Where no environment can be had it
    runs too, to say why; but not without the SDK: then the process exits with 1.
    """
    from bootstrap import libraries, opened
    from bootstrap.report import CRASH, VARIABLE, Report, log

    if VARIABLE in os.environ:
        libraries.begin()
        if (found := Report.from_environment(os.environ)) and found.to_be_packed:
            opened.begin()
        return
    report, defaults = None, {}
    try:
        from bootstrap.choose import Start

        start = Start(PROJECT, None, os.environ, (PROJECT / "requirements.txt",))
        if not all(map(_is_there, PACKAGES)):
            report = start.report()
        defaults = start.defaults()
    except Exception:  # noqa: BLE001 - the container must start, whatever is wrong with this code
        report = Report.without(CRASH.logged())
    for name, value in defaults.items():  # only now: an installer would keep its downloads there
        os.environ[name] = os.environ.get(name) or value
    if report is None:
        return
    os.environ[VARIABLE] = report.to_json()
    if report.speech:
        _become(report.interpreter)
    if not _is_there("runpod"):
        log("The worker cannot start on this Python, which has no RunPod SDK; correct what the bootstrap says above.", "ERROR")
        sys.exit(1)


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
