"""Contestants that take turns, each run in a process of its own."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.probes.protocol import Report, Task, read_report
from tests import REPOSITORY
from tests.support.processes import clean_environment

T = TypeVar("T")
_PASSED_ON = (
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "NVIDIA_VISIBLE_DEVICES",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "MPLCONFIGDIR",
)
_TIMEOUT = 3600.0
_LOG_TAIL = 3000


def alternate(contestants: Mapping[str, Callable[[], T]], *, runs: int, warm_ups: int) -> dict[str, list[T]]:
    """Let the contestants take turns, every other round in the opposite order: a machine that slows down is fair to all.

    The first ``warm_ups`` rounds do not count: they fill caches of files and bytecode.
    """
    names = list(contestants)
    results: dict[str, list[T]] = {name: [] for name in names}
    for number in range(-warm_ups, runs):
        for name in names if number % 2 == 0 else reversed(names):
            started = time.monotonic()
            result = contestants[name]()
            kind = "warm-up" if number < 0 else f"run {number + 1} of {runs}"
            print(f"{name}, {kind}: {time.monotonic() - started:.1f} s", file=sys.stderr)
            if number >= 0:
                results[name].append(result)
    return results


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and what lies around it."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.text(2)

    def text(self, digits: int, factor: float = 1.0) -> str:
        """``median (low to high)``, each times ``factor``."""
        low, high = (f"{value * factor:.{digits}f}" for value in (self.low, self.high))
        return f"{self.median * factor:.{digits}f} ({low} to {high})"


def spread(values: Iterable[float]) -> Spread:
    """The spread of some values."""
    ordered = sorted(values)
    return Spread(statistics.median(ordered), ordered[0], ordered[-1])


class Arena:
    """The folder and the environment in which all processes of one benchmark run.

    One home for all of them: what a library keeps there at its first use (matplotlib's list of fonts takes seconds) is there
    for the runs that count.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._environment = clean_environment(folder, PYTHONPATH=str(REPOSITORY), **passed_on)

    @property
    def volume(self) -> str:
        """A folder in the place of a network volume."""
        folder = self._folder / "volume"
        folder.mkdir(exist_ok=True)
        return str(folder)

    def probe(self, python: str, module: str, task: Task, environment: Mapping[str, str] | None = None) -> Report:
        """Run ``benchmarks.probes.<module>`` with ``task``.

        Raises:
            RuntimeError: when it fails, with the end of its log.
        """
        report, order = self._folder / "report.json", self._folder / "task.json"
        report.unlink(missing_ok=True)
        order.write_text(json.dumps(asdict(replace(task, report=str(report)))), encoding="utf-8")
        started = time.monotonic()
        done = subprocess.run(
            [python, "-m", f"benchmarks.probes.{module}", str(order), repr(started)],
            cwd=self._folder,
            env={**self._environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode != 0:
            log = done.stdout.decode(errors="replace")[-_LOG_TAIL:]
            raise RuntimeError(f"{module} ended with exit code {done.returncode}:\n{log}")
        return read_report(report)

    def can(self, python: str, *modules: str) -> bool:
        """Whether this Python can import all ``modules``."""
        code = f"import {', '.join(modules)}"
        done = subprocess.run([python, "-c", code], env=self._environment, capture_output=True, timeout=_TIMEOUT, check=False)
        return done.returncode == 0


def as_json(reports: Iterable[Report]) -> list[dict[str, Any]]:
    """Reports for a file of results."""
    return [asdict(report) for report in reports]
