"""Speech whose word times are known: four recorded clips, and whatever Debian's flite is made to say."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from training.flite import RATE, Flite

CLIPS = Path(__file__).parents[1] / "timing" / "clips"

VOICES = ("slt", "rms", "awb")
"""flite's statistical voices, a woman, a man and a Scot. Its diphone voices, kal and kal16, are of another time: the aligner
fails on every other sentence of theirs."""


@dataclass(frozen=True, eq=False)
class Clip:
    """Speech whose word times are known: mono float32 samples [n] at ``rate`` Hz, spans in seconds by word."""

    text: str
    samples: NDArray[np.float32]
    rate: int
    spans: list[tuple[float, float]]

    def without(self, place: int) -> NDArray[np.float32]:
        """The samples without those of a word."""
        start, end = (round(edge * self.rate) for edge in self.spans[place])
        return np.concatenate([self.samples[:start], self.samples[end:]])


def recorded() -> Iterator[Clip]:
    """The clips that are here as files."""
    for item in json.loads((CLIPS / "truth.json").read_text(encoding="utf-8"))["items"]:
        samples, rate = soundfile.read(CLIPS / item["file"], dtype="float32")
        yield Clip(item["text"], samples, rate, [(word["start"], word["end"]) for word in item["words"]])


def said(voice: str, text: str) -> Clip:
    """``text`` as flite says it.

    Raises:
        OSError: Debian's libflite1 is not installed.
        ValueError: flite reads other words than there are between spaces.
    """
    found = _flite(voice).speak(text)
    if found is None:
        raise ValueError(f"flite counts other words: {text}")
    return Clip(text, found.samples, RATE, list(zip(found.starts, found.ends, strict=True)))


@cache
def _flite(voice: str) -> Flite:
    return Flite(voice)
