"""Edges, pauses and cuts, on signals whose silence is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.audio.silence import cut_at_pause, shorten_pauses, trim_edges
from tests.support.sounds import Samples, silence, voice

RATES = (8_000, 16_000, 24_000, 44_100, 48_000)


def _quiet(samples: Samples, start: float, end: float, rate: int, level: float = 0.0) -> Samples:
    """``samples`` with a pause from ``start`` to ``end``, in seconds."""
    changed = samples.copy()
    changed[round(start * rate) : round(end * rate)] *= level
    return changed


@given(st.floats(0, 3), st.floats(0.5, 3), st.floats(0, 3), st.sampled_from(RATES))
@settings(max_examples=40)
def test_edges_go_and_the_sound_stays(before: float, sound: float, after: float, rate: int) -> None:
    trimmed = trim_edges(np.concatenate([silence(before, rate), voice(sound, rate), silence(after, rate)]), rate)
    assert trimmed is not None
    assert len(trimmed) / rate == pytest.approx(sound, abs=0.06)


@pytest.mark.parametrize("level", [1.0, 0.3, 0.03, 0.005])
def test_a_quiet_recording_keeps_its_soft_parts(level: float) -> None:
    soft = voice(0.5) * np.float32(0.1)
    samples = np.concatenate([silence(1), soft, voice(1.5), soft, silence(1)]) * np.float32(level / 0.3)
    trimmed = trim_edges(samples, 24_000)
    assert trimmed is not None
    assert len(trimmed) / 24_000 == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize("samples", [silence(2), silence(0), np.full(48_000, 0.5, np.float32), voice(2) * np.float32(1e-3)])
def test_silence_is_nothing(samples: Samples) -> None:
    assert trim_edges(samples, 24_000) is None


@given(st.floats(0.1, 8), st.sampled_from(RATES))
@settings(max_examples=30)
def test_pauses_are_two_seconds_at_most(pause: float, rate: int) -> None:
    samples = np.concatenate([voice(1.0, rate), silence(pause, rate), voice(1.0, rate)])
    shortened = shorten_pauses(samples, rate)
    assert len(shortened) / rate == pytest.approx(2 + min(pause, 2.0), abs=0.03)
    np.testing.assert_array_equal(shortened[:rate], samples[:rate])
    np.testing.assert_array_equal(shortened[-rate:], samples[-rate:])


def test_what_has_no_long_pause_is_untouched() -> None:
    samples = _quiet(voice(10.0), 4.0, 5.9, 24_000)
    np.testing.assert_array_equal(shorten_pauses(samples, 24_000), samples)


@given(st.floats(6.3, 11.5), st.sampled_from(RATES), st.sampled_from([0.0, 0.02]))
@settings(max_examples=40)
def test_cuts_in_the_pause(at: float, rate: int, level: float) -> None:
    samples = _quiet(voice(20.0, rate), at, at + 0.3, rate, level)
    cut = cut_at_pause(samples, rate, 6.0, 11.95)
    assert at - 0.06 <= len(cut) / rate <= at + 0.3
    np.testing.assert_array_equal(cut[: -rate // 50], samples[: len(cut) - rate // 50])


def test_takes_the_last_of_equal_pauses_and_the_quietest_of_unequal_ones() -> None:
    samples = _quiet(_quiet(voice(20.0), 7.0, 7.3, 24_000), 9.0, 9.3, 24_000)
    assert len(cut_at_pause(samples, 24_000, 6.0, 11.95)) / 24_000 == pytest.approx(9.0, abs=0.03)
    samples = _quiet(_quiet(voice(20.0), 7.0, 7.3, 24_000), 9.0, 9.3, 24_000, level=0.2)
    assert len(cut_at_pause(samples, 24_000, 6.0, 11.95)) / 24_000 == pytest.approx(7.0, abs=0.03)


@pytest.mark.parametrize("rate", RATES)
def test_a_voice_that_never_pauses_is_cut_softly(rate: int) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 20 * rate).astype(np.float32)
    cut = cut_at_pause(samples, rate, 6.0, 11.95)
    assert 6.0 <= len(cut) / rate <= 11.95
    assert cut[-1] == 0
    assert np.abs(cut[-rate // 1000 :]).max() < 0.1
