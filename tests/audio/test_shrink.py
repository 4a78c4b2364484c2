"""Speech that must fit: whatever the limit, a file under it that can be heard, or none."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from f5_worker.audio.shrink import fits_shrunk, shrink
from tests.support.sounds import voice


@pytest.mark.parametrize("bits_per_second", [60_000, 24_000, 12_000])
def test_the_file_fits_and_lasts_as_long(tmp_path: Path, bits_per_second: int) -> None:
    samples = np.tile(voice(5.0, 24_000), 6)
    limit = int(30 * bits_per_second / 8)
    made = shrink(samples, 24_000, limit, tmp_path)
    assert fits_shrunk(30, limit)
    assert made is not None
    path, form = made
    assert path.stat().st_size <= limit
    heard, rate = soundfile.read(path)
    assert (form, len(heard) / rate) == ("ogg", pytest.approx(30, abs=0.1))
    assert np.sqrt(np.mean(np.square(heard))) == pytest.approx(np.sqrt(np.mean(np.square(samples))), rel=0.2)


def test_what_cannot_fit_is_not_made(tmp_path: Path) -> None:
    assert not fits_shrunk(30, 10_000)
    assert shrink(np.zeros(24_000 * 30, np.float32), 24_000, 10_000, tmp_path) is None
