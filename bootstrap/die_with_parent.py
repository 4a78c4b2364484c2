"""Run a command that dies with the process that started it: ``python die_with_parent.py PARENT_PID COMMAND...``.

An installer that outlives its killed builder would go on writing into a folder that the next builder removes.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie() -> None:
    """Have the kernel end this process with the thread that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main(arguments: list[str]) -> None:
    """Tie this process to its parent, then become the command."""
    tie()
    if os.getppid() != int(arguments[0]):
        sys.exit(1)  # the parent was quicker to die
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
