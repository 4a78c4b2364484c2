"""From the sample rate that the model speaks at to the one that was asked for, for the result only.

Not the sinc filter of ``codec.resample``, which references need as F5-TTS has it: at 8,000 Hz that lets through what lies just
above 4,000 Hz. Here a band is cut in the spectrum: nothing is left above the lower Nyquist frequency, and any rate is exact.
numpy is imported when called.
"""

from typing import TYPE_CHECKING

from f5_worker.audio.samples import Samples

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PASSED = 0.94  # of the lower Nyquist frequency; from there a raised cosine falls to zero at it
_BLOCK_SECONDS = 10
_MARGIN_SECONDS = 1  # on both sides of a block: the filter's response is 120 dB down after 0.3 s


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


def _gains(seconds: int, from_rate: int, rate: int) -> "NDArray[np.float64]":
    """The filter: one factor for each bin (1 / ``seconds`` Hz apart) from 0 to the lower Nyquist frequency."""
    import numpy as np

    nyquist = min(from_rate, rate) / 2
    hertz = np.arange(int(nyquist * seconds) + 1) / seconds
    fall = np.clip((hertz / nyquist - _PASSED) / (1 - _PASSED), 0, 1)
    gains: NDArray[np.float64] = 0.5 + 0.5 * np.cos(np.pi * fall)
    return gains
