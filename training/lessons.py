"""Lessons: the teacher's speech, aligned with its text by construction, and spelling lessons without sound.

F5-TTS's average upsampling stretches the characters evenly over the frames; so the mel of every word, with its punctuation and
space, is stretched to last exactly its characters' share. What sounds in each frame then follows from the text alone.
"""

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchaudio
from numpy.typing import NDArray

from f5_worker.audio.samples import Samples
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from training.flite import PHONES, RATE, Phone, teacher
from training.references import as_references
from training.sentences import Corpus
from training.shape import PACE, PACES, build_model, characters

QUARTERS = 4
LOUDNESS = 0.1
_LEAD, _TAIL = 0.03, 0.09  # seconds kept before the first and after the last phone
_WITH_AUDIO = 1500  # recordings are enough for the vocoder


@dataclass(frozen=True, slots=True, eq=False)
class Spelling:
    """What sounds in each quarter of each character: ``phones`` and ``stress`` [n, QUARTERS], for the text encoder."""

    text: str
    phones: NDArray[np.uint8]
    stress: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """A text and its speech: mel [frames, 100], evenly stretched."""

    text: str
    mel: NDArray[np.float16]

    @property
    def pace(self) -> float:
        """Frames a character."""
        return len(self.mel) / len(self.text)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A text as the teacher says it: samples [n] at 24 kHz; the edges of its words in characters, and in seconds."""

    text: str
    samples: Samples
    phones: Sequence[Phone]
    characters: NDArray[np.int64]
    seconds: NDArray[np.float64]


def record(text: str) -> Recording | None:
    """``text`` in the teacher's voice; ``None`` where its words and those of the text do not match."""
    if len(characters(text)) != len(text) or (said := teacher().speak(text)) is None:
        return None
    last = max(phone.end for phone in said.phones if phone.name != "pau")
    edges = np.cumsum([0, *(len(word) + 1 for word in text.split(" "))])
    edges[-1] -= 1
    seconds = [max(0.0, said.starts[0] - _LEAD), *said.starts[1:], min(last + _TAIL, len(said.samples) / RATE)]
    audio = torchaudio.functional.resample(torch.from_numpy(said.samples), RATE, SAMPLE_RATE)
    audio = audio * (LOUDNESS / float(audio.square().mean().sqrt()))
    return Recording(text, audio.numpy(), said.phones, edges, np.array(seconds))


def spelling(recording: Recording) -> Spelling:
    """What the text encoder learns from it."""
    count = len(recording.text) * QUARTERS
    middles = np.interp((np.arange(count) + 0.5) / QUARTERS, recording.characters, recording.seconds)
    phones = recording.phones
    at = np.searchsorted([phone.end for phone in phones], middles, side="right").clip(max=len(phones) - 1)
    names = np.array([PHONES.index(phone.name) for phone in phones], dtype=np.uint8)
    stress = np.array([phone.stressed for phone in phones], dtype=np.uint8)
    return Spelling(recording.text, names[at].reshape(-1, QUARTERS), stress[at].reshape(-1, QUARTERS))


def lesson(recording: Recording, mel_spec: Any, pace: float) -> Lesson:
    """What the model learns from it, at ``pace`` frames a character."""
    count = len(recording.text)
    frames = int(pace * count)
    with torch.no_grad():
        mel = mel_spec(torch.from_numpy(recording.samples)[None])[0].T.numpy()
    seconds = np.interp(np.arange(frames) * count / frames, recording.characters, recording.seconds)
    return Lesson(recording.text, stretched(mel, seconds * SAMPLE_RATE / HOP_LENGTH).astype(np.float16))


def stretched(mel: NDArray[Any], at: NDArray[np.float64]) -> NDArray[Any]:
    """The frames of ``mel`` at the places ``at``, between two frames a mixture of them."""
    low = np.floor(at).astype(int).clip(max=len(mel) - 2)
    return np.asarray(mel[low] + (mel[low + 1] - mel[low]) * (at - low)[:, None])


def a_pace() -> float:
    """Frames a character. Near whole numbers F5's upsampling is even too: it puts all its remainder at the end of the text."""
    even = random.choice([7, 8, 9, 10]) - random.uniform(0, 0.12)
    return random.choices([PACE, even, random.uniform(*PACES)], (60, 25, 15))[0]


def make_data(corpus: Corpus, folder: Path, part: int, parts: int, others: int) -> None:
    """One of ``parts`` of all lessons, as pickles in ``folder``; the first also has ``others`` other voices as references.

    spellings_P.pkl [Spelling]   lessons_P.pkl [Lesson]   recordings_P.pkl [int16 samples]   references_0.pkl [Lesson]
    """
    torch.set_num_threads(1)
    random.seed(100 + part)
    mel_spec = build_model().mel_spec

    def save(name: str, items: Sequence[Any]) -> None:
        (folder / name).write_bytes(pickle.dumps(items))

    if part == 0:
        heard = as_references(random.choices(corpus.spoken, k=others), folder)
        mels = [(text, mel_spec(torch.from_numpy(samples)[None])[0].T.numpy().astype(np.float16)) for text, samples in heard]
        save("references_0.pkl", [Lesson(text, mel) for text, mel in mels])
    spellings, lessons, recordings, missed = [], [], [], 0
    for number, text in list(enumerate(corpus.spelt))[part::parts]:
        recording = record(text)
        if recording is None:
            missed += 1
            continue
        spellings.append(spelling(recording))
        if number < len(corpus.spoken):
            lessons.append(lesson(recording, mel_spec, a_pace()))
        if number < _WITH_AUDIO:
            recordings.append((recording.samples.clip(-1, 1) * 32767).astype(np.int16))
    print(f"data {part}: {len(spellings)} spellings, {len(lessons)} lessons, {missed} texts left out", flush=True)
    save(f"spellings_{part}.pkl", spellings)
    save(f"lessons_{part}.pkl", lessons)
    save(f"recordings_{part}.pkl", recordings)


def load(folder: Path, kind: str) -> list[Any]:
    """What ``make_data`` wrote as ``kind_*.pkl``."""
    return [item for file in sorted(folder.glob(f"{kind}_*.pkl")) for item in pickle.loads(file.read_bytes())]
