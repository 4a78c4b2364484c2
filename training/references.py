"""Other voices, which the model must learn to pass over: the worker's built-in clip, and Flite's and espeak-ng's voices."""

import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio

from f5_worker.audio.samples import Samples
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.settings import Settings
from f5_worker.speech.plan import spoken_ref_text
from f5_worker.voice.builtin import builtin_voice
from f5_worker.voice.clip import read_reference

_LOUDNESS = 0.1
_SILENCE = 1200  # samples: the 50 ms that the worker leaves behind a reference
_FLITE = ("kal16", "awb", "rms", "slt")
_ESPEAK = ("en-us", "en-gb", "en-gb-scotland", "en-us+f3", "en-gb+m5", "en-us+f2")


def as_references(texts: Sequence[str], folder: Path) -> Iterator[tuple[str, Samples]]:
    """Transcripts as the model reads them, and samples at 24 kHz as the worker prepares them.

    The built-in voice comes first, then ``texts`` in voices that are picked by chance.

    Raises:
        OSError, CalledProcessError: Debian's flite or espeak-ng is not installed, or fails.
    """
    clip = read_reference(builtin_voice(), Settings())
    yield spoken_ref_text(clip), clip.samples
    file = folder / "voice.wav"
    for number, text in enumerate(texts):
        if number % 2:
            command = ["flite", "-voice", random.choice(_FLITE), "-t", text, "-o", str(file)]
        else:
            pace = str(random.randint(120, 180))
            command = ["espeak-ng", "-v", random.choice(_ESPEAK), "-s", pace, "-w", str(file), text]
        subprocess.run(command, check=True)
        read, rate = soundfile.read(file, dtype="float32")
        samples = torchaudio.functional.resample(torch.from_numpy(read), rate, SAMPLE_RATE).numpy()
        samples = samples * np.float32(max(1.0, _LOUDNESS / float(np.sqrt(np.mean(samples**2)))))
        samples = np.concatenate([samples, np.zeros(_SILENCE, np.float32)])
        yield text + ("  " if text.endswith(".") else ".  "), samples[: len(samples) // HOP_LENGTH * HOP_LENGTH]
