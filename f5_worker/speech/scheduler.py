"""The one owner of the model: a thread on which every use of it takes its turn.

    waves = scheduler.stream(synthesise(...), job.stop)     # while one chunk is used, the next is being made
    text = scheduler.run(lambda: whisper(samples), job.stop)

F5-TTS keeps the embedded text on the model itself while it samples, so two threads in it would speak each other's words. Work
comes as an iterator, one turn a step, and jobs take turns: a long text does not hold up a short one that came after it.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from bootstrap import trust
from f5_worker.errors import JobStopped
from f5_worker.job.context import Stop

T = TypeVar("T")


class _End(Exception):  # noqa: N818 - nothing failed
    """The work is done."""


@dataclass(eq=False, slots=True)
class _Work(Generic[T]):
    """One job's work: ``turns`` is advanced in the job's own ``context``, for the log; ``outcomes`` are results or errors."""

    turns: Iterator[T]
    stop: Stop
    context: Context = field(default_factory=copy_context)
    outcomes: "SimpleQueue[tuple[T | None, BaseException | None]]" = field(default_factory=SimpleQueue)
    abandoned: bool = False

    def take_turn(self) -> bool:
        """Advance by one turn; whether more may follow."""
        try:
            result = self.context.run(next, self.turns)
        except StopIteration:
            self.outcomes.put((None, _End()))
            return False
        except BaseException as error:  # noqa: BLE001 - the thread that waits for it raises it
            self.outcomes.put((None, error))
            return False
        self.outcomes.put((result, None))
        return True


class Scheduler:
    """Thread-safe. The thread starts with the first work and lives as long as the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Work[Any]] = deque()
        self._thread: threading.Thread | None = None

    def stream(self, turns: Iterator[T], stop: Stop) -> Iterator[T]:
        """What ``turns`` gives, each as soon as it is made; the turns after it go on meanwhile.

        Work that waits when its job is stopped, or when the caller closes this iterator, is dropped at once. A turn that is
        being taken then ends by itself: it asks ``stop`` at every step.

        Raises:
            JobStopped: the job was stopped.
            Exception: whatever ``turns`` raises.
        """
        stop.check()
        work = _Work(turns, stop)
        self._submit(work)
        try:
            with stop.wakes(lambda: self._drop(work)):
                while True:
                    result, error = work.outcomes.get()
                    if isinstance(error, _End):
                        return
                    if error is not None:
                        raise error
                    yield result  # type: ignore[misc]  # without an error there is a result, which may be None itself
        finally:
            with self._changed:
                work.abandoned = True
                self._withdraw(work)

    def run(self, function: Callable[[], T], stop: Stop) -> T:
        """The result of ``function``, called once on the model's thread.

        Raises:
            JobStopped: the job was stopped while it waited.
            Exception: whatever ``function`` raises.
        """

        def once() -> Iterator[T]:
            yield function()

        return next(self.stream(once(), stop))

    def _submit(self, work: _Work[Any]) -> None:
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._take_turns, name="model", daemon=True)
                self._thread.start()
            self._waiting.append(work)
            self._changed.notify()

    def _requeue(self, work: _Work[Any]) -> None:
        """Let the work wait for its next turn, unless nobody wants it any more: asked under the lock, so that a stop or a close
        finds it either here or in the queue."""
        with self._changed:
            if work.stop.is_set():
                work.outcomes.put((None, JobStopped()))
            elif not work.abandoned:
                self._waiting.append(work)

    def _withdraw(self, work: _Work[Any]) -> bool:
        """Take the work out of the queue; ``False`` if it is not there, since its turn has come or it has ended."""
        with self._changed:
            if work in self._waiting:
                self._waiting.remove(work)
                return True
            return False

    def _drop(self, work: _Work[Any]) -> None:
        if self._withdraw(work):
            work.outcomes.put((None, JobStopped()))

    def _take_turns(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                work = self._waiting.popleft()
            with trust.trial(last=True):
                goes_on = work.take_turn()
            if goes_on:
                self._requeue(work)
            del work  # or the last job's samples would stay until the next one comes
