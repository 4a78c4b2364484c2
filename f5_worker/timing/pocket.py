"""English words found in speech by pocketsphinx, in a child process of one job: what goes wrong there costs estimates only."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

import f5_worker
from f5_worker import log
from f5_worker.audio.samples import Samples

SAMPLE_RATE = 16_000
CHILD = (sys.executable, "-m", "f5_worker.timing.pocket_child")
_LEAD = 0.25  # seconds of faint noise before and after: the first word would begin too late without
_FAINT = 1e-4
_START_SECONDS = 30.0
_LIMIT_BY_SOUND = 4.0  # the child takes 0.02 s for a second of sound
_MOST_FAILURES = 2
_MOST_ANSWER = 1_000_000  # bytes

Span = tuple[float, float]


class PocketError(Exception):
    """No times for this sound: the child ended, took too long, or gave no answer that makes sense."""


class Pocket:
    """One job's child, started by the first sound and again after a failure; for one thread at a time.

    It ends with the block, or with ``stop`` from any thread, which wakes who waits for it.
    """

    def __init__(self, command: Sequence[str] = CHILD, start_seconds: float = _START_SECONDS) -> None:
        self._command = command
        self._start_seconds = start_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def align(self, spoken: Sequence[str], samples: Samples, *, wide: bool = False) -> list[Span | None]:
        """Where each of ``spoken`` (a word, or what is spoken for it) is heard in [n] samples at 16 kHz, in seconds.

        ``wide`` searches longer, for when something is lost.

        Raises:
            PocketError: there are no times; what comes next may have them, until the child has failed twice.
        """
        if self._failures >= _MOST_FAILURES:
            raise PocketError("the aligner has failed before")
        sound = _with_noise(samples)
        request = json.dumps({"words": list(spoken), "bytes": len(sound), "wide": wide}).encode() + b"\n"
        try:
            child = self._started()
            limit = self._start_seconds + _LIMIT_BY_SOUND * len(samples) / SAMPLE_RATE
            watch = threading.Timer(limit, child.kill)
            watch.daemon = True
            watch.start()
            try:
                answer = _exchange(child, request + sound)
            finally:
                watch.cancel()
            spans = _checked(answer, len(spoken), len(samples) / SAMPLE_RATE)
        except (OSError, ValueError) as error:
            self._failures += 1
            self._end()
            log.warn(f"The aligner failed ({type(error).__name__}); its words get estimated times")
            raise PocketError("the aligner failed") from error
        return spans

    def start(self) -> None:
        """Start the child ahead of the first sound, which then need not wait for it."""
        try:
            self._started()
        except OSError:  # ``align`` meets the same, and says so
            return

    def stop(self) -> None:
        """End the child, and start no other."""
        with self._lock:
            self._stopped = True
        self._end()

    def _started(self) -> "subprocess.Popen[bytes]":
        with self._lock:
            if self._stopped:
                raise OSError("the job has ended")
            if self._child is None:
                root = str(Path(f5_worker.__file__).parents[1])
                # Nothing of the job's or the endpoint's secrets; the same packages, wherever this process has found them.
                environment = {"PYTHONPATH": os.pathsep.join([root, *filter(None, sys.path)]), "OMP_NUM_THREADS": "1"}
                self._child = subprocess.Popen(
                    self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
                )
            return self._child

    def _end(self) -> None:
        with self._lock:
            child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    try:
                        pipe.close()
                    except OSError:  # what it never read was still to be written
                        continue


def _exchange(child: "subprocess.Popen[bytes]", request: bytes) -> Any:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request)
    child.stdin.flush()
    return json.loads(child.stdout.readline(_MOST_ANSWER))


def _with_noise(samples: Samples) -> bytes:
    noise = np.random.default_rng(0)
    edge = round(_LEAD * SAMPLE_RATE)
    peak = max(1.0, float(np.abs(samples).max(initial=0.0)))
    whole = np.concatenate([noise.normal(0, _FAINT, edge), samples / peak, noise.normal(0, _FAINT, edge)])
    sound: bytes = (np.clip(whole, -1, 1) * 32767).astype("<i2").tobytes()
    return sound


def _checked(answer: Any, count: int, seconds: float) -> list[Span | None]:
    """The answer's spans in the time of the sound.

    Raises:
        ValueError: it has another form, or times out of order.
    """
    spans = answer.get("spans") if isinstance(answer, dict) else None
    if not isinstance(spans, list) or len(spans) != count:
        raise ValueError("not an answer")
    found: list[Span | None] = []
    at = -_LEAD
    for span in spans:
        if span is None:
            found.append(None)
            continue
        if not (isinstance(span, list) and len(span) == 2 and all(isinstance(edge, int | float) for edge in span)):
            raise ValueError("not a span")
        start, end = (float(edge) - _LEAD for edge in span)
        if not at - 0.011 <= start < end <= seconds + 2 * _LEAD:
            raise ValueError("spans out of order")
        at = end
        start, end = max(0.0, start), min(end, seconds)
        found.append((start, end) if start < end else None)
    return found
