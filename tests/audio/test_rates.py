"""Another sample rate: tones stay what they are, what lies above the new band is gone, and blocks meet without a seam."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.audio import rates
from f5_worker.audio.rates import RateStream, to_rate
from tests.support.sounds import Samples

RATES = (8_000, 11_025, 11_111, 16_000, 22_050, 32_000, 44_100, 48_000)
SECONDS = 23  # three blocks


def tone(hertz: float, rate: int, seconds: float = SECONDS) -> Samples:
    return np.asarray(0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate), np.float32)


def level(samples: Samples, rate: int) -> float:
    """dB of full scale of what lies half a second away from the ends, where a tone is cut off hard."""
    inner = samples[rate // 2 : -rate // 2].astype(np.float64)
    return float(10 * np.log10(np.mean(inner**2) + 1e-30))


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("part", [0.01, 0.5, 0.93])
def test_a_tone_below_the_band_edge_is_the_same_tone(rate: int, part: float) -> None:
    hertz = part * min(rate, 24_000) / 2
    assert level(to_rate(tone(hertz, 24_000), 24_000, rate) - tone(hertz, rate), rate) < -120


@pytest.mark.parametrize("rate", [rate for rate in RATES if rate < 24_000])
@pytest.mark.parametrize("part", [0.001, 0.05, 0.5, 0.99])
def test_nothing_is_folded_back(rate: int, part: float) -> None:
    hertz = rate / 2 + part * (12_000 - rate / 2)
    assert level(to_rate(tone(hertz, 24_000), 24_000, rate), rate) < -120


@given(st.integers(0, 30_000), st.integers(8_000, 48_000))
@settings(max_examples=30)
def test_any_length_at_any_rate(length: int, rate: int) -> None:
    resampled = to_rate(np.full(length, 0.5, np.float32), 24_000, rate)
    assert len(resampled) == -(-length * rate // 24_000)
    assert resampled.dtype == np.float32
    assert np.isfinite(resampled).all()


def test_blocks_meet_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(1).standard_normal(24_000 * SECONDS).astype(np.float32)
    in_blocks = to_rate(noise, 24_000, 8_000)
    monkeypatch.setattr(rates, "_BLOCK_SECONDS", 2 * SECONDS)
    np.testing.assert_allclose(to_rate(noise, 24_000, 8_000), in_blocks, atol=1e-5)


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(440, 24_000, 0.1)
    assert to_rate(samples, 24_000, 24_000) is samples


@settings(max_examples=25)
@given(st.lists(st.integers(0, 60_000), min_size=1, max_size=6), st.sampled_from([*RATES, 8_001, 24_000, 24_001]))
def test_what_comes_in_pieces_is_resampled_as_the_whole(sizes: list[int], rate: int) -> None:
    whole = np.random.default_rng(1).normal(0, 0.1, sum(sizes)).astype(np.float32)
    stream, pieces = RateStream(24_000, rate), np.split(whole, np.cumsum(sizes)[:-1])
    parts = [stream.add(piece, last=number == len(pieces)) for number, piece in enumerate(pieces, 1)]
    expected = to_rate(whole, 24_000, rate)
    assert len(np.concatenate(parts)) == len(expected)
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)
