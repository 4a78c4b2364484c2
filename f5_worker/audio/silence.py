"""Where sound is silent: a recording's edges and long pauses, the best place to cut it, and the long silences of speech.

All on mono float32 [n], recordings at any rate.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from f5_worker.audio.samples import Samples, Span
from f5_worker.mel import SAMPLE_RATE

FRAMES_PER_SECOND = 100  # 10 ms, as in the silence detection of pydub, which F5-TTS uses
EDGE_LEVEL = 10 ** (-42 / 20)
PAUSE_LEVEL = 10 ** (-50 / 20)
SILENT_LEVEL = 10 ** (-60 / 20)
# Of a quiet recording: soft consonants are up to this much under the loudest vowel, and would count as silence.
BELOW_LOUDEST = 10 ** (-30 / 20)
KEPT_SECONDS = 1.0
CUT_SECONDS = 0.2
# Upstream's remove_silence_for_generated_wav: -50 dBFS as well, 1,000 ms, 500 ms kept.
SILENCE_SECONDS = 1.0
SILENCE_KEPT_SECONDS = 0.5


def trim_edges(samples: Samples, sample_rate: int) -> "Samples | None":
    """Cut silence off both ends; ``None`` when all of it is silent (no 10 ms louder than -60 dBFS).

    Silence is less than -42 dBFS, as in F5-TTS's ``remove_silence_edges``, or 30 dB less than the loudest 10 ms if that is
    lower.
    """
    levels = _levels(samples, sample_rate)
    loudest = float(levels.max(initial=0.0))
    if loudest < SILENT_LEVEL:
        return None
    loud = np.flatnonzero(levels >= min(EDGE_LEVEL, loudest * BELOW_LOUDEST))
    frame = sample_rate // FRAMES_PER_SECOND
    first, end = int(loud[0]), int(loud[-1]) + 1
    # what is left over after the last whole frame belongs to it
    return samples[first * frame : len(samples) if end == len(levels) else end * frame]


def shorten_pauses(samples: Samples, sample_rate: int) -> Samples:
    """Shorten the silences inside to 2 s, 1 s at either side of the cut, as F5-TTS does: the model would imitate them.

    Silence is less than -50 dBFS, or 30 dB less than the loudest 10 ms if that is lower.
    """
    levels = _levels(samples, sample_rate)
    quiet = levels < min(PAUSE_LEVEL, float(levels.max(initial=0.0)) * BELOW_LOUDEST)
    frame, kept = sample_rate // FRAMES_PER_SECOND, round(KEPT_SECONDS * FRAMES_PER_SECOND)
    keep = np.ones(len(samples), dtype=bool)
    for first, end in _runs(quiet):
        keep[(first + kept) * frame : max(first + kept, end - kept) * frame] = False
    return samples[keep]


def cut_at_pause(samples: Samples, sample_rate: int, earliest: float, latest: float) -> Samples:
    """Cut a clip that is longer than ``latest`` s at the quietest 0.2 s between ``earliest`` and ``latest``.

    Quietest is the mean power. Of several such moments that are about as quiet (3 dB, or all silent) the last is taken, so that
    as much as possible of the voice is kept. The cut is in its middle; silence before it goes, and the last 10 ms fade out, for
    clips that never pause.
    """
    window = round(CUT_SECONDS * FRAMES_PER_SECOND)
    power = np.square(_levels(samples, sample_rate)[: int(latest * FRAMES_PER_SECOND)])
    start = int(earliest * FRAMES_PER_SECOND)
    smooth = np.convolve(power, np.full(window, 1 / window), mode="valid")[start:]
    quiet = np.flatnonzero(smooth <= max(2 * float(smooth.min()), SILENT_LEVEL**2))
    frame = sample_rate // FRAMES_PER_SECOND
    head = samples[: (start + int(quiet[-1]) + window // 2) * frame]
    trimmed = trim_edges(head, sample_rate)
    cut = (head if trimmed is None else trimmed).copy()
    cut[-frame:] *= np.linspace(1, 0, frame, dtype=np.float32)
    return cut


def remove_long_silences(samples: Samples, spans: Sequence[Span]) -> tuple[Samples, list[Span]]:
    """Shorten every silence of a second or more in speech at 24 kHz to half a second on each side; ``spans`` move along.

    Silence is less than -50 dBFS however loud the rest is, as upstream has it. What is silent all through stays as it is.
    """
    frame = SAMPLE_RATE // FRAMES_PER_SECOND
    silent = _root_mean_square(np.pad(samples, (0, -len(samples) % frame)).astype(np.float64), frame) < PAUSE_LEVEL
    keep = np.ones(len(samples), dtype=bool)
    kept = int(SILENCE_KEPT_SECONDS * SAMPLE_RATE)
    for first_frame, end_frame in _runs(silent):
        first, end = first_frame * frame, min(end_frame * frame, len(samples))
        if end - first >= SILENCE_SECONDS * SAMPLE_RATE:
            keep[first + kept if first > 0 else 0 : end - kept if end < len(samples) else end] = False
    if not keep.any():
        return samples, list(spans)
    position = np.concatenate(([0], np.cumsum(keep)))
    return samples[keep], [(int(position[start]), int(position[stop])) for start, stop in spans]


def _levels(samples: Samples, sample_rate: int) -> NDArray[np.float64]:
    """Root mean square of every whole 10 ms frame, without the recording's constant offset."""
    frame = sample_rate // FRAMES_PER_SECOND
    whole = samples[: len(samples) // frame * frame].astype(np.float64)
    offset = whole.mean() if len(whole) else 0.0
    return _root_mean_square(whole - offset, frame)


def _root_mean_square(samples: NDArray[np.float64], frame: int) -> NDArray[np.float64]:
    levels: NDArray[np.float64] = np.sqrt(np.square(samples).reshape(-1, frame).mean(axis=1))
    return levels


def _runs(found: NDArray[np.bool_]) -> Iterator[Span]:
    """The first index of every run of ``True``, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], found, [False])).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        yield int(first), int(end)
