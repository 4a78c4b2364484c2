"""Where a recording holds speech: what stands out from its noise and lasts as a vowel does. On mono float32 [n] at any rate."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from f5_worker.audio.samples import Samples, Span

FRAMES_PER_SECOND = 100  # 10 ms, as in the silence detection of pydub, which F5-TTS uses
# Soft consonants are up to this much under the loudest vowel, and would count as silence in a quiet recording.
BELOW_LOUDEST = 10 ** (-30 / 20)
_BANDS = 16
_LOWEST_HZ, _HIGHEST_HZ = 100.0, 8_000.0  # hum and rumble lie under it, hiss without speech above
_STEADY = 6  # frames over which noise is about the same
_BLOCK = 10  # frames
_LOOKS = 25  # blocks in which speech pauses once in every band
_OVER_NOISE = 5.0  # times the noise's power that counts as noise still: 10 ms of it vary that much
_STANDS_OUT = 10 ** (10 / 20)
_AS_SPEECH = 10 ** (-18 / 20)
_VOWEL = 12  # frames that are about as loud as the loudest; a click has fewer, and its reverberation falls off
_ABOUT = 10 ** (-12 / 20)
_GAP = 20  # frames between two sounds of one phrase
_NEAR = 40  # frames beside speech in which F5-TTS is followed to the letter
_MARGIN = 6  # frames beside what noise may hide


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """One entry for each whole 10 ms frame: ``levels`` (RMS), and whether it belongs to ``speech``."""

    levels: NDArray[np.float64]
    speech: NDArray[np.bool_]


def find_speech(samples: Samples, sample_rate: int, silent_level: float) -> Activity:
    """Which frames hold speech: those at ``silent_level`` or above, or, where that is lower, 30 dB under the loudest.

    Where noise comes near that level, frames are measured by what stands out from it in 16 bands (spectral subtraction, Boll
    1979), against the least that each band holds for 0.1 s in the 2.5 s before or after (minimum statistics, Martin 2001).
    Sounds that die away faster than a vowel lasts are clicks, and count only within a phrase.
    """
    levels = root_mean_square(samples, sample_rate)
    if not len(levels):
        return Activity(levels, np.zeros(0, dtype=np.bool_))
    above, noise = _above_noise(samples, sample_rate, len(levels))
    ground = np.sqrt(_least(np.square(levels)[:, None])[:, 0])
    clicks = np.zeros(len(levels), dtype=np.bool_)
    while True:
        loudest = float(np.where(clicks, 0.0, levels).max())
        threshold = min(silent_level, loudest * BELOW_LOUDEST)
        noisy = ground > threshold / 4
        heard = np.where(clicks, 0.0, np.where(noisy, np.minimum(above, levels), levels))
        sounds = (levels >= threshold) & (heard > 0) & (heard >= np.where(noisy, np.maximum(threshold, noise), threshold))
        found = _clicks(np.where(clicks, 0.0, levels), sounds)
        if not found.any():
            break
        clicks |= found
    speech = np.zeros(len(levels), dtype=np.bool_)
    loudest = float(heard.max())
    for first, end in runs(_closed(sounds | clicks, _GAP)):
        peak = int(heard[first:end].argmax()) + first
        if sounds[peak] and (not noisy[peak] or heard[peak] >= max(noise[peak] * _STANDS_OUT, loudest * _AS_SPEECH)):
            speech[first:end] |= (sounds | clicks)[first:end]
    hidden = ground > threshold / 2
    weak = ~hidden & (levels >= threshold) & (levels < 2 * threshold)
    masked = hidden & (levels >= ground / 2)
    speech |= _near(speech, _NEAR) & weak | _near(speech, _MARGIN) & masked
    return Activity(levels, speech)


def root_mean_square(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """The level of every whole 10 ms frame."""
    frame = sample_rate // FRAMES_PER_SECOND
    whole = samples[: len(samples) // frame * frame].astype(np.float64)
    levels: NDArray[np.float64] = np.sqrt(np.square(whole).reshape(-1, frame).mean(axis=1))
    return levels


def runs(found: NDArray[np.bool_]) -> Iterator[Span]:
    """The first index of every run of ``True``, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], found, [False])).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        yield int(first), int(end)


