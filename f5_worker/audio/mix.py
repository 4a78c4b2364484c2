"""Decoded blocks of any file as one mono recording of bounded length; numpy is imported by the methods that use it."""

from dataclasses import dataclass

from f5_worker.audio.samples import Samples
from f5_worker.errors import ReferenceClipError
from f5_worker.formats import READABLE

MIN_SAMPLE_RATE = 4_000
MAX_SAMPLE_RATE = 384_000
MAX_CHANNELS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Waveform:
    """Mono samples (float32, [n]) at ``sample_rate`` Hz, from ``start`` s of the file on.

    ``more`` says that the file goes on past what was read.
    """

    samples: Samples
    sample_rate: int
    more: bool = False
    start: float = 0.0

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


class MonoMix:
    """Collects blocks up to ``max_seconds``; keeps the mean of the channels and the first channel.

    With ``scan_seconds`` it makes room when it is full: what comes before the first speech goes, and so does all but 2 s of
    every long pause. It is ``full`` when that gains less than half, or after so many seconds of the file.

    Raises:
        ReferenceClipError: a sample rate or number of channels that no recording has.
    """

    def __init__(self, sample_rate: int, channels: int, max_seconds: float, scan_seconds: float | None) -> None:
        if not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
            raise clip_error(f"has a sample rate of {sample_rate:,} Hz, outside {MIN_SAMPLE_RATE:,} to {MAX_SAMPLE_RATE:,}")
        if not 1 <= channels <= MAX_CHANNELS:
            raise clip_error(f"has {channels} channels, outside 1 to {MAX_CHANNELS}")
        self.sample_rate = sample_rate
        self.read = 0  # frames of the file
        self.full = False
        self._limit = int(max_seconds * sample_rate)
        self._scanned = 0 if scan_seconds is None else int(scan_seconds * sample_rate)
        self._kept = 0
        self._skipped = 0
        self._blocks: list[Samples] = []  # [n, 2]: mean and first channel

    def add(self, block: Samples) -> None:
        """Take one block of shape [frames, channels].

        Raises:
            ReferenceClipError: some samples are NaN or infinite.
        """
        import numpy as np

        if not np.isfinite(block).all():
            raise clip_error("holds samples that are NaN or infinite")
        mean = block.mean(axis=1, dtype=np.float64).astype(np.float32)
        self._blocks.append(np.stack([mean, block[:, 0]], axis=1))
        self.read += len(block)
        self._kept += len(block)
        if self._kept > self._limit:
            self._make_room()

    def waveform(self) -> Waveform:
        import numpy as np

        samples = _mono(np.concatenate(self._blocks)[: self._limit])
        return Waveform(samples, self.sample_rate, more=self.full, start=self._skipped / self.sample_rate)

    def _make_room(self) -> None:
        import numpy as np

        if self._scanned:
            from f5_worker.audio.silence import KEPT_SECONDS, without_long_pauses

            pairs = np.concatenate(self._blocks)
            mono = _mono(pairs)
            keep = without_long_pauses(mono - mono.mean(), self.sample_rate)
            if not keep.all() and (first := int(keep.argmin())) <= KEPT_SECONDS * self.sample_rate:
                keep[:first] = False
                self._skipped += int(keep.argmax())
            self._blocks = [pairs[keep]]
            self._kept = len(self._blocks[0])
        self.full = self._kept > self._limit / 2 or self.read > self._scanned


def clip_error(what: str) -> ReferenceClipError:
    """The error for a clip that ``what`` ("is empty") makes unusable, with the list of what works."""
    return ReferenceClipError(f"The reference clip {what}; send {READABLE}.")


def _mono(pairs: Samples) -> Samples:
    """The mean of the channels as in F5-TTS, or the first where they cancel each other (one is the inverse of the other)."""
    import numpy as np

    mean, first = pairs.var(axis=0, dtype=np.float64)
    return np.ascontiguousarray(pairs[:, 1 if mean < 0.01 * first else 0])
