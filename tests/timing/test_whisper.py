"""The Whisper path on speech with known word times: a real checkpoint, told the text."""

from pathlib import Path
from statistics import median

import pytest

from f5_worker.audio.codec import resample
from f5_worker.errors import SynthesisError
from f5_worker.text.reading import Reading
from f5_worker.timing.pauses import find_pauses
from f5_worker.timing.whisper import WhisperAligner
from f5_worker.timing.words import words_of
from f5_worker.voice.transcriber import Transcriber
from tests.timing.test_align import ALL, Clip

RATE = 16_000


@pytest.fixture(scope="module")
def aligner(whisper: Path) -> WhisperAligner:
    return WhisperAligner(Transcriber(str(whisper), "cpu", retry_seconds=0).pipeline())


@pytest.mark.parametrize("clip", ALL, ids=lambda clip: clip.text[:20])
def test_words_are_found_where_they_are_said(aligner: WhisperAligner, clip: Clip) -> None:
    words = words_of(Reading(clip.text))
    sound = resample(clip.samples, clip.rate, RATE)
    found = aligner.find(words, sound, find_pauses(sound, RATE), "en")
    assert len(found) == len(words)
    misses = [abs(item[0][0] - start) for item, (start, _) in zip(found, clip.spans, strict=True) if item is not None]
    assert len(misses) >= 0.9 * len(words)
    assert median(misses) < 0.12  # tiny.en is good to 0.05 s or so, and 65 ms late before it has learned that
    assert all(0 <= start < end <= len(sound) / RATE + 0.02 for (start, end), _ in filter(None, found))


def test_what_is_longer_than_its_window_is_refused(aligner: WhisperAligner) -> None:
    sound = resample(ALL[0].samples, ALL[0].rate, RATE)
    too_long = sound.repeat(int(30 * RATE / len(sound)) + 2)
    with pytest.raises(SynthesisError, match="30 s"):
        aligner.find(words_of(Reading(ALL[0].text)), too_long, [], "en")
