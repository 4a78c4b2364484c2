"""Progress on standard error: bars on a terminal, lines in a pipe or a file."""

import shutil
import sys
import threading
import time
from typing import Any

from f5_worker.progress import Show

_FIRST, _EVERY = 2.0, 10.0  # seconds until the first line about a piece of work, and between two
_REDRAW = 0.5


def display() -> Show:
    """What suits standard error."""
    if sys.stderr.isatty():
        try:
            import tqdm  # noqa: F401 - a worker without its packages still says so
        except ImportError:
            return _Lines
        return _Bar
    return _Lines


class _Lines:
    def __init__(self, what: str, total: float | None, unit: str) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._done, self._began = 0.0, time.monotonic()
        self._due = self._began + _FIRST
        sys.stderr.write(f"{what}\n")

    def advance(self, amount: float) -> None:
        self._done += amount
        now = time.monotonic()
        if now < self._due or not self._total or not 0 < self._done < self._total:
            return
        self._due = now + _EVERY
        left = (now - self._began) * (self._total / self._done - 1)
        size = f" of {self._total / 1e6:,.0f} MB" if self._unit == "B" else ""
        sys.stderr.write(f"{self._what}: {self._done / self._total:.0%}{size}, about {left:.0f} s to go\n")

    def end(self) -> None:
        """The next piece of work, or the answer, says enough."""


class _Bar:
    def __init__(self, what: str, total: float | None, unit: str) -> None:
        from tqdm import tqdm

        size = shutil.get_terminal_size()
        amount = "{n_fmt}B of {total_fmt}B, " if unit == "B" else ""
        shape = f"{{desc}} {{percentage:3.0f}} % |{{bar}}| {amount}{{elapsed}}, about {{remaining}} to go"
        self._bar: Any = tqdm(
            desc=what,
            total=total,
            unit_scale=unit == "B",
            bar_format=shape if total else "{desc} {elapsed}",
            file=sys.stderr,
            ncols=size.columns,
            nrows=size.lines,
            leave=False,
        )
        self._ended = threading.Event()
        # Steps of a large model take seconds on a CPU; the clock shows that it is alive.
        threading.Thread(target=self._redraw, name="progress", daemon=True).start()

    def _redraw(self) -> None:
        while not self._ended.wait(_REDRAW):
            self._bar.refresh()

    def advance(self, amount: float) -> None:
        if not self._ended.is_set():
            self._bar.update(min(amount, max(0.0, (self._bar.total or amount) - self._bar.n)))

    def end(self) -> None:
        self._ended.set()
        self._bar.close()


def say(text: str) -> None:
    """Write to standard error between the bars, not through them."""
    if "tqdm" in sys.modules and sys.stderr.isatty():
        from tqdm import tqdm

        with tqdm.external_write_mode(file=sys.stderr):
            sys.stderr.write(text)
    else:
        sys.stderr.write(text)
