"""Speech as Opus at the bit rate that fits into a given number of bytes."""

from dataclasses import replace
from pathlib import Path

from f5_worker.audio.codec import encode
from f5_worker.audio.samples import Samples
from f5_worker.formats import FORMATS

SHRUNK = "ogg"
LEAST_BITS_PER_SECOND = 10_000  # below, Opus is hard to understand
_MOST, _LEAST = 256_000, 6_000  # what libsndfile's compression levels 0 and 1 stand for (its ogg_opus.c)
_OVERHEAD = 1.1  # of Ogg's pages, and of Opus above its mean


def shrink(samples: Samples, sample_rate: int, max_bytes: int, folder: Path) -> tuple[Path, str] | None:
    """Write a file of at most ``max_bytes`` into ``folder``; its path and format, or ``None`` where speech is too long for it.

    Raises:
        SynthesisError, DeliveryError: as ``encode_audio``.
    """
    bits = max_bytes * 8 / (len(samples) / sample_rate) / _OVERHEAD
    usual = _MOST - (FORMATS[SHRUNK].compression_level or 0.0) * (_MOST - _LEAST)
    bits = min(bits, usual)
    while bits >= LEAST_BITS_PER_SECOND:
        form = replace(FORMATS[SHRUNK], compression_level=(_MOST - bits) / (_MOST - _LEAST))
        data = encode(samples, sample_rate, form)
        if len(data) <= max_bytes:
            path = folder / f"shrunk.{SHRUNK}"
            path.write_bytes(data)
            return path, SHRUNK
        bits *= 0.8 * max_bytes / len(data)
    return None


def fits_shrunk(seconds: float, max_bytes: int) -> bool:
    """Whether ``shrink`` can bring that much speech under ``max_bytes``."""
    return seconds * LEAST_BITS_PER_SECOND / 8 * _OVERHEAD <= max_bytes
