"""A file that is made piece by piece: the same bytes as at once, the same samples where nothing is lost, early first bytes."""

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.audio.codec import decode_audio
from f5_worker.audio.streamed import STREAMED, StreamEncoder
from tests.support.sounds import voice

RATE = 24_000
SPEECH = np.clip(np.round(voice(3.3, rate=RATE) * 32_767), -32_768, 32_767).astype("<i2")


def made(name: str, pieces: list[bytes], rate: int = RATE) -> bytes:
    encoder = StreamEncoder(name, rate)
    return b"".join([*(encoder.add(piece) for piece in pieces), encoder.end()])


@pytest.mark.parametrize("name", STREAMED)
@settings(max_examples=10)
@given(cuts=st.lists(st.integers(0, len(SPEECH)), max_size=5))
def test_pieces_make_the_same_file_as_the_whole(name: str, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(SPEECH)]
    pieces = [SPEECH[start:end].tobytes() for start, end in pairwise(places)]
    assert made(name, pieces) == made(name, [SPEECH.tobytes()])


@pytest.mark.parametrize(
    ("name", "rate"), [("wav", 24_000), ("wav", 11_025), ("flac", 24_000), ("flac", 44_100), ("flac", 9_001)]
)
def test_what_loses_nothing_has_the_very_samples(name: str, rate: int) -> None:
    data = made(name, [SPEECH.tobytes()], rate)
    if name == "flac":
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            assert (file.samplerate, file.channels, file.subtype) == (rate, 1, "PCM_16")
    wave = decode_audio(data, max_seconds=60)  # as a worker would read it as a reference
    assert wave.sample_rate == rate
    assert np.array_equal(np.round(wave.samples * 32_768).astype(np.int16), SPEECH)


@pytest.mark.parametrize("name", ["mp3", "ogg", "aac"])
def test_what_loses_something_sounds_alike_and_is_as_long(name: str) -> None:
    wave = decode_audio(made(name, [SPEECH.tobytes()]), max_seconds=60)
    seconds = len(wave.samples) / wave.sample_rate
    assert seconds == pytest.approx(len(SPEECH) / RATE, abs=0.15)
    loudness = float(np.sqrt(np.mean(np.square(wave.samples))))
    assert loudness == pytest.approx(float(np.sqrt(np.mean(np.square(SPEECH / 32_768)))), rel=0.1)


@pytest.mark.parametrize("name", STREAMED)
def test_most_of_a_piece_goes_out_with_it(name: str) -> None:
    encoder = StreamEncoder(name, RATE)
    early = encoder.add(SPEECH[: 2 * RATE].tobytes())
    late = encoder.add(SPEECH[2 * RATE :].tobytes()) + encoder.end()
    assert len(early) > len(late) / 2
