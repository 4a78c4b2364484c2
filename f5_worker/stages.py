"""How long each stage of a piece of work took."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from f5_worker import progress

JOB_STAGES = ("model_load", "reference", "synthesis", "encode", "upload")
"""The stages of a ``tts`` job, as its answer lists them."""


class Stages:
    """Seconds by stage: ``with stages("upload"): ...`` adds the time that the block takes, also when it fails."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        progress.enter(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - started)

    def add(self, name: str, seconds: float) -> None:
        """So much more of a stage, measured elsewhere."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def rounded(self, names: tuple[str, ...]) -> Mapping[str, float]:
        """Each of ``names`` to a tenth of a millisecond; 0 for a stage that never came."""
        return {name: round(self.seconds.get(name, 0.0), 4) for name in names}

    def __str__(self) -> str:
        return in_words(self.seconds)


def in_words(seconds: Mapping[str, float]) -> str:
    """Stages and their seconds for the log ("files 0.10 s, imports 1.55 s")."""
    return ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items())
