"""From the sample rate that the model speaks at to the one that was asked for, for the result only.

Not the sinc filter of ``codec.resample``, which references need as F5-TTS has it: at 8,000 Hz that lets through what lies just
above 4,000 Hz. Here a band is cut in the spectrum: nothing is left above the lower Nyquist frequency, and any rate is exact.
numpy is imported when called.
"""

import math
from typing import TYPE_CHECKING

from f5_worker.audio.samples import Samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PASSED = 0.94  # of the lower Nyquist frequency; from there a raised cosine falls to zero at it
_BLOCK_SECONDS = 10
_FADE_SECONDS = 0.3  # after so long the filter's response is 120 dB down
_MARGIN_SECONDS = 1  # on both sides of a block


def to_rate(samples: Samples, from_rate: int, rate: int) -> Samples:
    """``samples`` [n] at ``from_rate`` Hz as float32 [ceil(n * rate / from_rate)] at ``rate`` Hz.

    Both rates are whole numbers, so whole seconds are whole samples at either, and blocks of these meet without a seam.
    """
    if rate == from_rate:
        return samples
    import numpy as np

    block, margin = _BLOCK_SECONDS, _MARGIN_SECONDS
    n = block + 2 * margin
    gains = _gains(n, from_rate, rate)
    padded = np.pad(samples, (margin * from_rate, n * from_rate))
    parts = []
    for start in range(0, len(samples), block * from_rate):
        spectrum = np.fft.rfft(padded[start : start + n * from_rate].astype(np.float64))[: len(gains)] * gains
        part = np.fft.irfft(spectrum, n * rate) * (rate / from_rate)
        parts.append(part[margin * rate : (margin + block) * rate].astype(np.float32))
    resampled: Samples = np.concatenate([*parts, np.zeros(0, np.float32)])
    return resampled[: -(-len(samples) * rate // from_rate)]


class RateStream:
    """``to_rate`` for samples that come piece by piece: gives out what later ones touch no more than rounding does.

    It holds back the time that the filter's response takes to fade, and cuts where a sample of both rates lies.
    """

    def __init__(self, from_rate: int, rate: int) -> None:
        common = math.gcd(from_rate, rate)
        self._from_rate, self._rate = from_rate, rate
        self._step, self._new_step = from_rate // common, rate // common
        self._margin = math.ceil(_FADE_SECONDS * common) if rate != from_rate else 0  # in steps
        self._held: Samples | None = None  # begins a margin before what is due
        self._taken = self._given = 0

    def add(self, samples: Samples, last: bool = False) -> Samples:
        """Take the next samples; returns what is final with them, which is the rest after the ``last``."""
        import numpy as np

        if self._rate == self._from_rate:
            return samples
        margin, step, new_step = self._margin, self._step, self._new_step
        before = np.zeros(margin * step, np.float32) if self._held is None else self._held
        after = np.zeros((margin + 1) * step if last else 0, np.float32)
        held = np.concatenate([before, samples, after])
        self._taken += len(samples)
        steps = len(held) // step
        due = max(0, steps - 2 * margin)
        self._held = held[due * step :]
        if not due:
            return np.zeros(0, np.float32)
        seconds = steps * step / self._from_rate
        gains = _gains(seconds, self._from_rate, self._rate)
        spectrum = np.fft.rfft(held[: steps * step].astype(np.float64))[: len(gains)] * gains
        wave = np.fft.irfft(spectrum, steps * new_step) * (self._rate / self._from_rate)
        final: Samples = wave[margin * new_step : (margin + due) * new_step].astype(np.float32)
        if last:
            final = final[: -(-self._taken * self._rate // self._from_rate) - self._given]
        self._given += len(final)
        return final


def _gains(seconds: float, from_rate: int, rate: int) -> "NDArray[np.float64]":
    """The filter: one factor for each bin (1 / ``seconds`` Hz apart) from 0 to the lower Nyquist frequency."""
    import numpy as np

    nyquist = min(from_rate, rate) / 2
    hertz = np.arange(int(nyquist * seconds) + 1) / seconds
    fall = np.clip((hertz / nyquist - _PASSED) / (1 - _PASSED), 0, 1)
    gains: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * fall)
    return gains