def _closed(found: NDArray[np.bool_], gap: int) -> NDArray[np.bool_]:
    """``found`` with gaps of up to ``gap`` frames filled."""
    closed = found.copy()
    for first, end in runs(~found):
        if first > 0 and end < len(found) and end - first <= gap:
            closed[first:end] = True
    return closed


def _near(found: NDArray[np.bool_], distance: int) -> NDArray[np.bool_]:
    """The frames up to ``distance`` from one of ``found``."""
    return np.convolve(found, np.ones(2 * distance + 1))[distance : distance + len(found)] > 0.5


def _clicks(levels: NDArray[np.float64], sounds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The loudest frames of each sound that is as loud for less time than a vowel."""
    clicks = np.zeros(len(levels), dtype=np.bool_)
    for first, end in runs(_closed(sounds, _GAP)):
        part = levels[first:end]
        loud = _closed(part >= part.max() * _ABOUT, 3)
        if max(stop - start for start, stop in runs(loud)) < _VOWEL:
            clicks[first:end] |= loud & sounds[first:end]
    return clicks


def _above_noise(samples: Samples, sample_rate: int, frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each frame the level of what stands out from the noise, and that of the noise."""
    hop = sample_rate // FRAMES_PER_SECOND
    padded = np.pad(samples, (hop // 2, 2 * hop))
    frequencies = np.fft.rfftfreq(2 * hop, 1 / sample_rate)
    bands = np.unique(np.searchsorted(frequencies, np.geomspace(_LOWEST_HZ, min(_HIGHEST_HZ, sample_rate / 2), _BANDS + 1)))
    window = np.hanning(2 * hop).astype(np.float32)
    power = np.empty((frames, len(bands) - 1))
    for start in range(0, frames, 1024):
        count = min(1024, frames - start)
        part = np.lib.stride_tricks.sliding_window_view(padded[start * hop : (start + count + 1) * hop + hop], 2 * hop)[::hop]
        spectrum = np.square(np.abs(np.fft.rfft(part[:count] * window, axis=1)))
        power[start : start + count] = np.add.reduceat(spectrum, bands[:-1], axis=1)[:, : len(bands) - 1]
    power *= 2 / (np.square(window).sum() * 2 * hop)
    smooth = power.copy()
    smooth[1:-1] = (power[:-2] + 2 * power[1:-1] + power[2:]) / 4
    noise = _least(smooth)
    above = np.maximum(smooth - _OVER_NOISE * noise, 0.0).sum(axis=1)
    return np.sqrt(above), np.sqrt(noise.sum(axis=1))


def _least(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """The noise in power [frames, bands]: the larger of the least before and the least after each block.

    Near an end only the other side has been looked at for long enough.
    """
    parts = np.array_split(power, max(1, len(power) // _BLOCK))
    sums = np.cumsum(np.pad(power, ((_STEADY, 0), (0, 0)), mode="edge"), axis=0)
    smooth = (sums[_STEADY:] - sums[:-_STEADY]) / _STEADY
    blocks = np.array([part.min(axis=0) for part in np.array_split(smooth, len(parts))])
    edge = np.full((_LOOKS - 1, power.shape[1]), np.inf)
    before, after = (
        np.lib.stride_tricks.sliding_window_view(np.concatenate(order), _LOOKS, axis=0).min(axis=-1)
        for order in ((edge, blocks), (blocks, edge))
    )
    number = np.arange(len(blocks))[:, None]
    early, late = number < _LOOKS - 1, number > len(blocks) - _LOOKS
    least = np.where(early == late, np.where(early, np.minimum(before, after), np.maximum(before, after)), 0.0)
    least = np.where(early & ~late, after, np.where(late & ~early, before, least))
    return np.repeat(least, [len(part) for part in parts], axis=0)
