"""Where sound is silent: a recording's edges and long pauses, the best place to cut it, and the long silences of speech.

All on mono float32 [n], recordings at any rate and without a constant offset.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from f5_worker.audio.activity import FRAMES_PER_SECOND, find_speech, root_mean_square, runs
from f5_worker.audio.samples import Samples, Span
from f5_worker.mel import SAMPLE_RATE

EDGE_LEVEL = 10 ** (-42 / 20)
PAUSE_LEVEL = 10 ** (-50 / 20)
SILENT_LEVEL = 10 ** (-60 / 20)
KEPT_SECONDS = 1.0
CUT_SECONDS = 0.2
# Upstream's remove_silence_for_generated_wav: 1,000 ms, 500 ms kept, and -50 dBFS, which is 30 dB under target_rms.
SILENCE_SECONDS = 1.0
SILENCE_KEPT_SECONDS = 0.5
SILENCE_BELOW_SPEECH = 10 ** (-30 / 20)
_MOST_GAIN = 4.0


def trim_edges(samples: Samples, sample_rate: int) -> "Samples | None":
    """Cut off what comes before the first speech and after the last (``find_speech``); ``None`` without speech over -60 dBFS.

    Silence is less than -42 dBFS, as in F5-TTS's ``remove_silence_edges``, or 30 dB less than the loudest 10 ms if that is
    lower.
    """
    activity = find_speech(samples, sample_rate, EDGE_LEVEL)
    if float(activity.levels[activity.speech].max(initial=0.0)) < SILENT_LEVEL:
        return None
    loud = np.flatnonzero(activity.speech)
    frame = sample_rate // FRAMES_PER_SECOND
    first, end = int(loud[0]), int(loud[-1]) + 1
    # what is left over after the last whole frame belongs to it
    return samples[first * frame : len(samples) if end == len(activity.levels) else end * frame]


def shorten_pauses(samples: Samples, sample_rate: int) -> Samples:
    """``samples`` as far as ``without_long_pauses`` keeps them."""
    return samples[without_long_pauses(samples, sample_rate)]


def without_long_pauses(samples: Samples, sample_rate: int) -> NDArray[np.bool_]:
    """Which samples stay when what is not speech is shortened to 2 s, 1 s at either side of the cut, as F5-TTS does: the model
    would imitate the pauses.

    Silence is less than -50 dBFS, or 30 dB less than the loudest 10 ms if that is lower.
    """
    quiet = ~find_speech(samples, sample_rate, PAUSE_LEVEL).speech
    frame, kept = sample_rate // FRAMES_PER_SECOND, round(KEPT_SECONDS * FRAMES_PER_SECOND)
    keep = np.ones(len(samples), dtype=bool)
    for first, end in runs(quiet):
        keep[(first + kept) * frame : max(first + kept, end - kept) * frame] = False
    return keep


def speech_level(samples: Samples, sample_rate: int) -> float:
    """The root mean square of the frames that hold speech; 0.0 without any."""
    activity = find_speech(samples, sample_rate, EDGE_LEVEL)
    return float(np.sqrt(np.square(activity.levels[activity.speech]).mean())) if activity.speech.any() else 0.0


def at_speech_level(samples: Samples, sample_rate: int, level: float) -> Samples:
    """The samples with their speech at that level, or as near as is worth it: what is much quieter is no speech."""
    now = speech_level(samples, sample_rate) or float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return samples * np.float32(min(level / now, _MOST_GAIN) if now else 1.0)


def cut_at_pause(samples: Samples, sample_rate: int, earliest: float, latest: float) -> Samples:
    """Cut a clip that is longer than ``latest`` s at the quietest 0.2 s between ``earliest`` and ``latest``.

    Quietest is the mean power. Of several such moments that are about as quiet (3 dB, or all silent) the last is taken, so that
    as much as possible of the voice is kept. The cut is in its middle; silence before it goes, and the last 10 ms fade out, for
    clips that never pause.
    """
    window = round(CUT_SECONDS * FRAMES_PER_SECOND)
    power = np.square(root_mean_square(samples, sample_rate)[: int(latest * FRAMES_PER_SECOND)])
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

    Silence is 30 dB or more under the level of the speech. What is silent all through stays as it is.
    """
    frame = SAMPLE_RATE // FRAMES_PER_SECOND
    levels = root_mean_square(np.pad(samples, (0, -len(samples) % frame)), SAMPLE_RATE)
    silent = levels < speech_level(samples, SAMPLE_RATE) * SILENCE_BELOW_SPEECH
    keep = np.ones(len(samples), dtype=bool)
    kept = int(SILENCE_KEPT_SECONDS * SAMPLE_RATE)
    for first_frame, end_frame in runs(silent):
        first, end = first_frame * frame, min(end_frame * frame, len(samples))
        if end - first >= SILENCE_SECONDS * SAMPLE_RATE:
            keep[first + kept if first > 0 else 0 : end - kept if end < len(samples) else end] = False
    if not keep.any():
        return samples, list(spans)
    position = np.concatenate(([0], np.cumsum(keep)))
    return samples[keep], [(int(position[start]), int(position[stop])) for start, stop in spans]
