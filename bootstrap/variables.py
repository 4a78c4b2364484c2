"""What Python itself reads from the environment, set right before it leads the worker astray.

start.sh drops what keeps Python from starting at all. Here, since handler.py may be run directly, is what a Python that has
started would stumble over. It imports nothing that has not been imported by then.
"""

import os
import sys

LEAD_AWAY = ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE")
"""They say where one Python's own files lie, and would hold for every other one that is started from here."""


def settle() -> None:
    """Drop ``LEAD_AWAY``, and let PYTHONPATH add modules, but replace none of the standard library."""
    if os.environ.get("PYTHONEXECUTABLE") and not sys.flags.ignore_environment:
        sys.executable = sys._base_executable = os.path.realpath("/proc/self/exe")  # type: ignore[attr-defined]
    for name in LEAD_AWAY:
        os.environ.pop(name, None)
    library = os.path.dirname(os.__file__)  # noqa: PTH120
    move_behind((library, f"{library}/lib-dynload"))


def move_behind(folders: "tuple[str, ...] | None" = None) -> None:
    """Put what PYTHONPATH has put before ``folders`` in the search path behind them; behind all others without any."""
    given = {os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path}  # noqa: PTH100
    first, *rest = sys.path
    added = [path for path in rest if os.path.abspath(path) in given]  # noqa: PTH100
    others = [path for path in rest if path not in added]
    last = len(others) if folders is None else 1 + max((others.index(path) for path in folders if path in others), default=-1)
    sys.path[:] = [first, *others[:last], *added, *others[last:]]
