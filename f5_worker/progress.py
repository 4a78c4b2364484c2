"""How far the work is, for whoever shows it: a command line. On an endpoint nobody does, and it costs nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


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


def is_shown() -> bool:
    """Whether somebody looks."""
    return _show is not _unseen


def start(what: str, total: float | None = None, unit: str = "") -> Shown:
    """Begin a piece of work; the caller ends it."""
    return _show(what, total, unit)


@contextmanager
def track(what: str, total: float | None = None, unit: str = "") -> Iterator[Callable[[float], None]]:
    """A piece of work that lasts as long as the block; gives what tells that more of it is done."""
    shown = start(what, total, unit)
    try:
        yield shown.advance
    finally:
        shown.end()


@contextmanager
def shown_by(show: Show) -> Iterator[None]:
    """Within the block, whatever this process works on is shown."""
    global _show
    before, _show = _show, show
    try:
        yield
    finally:
        _show = before
