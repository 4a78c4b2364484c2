"""Work on the network volume in a process of its own: where the volume hangs, that process hangs alone and is left behind."""

import os
import pickle
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from bootstrap.door import is_local
from bootstrap.report import CRASH, Failure, log

T = TypeVar("T")

SILENT = Failure(
    "volume",
    "The network volume does not answer.",
    "Look at the volume's state; the worker uses it again as soon as it answers.",
)
_LOOK_EVERY = 1.0  # seconds between two questions whether to go on


def on_volume(root: Path, work: Callable[[], T], go_on: Callable[[], bool]) -> T:
    """Do ``work``, which touches the volume at ``root``, and return what it returns (which must pickle).

    A disk of this machine cannot hang, and the work is done right here. Else a child does it, and its log is passed on;
    ``go_on`` is asked every second whether to wait any longer.

    Raises:
        Failure: the work's own, or ``SILENT`` when it was left behind.
    """
    if is_local(root):
        return work()
    child = _Child(work)
    try:
        while not child.ended:
            child.listen(_LOOK_EVERY)
            if not child.ended and not go_on():
                raise SILENT
    finally:
        child.leave()
    return child.result()  # type: ignore[no-any-return]


def within(seconds: float) -> Callable[[], bool]:
    """For ``go_on``: true for so long."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


@dataclass(slots=True)
class _Raised:
    cause: Any
    reason: str
    fix: str


class _Child:
    """A fork of this process, which has one thread yet; nothing ever waits for its end."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._log, log_end = os.pipe()
        self._answer, answer_end = os.pipe()
        sys.stderr.flush()
        self._pid = os.fork()
        if self._pid == 0:
            _run(work, log_end, answer_end)
        os.close(log_end)
        os.close(answer_end)
        self._parts = b""
        self.ended = False

    def listen(self, seconds: float) -> None:
        """Pass its log on, and take what it answers, for so long or until its end."""
        end = time.monotonic() + seconds
        while not self.ended and (left := end - time.monotonic()) > 0:
            for pipe in select.select([self._log, self._answer], [], [], left)[0]:
                data = os.read(pipe, 65536)
                if pipe == self._log:
                    sys.stderr.write(data.decode(errors="replace"))
                    sys.stderr.flush()
                elif data:
                    self._parts += data
                else:
                    self.ended = True

    def leave(self) -> None:
        """Let it end by itself for a moment if it is at work, then do not care."""
        if not self.ended:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGTERM)  # its ``finally`` blocks hand the lease over
            self.listen(2.0)
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)  # no more than a wish while it hangs in the volume
        for pipe in (self._log, self._answer):
            os.close(pipe)
        patience = time.monotonic() + (0.5 if self.ended else 0.0)
        while os.waitpid(self._pid, os.WNOHANG)[0] == 0 and time.monotonic() < patience:
            time.sleep(0.001)

    def result(self) -> Any:
        """What the work has returned."""
        try:
            answer = pickle.loads(self._parts)
        except (pickle.UnpicklingError, EOFError):
            raise CRASH from None
        if isinstance(answer, _Raised):
            raise Failure(answer.cause, answer.reason, answer.fix)
        return answer


def _run(work: Callable[[], Any], log_end: int, answer_end: int) -> NoReturn:
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number, instead in ((0, nothing), (1, nothing), (2, log_end)):
            os.dup2(instead, number)  # whoever waits for the end of our output does not wait for a child that hangs
        from bootstrap.die_with_parent import tie

        tie()
        try:
            answer = work()
        except Failure as failure:
            answer = _Raised(failure.cause, failure.reason, failure.fix)
        with os.fdopen(answer_end, "wb") as pipe:
            pickle.dump(answer, pipe)
    except SystemExit:
        log("the work on the network volume was stopped", "WARN")
    except BaseException:  # noqa: BLE001 - a fork must never return
        log(traceback.format_exc(), "ERROR")
    finally:
        os._exit(0)
