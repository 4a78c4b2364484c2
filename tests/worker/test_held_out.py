"""Sentences that the demo model never learned are understood: spoken as the items of one job, and heard together.

Alone each would cost Whisper as much as half a minute does, and short ones cost the model about as much as long ones: here are
those of six words or more, all of them in ``benchmarks.listening``. Seeds are fixed: the verdict is the same everywhere, up to
rounding.
"""

import numpy as np

from tests.support.fresh_worker import FreshWorker, sound
from tests.support.held_out import HELD_OUT
from tests.support.judge import Judge, compare, words

LONG = [sentence for sentence in HELD_OUT if len(words(sentence)) >= 6]
BOUND = 0.1
"""12 of 124 words may be wrong. Measured: 3."""
PAUSE = 1.0  # seconds between two sentences


def test_held_out_sentences_are_understood(fresh_worker: FreshWorker, judge: Judge) -> None:
    fresh_worker.restart(F5TTS_MODEL="demo", F5TTS_DEVICE="cpu", OMP_NUM_THREADS="1")
    answer = fresh_worker.ask({"items": [{"id": text, "text": text} for text in LONG], "seed": 1, "nfe_step": 7})
    spoken = [sound(item, fresh_worker.folder) for item in answer["items"]]
    pause = np.zeros(round(PAUSE * spoken[0].rate), dtype=np.float32)
    heard = judge.hear(np.concatenate([part for each in spoken for part in (each.samples, pause)]), spoken[0].rate)
    verdict = compare(" ".join(LONG), heard)
    assert (len(LONG), verdict.count) == (16, 124)
    assert verdict.rate < BOUND, str(verdict)
