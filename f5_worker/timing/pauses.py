"""Where speech pauses, and words brought to the edges of its pauses: silence belongs to no word."""

from collections.abc import Sequence

import numpy as np

from f5_worker.audio.samples import Samples

PAUSE_SECONDS = 0.1  # shorter silences are the closures of p, t and k
_FRAMES_PER_SECOND = 200
_WINDOW = 0.01  # seconds over which loudness is taken
_BELOW_SPEECH = 10 ** (-38 / 20)  # under the loud parts of the speech
_ABOVE_NOISE = 10 ** (6 / 20)
_REACH = 0.05  # seconds: the edge of a word is this near to its pause

Pause = tuple[float, float]
"""Start and end in seconds."""


def find_pauses(samples: Samples, sample_rate: int) -> list[Pause]:
    """The stretches of ``PAUSE_SECONDS`` or more without speech in [n] samples, those at both ends however short they are.

    Silent is what lies 38 dB under the loud parts of the speech, or within 6 dB of the noise under it.
    """
    hop, window = sample_rate // _FRAMES_PER_SECOND, round(_WINDOW * sample_rate)
    if len(samples) < window:
        return []
    power = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    starts = np.arange(0, len(samples) - window + 1, hop)
    levels = np.sqrt(np.maximum(power[starts + window] - power[starts], 0.0) / window)
    loud, noise = (float(np.percentile(levels, share)) for share in (95, 2))
    quiet = levels < max(loud * _BELOW_SPEECH, min(noise * _ABOVE_NOISE, loud * _BELOW_SPEECH * 4))
    edges = np.flatnonzero(np.diff(np.concatenate(([False], quiet, [False])).astype(np.int8))).reshape(-1, 2)
    pauses, duration = [], len(samples) / sample_rate
    for first, end in edges:
        # A frame is quiet as a whole: the sound around it begins where the next one is not.
        start = 0.0 if first == 0 else float(starts[first]) / sample_rate
        stop = duration if end == len(starts) else float(starts[end - 1] + window) / sample_rate
        if stop - start >= PAUSE_SECONDS or first == 0 or end == len(starts):
            pauses.append((start, stop))
    return pauses


def snap(spans: Sequence[Pause | None], pauses: Sequence[Pause]) -> list[Pause | None]:
    """``spans`` of words in order, with the edges that lie in a pause, or near one, moved to its own."""
    moved = list(spans)
    for place, span in enumerate(spans):
        if span is None:
            continue
        start, end = span
        for first, last in pauses:
            if first - _REACH < start < last + _REACH and last < end:
                start = last
            if first - _REACH < end < last + _REACH and first > start:
                end = first
        moved[place] = (start, end) if end > start else span
    return moved
