"""The one owner of the model: a thread on which every use of it takes its turn.

    waves = scheduler.stream(synthesise(...), job.stop)     # while one chunk is used, the next is being made
    text = scheduler.run(lambda: whisper(samples), job.stop)

F5-TTS keeps the embedded text on the model itself while it samples, so two threads in it would speak each other's words. Work
comes in turns, and jobs take turns: a long text does not hold up a short one that came after it. A turn of ``SharedTurns`` is
for all of them that wait, as far as there is room.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Generic, Self, TypeVar

from bootstrap import trust
from f5_worker.errors import JobStopped
from f5_worker.job.context import Stop

T = TypeVar("T")

COMPANY_SECONDS = 0.005
"""How long a job's first turn waits for jobs that have begun, so that they share it; not at all where there are none."""


class _End(Exception):  # noqa: N818 - nothing failed
    """The work is done."""


class SharedTurns(ABC, Generic[T]):
    """Work whose turns are shared with whatever has an equal ``key``; with ``None``, they are its own."""

    key: Hashable = None

    @property
    def urgent(self) -> bool:
        """Whether its next turn goes before those of others, shared with urgent ones alone."""
        return False

    @abstractmethod
    def take_turn(self, company: Sequence[Self]) -> None:
        """Take a turn together, as far as there is room; what comes of it, errors too, is each one's own."""

    @abstractmethod
    def taken(self) -> tuple[Sequence[T], bool] | None:
        """The results of the turn, and whether the work is done; ``None`` where it had no part.

        Raises:
            Exception: whatever failed for this work.
        """


class _Steps(SharedTurns[T]):
    """An iterator whose every step is a turn."""

    def __init__(self, steps: Iterator[T]) -> None:
        self._steps = steps
        self._taken: tuple[Sequence[T], bool] = (), False

    def take_turn(self, company: Sequence[Self]) -> None:  # noqa: ARG002 - without a key there is none
        try:
            self._taken = (next(self._steps),), False
        except StopIteration:
            self._taken = (), True

    def taken(self) -> tuple[Sequence[T], bool]:
        taken, self._taken = self._taken, ((), False)
        return taken


@dataclass(eq=False, slots=True)
class _Work(Generic[T]):
    """One job's work: ``turns`` are taken in the job's own ``context``, for the log; ``outcomes`` are results or errors."""

    turns: SharedTurns[T]
    stop: Stop
    took: Callable[[float], None]
    context: Context = field(default_factory=copy_context)
    outcomes: "SimpleQueue[tuple[T | None, BaseException | None]]" = field(default_factory=SimpleQueue)
    since: float = field(default_factory=time.perf_counter)
    begun: bool = False
    abandoned: bool = False

    def take_turn(self, company: "Sequence[_Work[Any]]") -> None:
        self.context.run(self.turns.take_turn, [work.turns for work in company])

    def settle(self) -> bool | None:
        """Hand out what came of the turn; whether more may follow, or ``None`` where the work had no part in it."""
        try:
            taken = self.turns.taken()
        except BaseException as error:  # noqa: BLE001 - the thread that waits for it raises it
            self.end(error)
            return False
        if taken is None:
            return None
        self.begun = True
        now = time.perf_counter()
        self.took(now - self.since)
        self.since = now
        results, done = taken
        for result in results:
            self.outcomes.put((result, None))
        if done:
            self.end(_End())
        return not done

    def end(self, error: BaseException) -> None:
        self.outcomes.put((None, error))


class Scheduler:
    """Thread-safe. The thread starts with the first work and lives as long as the process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Work[Any]] = deque()
        self._taking: Sequence[_Work[Any]] = ()
        self._coming: list[Stop] = []
        self._thread: threading.Thread | None = None

    @contextmanager
    def coming(self, stop: Stop) -> Iterator[None]:
        """Within the block, until it streams, a job is on its way: those that are there before it may wait a moment for it."""
        with self._changed:
            self._coming.append(stop)
        try:
            yield
        finally:
            self._arrived(stop)

    def stream(
        self, turns: SharedTurns[T] | Iterator[T], stop: Stop, took: Callable[[float], None] = lambda _: None
    ) -> Iterator[T]:
        """What ``turns`` gives, each as soon as it is made; the turns after it go on meanwhile.

        ``took`` is told how many seconds went by with each turn and the wait for it, whatever becomes of the results.

        Work that waits when its job is stopped, or when the caller closes this iterator, is dropped at once; so is what shares
        a turn. A turn that it has alone then ends by itself: it asks ``stop`` at every step.

        Raises:
            JobStopped: the job was stopped.
            Exception: whatever ``turns`` raises.
        """
        stop.check()
        work = _Work(turns if isinstance(turns, SharedTurns) else _Steps(turns), stop, took)
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
            self._arrived(work.stop)
            self._changed.notify()

    def _arrived(self, stop: Stop) -> None:
        with self._changed:
            if stop in self._coming:
                self._coming.remove(stop)
                self._changed.notify()

    def _requeue(self, work: _Work[Any], *, first: bool = False) -> None:
        """Let the work wait for its next turn, unless nobody wants it any more: asked under the lock, so that a stop or a close
        finds it either here or in the queue."""
        with self._changed:
            if work.stop.is_set():
                work.end(JobStopped())
            elif not work.abandoned and first:
                self._waiting.appendleft(work)
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
        with self._changed:
            if self._withdraw(work) or (work in self._taking and len(self._taking) > 1):
                work.end(JobStopped())

    def _next(self) -> list[_Work[Any]]:
        """The work whose turn it is, and all that may share that."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            head = self._head()
            if not head.begun and head.turns.key is not None:
                self._changed.wait_for(lambda: not self._coming, COMPANY_SECONDS)
                self._changed.wait_for(lambda: self._waiting)  # it may have been stopped meanwhile
                head = self._head()
            key, urgent = head.turns.key, head.turns.urgent
            company = [] if key is None else [work for work in self._waiting if work.turns.key == key]
            works = [head, *(work for work in company if work is not head and work.turns.urgent == urgent)]
            for work in works:
                self._waiting.remove(work)
            self._taking = works
            return works

    def _head(self) -> _Work[Any]:
        return next((work for work in self._waiting if work.turns.urgent), self._waiting[0])

    def _take_turns(self) -> None:
        while True:
            self._take_turn(self._next())  # in a frame of its own: the last job's samples are not kept until the next one comes

    def _take_turn(self, works: Sequence[_Work[Any]]) -> None:
        head, *company = works
        try:
            with trust.trial(last=True):
                head.take_turn(company)
        except BaseException as error:  # noqa: BLE001 - the threads that wait for it raise it
            more: list[bool | None] = [False] * len(works)
            for work in works:
                work.end(error)
        else:
            more = [work.settle() for work in works]
        with self._changed:
            self._taking = ()
        # Who had no part keeps the place before those who had.
        for work, left in reversed(list(zip(works, more, strict=True))):
            if left is None:
                self._requeue(work, first=True)
        for work, left in zip(works, more, strict=True):
            if left:
                self._requeue(work)
