"""Speech among noise, clicks and silence: real recordings, with what people's rooms and microphones add to them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from f5_worker.audio.activity import find_speech, root_mean_square
from f5_worker.audio.codec import decode_audio
from f5_worker.audio.silence import EDGE_LEVEL, shorten_pauses, speech_level, trim_edges
from f5_worker.runtime.packages import package_folder
from tests.support.sounds import NOISES, Samples, click, noise, silence, voice

EXAMPLES = package_folder("f5_tts") / "infer" / "examples" / "basic"


def _example(name: str) -> tuple[Samples, int]:
    wave = decode_audio(Path(EXAMPLES / name).read_bytes(), max_seconds=60)
    return wave.samples, wave.sample_rate


SPEECH, RATE = _example("basic_ref_zh.wav")


def _seconds(samples: NDArray[np.float64], rate: int = RATE) -> float:
    trimmed = trim_edges(samples.astype(np.float32), rate)
    assert trimmed is not None
    return len(shorten_pauses(trimmed, rate)) / rate


CLEAN = _seconds(SPEECH.astype(np.float64))


def _between(before: float, after: float, level: float, kind: str = "white") -> NDArray[np.float64]:
    """The speech with seconds of the same noise before and after it."""
    samples = np.pad(SPEECH.astype(np.float64), (round(before * RATE), round(after * RATE)))
    return samples + level * noise(kind, len(samples), RATE)


@pytest.mark.parametrize("name", ["basic_ref_en.wav", "basic_ref_zh.wav"])
def test_a_clean_clip_is_cut_where_upstream_cuts_it(name: str) -> None:
    samples, rate = _example(name)
    loud = np.flatnonzero(root_mean_square(samples, rate) >= EDGE_LEVEL)
    trimmed = trim_edges(samples, rate)
    assert trimmed is not None
    np.testing.assert_array_equal(trimmed, samples[loud[0] * rate // 100 : (loud[-1] + 1) * rate // 100])


@pytest.mark.parametrize("below", [40, 30, 20, 15, 10])
@pytest.mark.parametrize("kind", NOISES)
def test_noise_is_no_speech_and_hides_none(kind: str, below: int) -> None:
    level = speech_level(SPEECH, RATE) * 10 ** (-below / 20)
    for before, after in [(1.0, 1.0), (4.0, 0.5)]:
        assert _seconds(_between(before, after, level, kind)) == pytest.approx(CLEAN, rel=0.1)


def test_long_noise_inside_is_shortened_as_silence_is() -> None:
    samples = np.concatenate([SPEECH, silence(20, RATE), SPEECH]).astype(np.float64)
    samples += 0.1 * speech_level(SPEECH, RATE) * noise("pink", len(samples), RATE)
    assert _seconds(samples) == pytest.approx(2 * CLEAN + 2, rel=0.1)


def test_noise_that_comes_and_goes() -> None:
    level = 0.1 * speech_level(SPEECH, RATE)
    padded = np.pad(_between(1.0, 1.0, level, "pink"), 2 * RATE)
    assert _seconds(padded) == pytest.approx(CLEAN, rel=0.1)
    louder = _between(3.0, 3.0, level)
    louder[: round(1.5 * RATE)] *= 0.1
    assert _seconds(louder) == pytest.approx(CLEAN, rel=0.1)


@pytest.mark.parametrize("seconds", [0.003, 0.02, 0.06, 0.3])
@pytest.mark.parametrize("places", [[0.0], [0.5, 2.0, -0.6], [0.2, 0.5, 0.8, 1.1, 1.4, -1.5, -0.4]])
@pytest.mark.parametrize("floor", [1e-4, 3e-3])
@pytest.mark.parametrize("volume", [1.0, 0.02])
def test_no_click_opens_or_closes_a_clip(seconds: float, places: list[float], floor: float, volume: float) -> None:
    samples = _between(3.0, 2.5, floor) * volume
    for place in places:
        start = round(place * RATE) % len(samples)
        burst = click(seconds, RATE)
        samples[start : start + len(burst)] += burst[: len(samples) - start]
    assert _seconds(samples) == pytest.approx(CLEAN, rel=0.05)


def test_soft_ends_stay_in_noise() -> None:
    rng = np.random.default_rng(3)
    fricative = np.diff(rng.normal(0, 0.02, RATE // 8))  # as an "f" or "s": 20 dB under the vowels
    samples = np.pad(np.concatenate([fricative, SPEECH[round(0.3 * RATE) : 6 * RATE], fricative]), RATE)
    wanted = _seconds(samples)
    noisy = samples + speech_level(SPEECH, RATE) * 10 ** (-30 / 20) * noise("pink", len(samples), RATE)
    assert wanted - 0.1 <= _seconds(noisy) <= wanted + 0.2


@pytest.mark.parametrize("kind", NOISES)
def test_steady_noise_is_no_speech(kind: str) -> None:
    assert trim_edges((0.05 * noise(kind, 5 * RATE, RATE)).astype(np.float32), RATE) is None


@pytest.mark.parametrize("count", [0, 1, 100, 300, 5_000])
def test_any_length_can_be_asked(count: int) -> None:
    assert len(find_speech(voice(1.0)[:count], 24_000, EDGE_LEVEL).speech) == count // 240
