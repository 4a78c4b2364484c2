"""How far the work is: shown by a command line, and for each job of an endpoint where it stands, which the platform is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol


class Shown(Protocol):
    """One piece of work as it is shown. ``advance`` may be called from any thread, one at a time, also after ``end``."""

    def advance(self, amount: float) -> None:
        """So much more is done."""

    def end(self) -> None:
        """It is over, done or not."""


Show = Callable[[str, float | None, str], Shown]
"""Shows a new piece of work: its name, how much there is to do (``None``: nobody knows) and of what ("B": bytes)."""


class _Unseen:
    def advance(self, amount: float) -> None:
        """Nobody looks."""

    def end(self) -> None:
        """Nobody looks."""


def _unseen(_what: str, _total: float | None, _unit: str) -> Shown:
    return _Unseen()


_show: Show = _unseen
_downloads: dict[object, float] = {}
"""How much of each is done, up to 1. A job that has nothing of its own to count waits for them, whoever began them."""


class Stand:
    """Where one job stands: its stage, and how much of that is done."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._share: float | None = None
        self._held = False

    def enter(self, stage: str) -> None:
        """The job has come to a stage (``stages.JOB_STAGES``), unless that is a part of one that is held."""
        if not self._held:
            self._stage, self._share = stage, None

    @contextmanager
    def held(self, stage: str) -> Iterator[None]:
        """Within the block this is the stage."""
        self._held = False
        self.enter(stage)
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def advance(self, share: float) -> None:
        """So much more of the stage is done."""
        self._share = (self._share or 0.0) + share

    def now(self) -> dict[str, Any] | None:
        """The stage, and how many per cent of it, or of a download that it waits for, are done; ``None`` at the very start."""
        share = min(_downloads.values(), default=None) if self._share is None else self._share
        if self._stage is None:
            return None
        return {"stage": self._stage, **({} if share is None else {"percent": int(100 * min(1.0, share))})}


of_job: ContextVar[Stand | None] = ContextVar("f5_worker_progress", default=None)
"""That of the job that the current context works for."""


def enter(stage: str) -> None:
    """The current job has come to a stage."""
    if (stand := of_job.get()) is not None:
        stand.enter(stage)


def is_shown() -> bool:
    """Whether somebody looks."""
    return _show is not _unseen


@contextmanager
def track(what: str, total: float | None = None, *, stage: str) -> Iterator[Callable[[float], None]]:
    """The current job's stage lasts as long as the block; gives what tells that more of it is done."""
    shown, stand = _show(what, total, ""), of_job.get() or Stand()

    def advance(amount: float) -> None:
        shown.advance(amount)
        stand.advance(amount / (total or 1.0))

    try:
        with stand.held(stage):
            yield advance
    finally:
        shown.end()


class Download:
    """One download, shown, and told to all jobs that wait for it; the caller ends it."""

    def __init__(self, name: str, total: float | None) -> None:
        self._shown, self._total = _show(f"Downloading {name}", total, "B"), total
        _downloads[self] = 0.0

    def advance(self, size: float) -> None:
        """So many more bytes are there."""
        self._shown.advance(size)
        if self._total and self in _downloads:
            _downloads[self] += size / self._total

    def end(self) -> None:
        """It is over, done or not."""
        self._shown.end()
        _downloads.pop(self, None)


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Within the block, whatever this process works on is shown."""
    global _show
    before, _show = _show, show
    try:
        yield
    finally:
        _show = before
