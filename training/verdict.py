"""The verdict: Whisper tiny.en writes down what the worker speaks with a model folder, beside the teacher's own recordings."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile

import handler
from f5_worker.audio.samples import Samples
from f5_worker.errors import ReferenceClipError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.resources import Resources
from tests.support.judge import Judge, Verdict, compare, total
from tests.support.whisper import make_whisper
from training.lessons import record

SEED = 1


def judge(model: Path, sentences: Sequence[str]) -> dict[str, Verdict]:
    """What is heard of ``sentences``, by the model and by the teacher, each sentence printed.

    Raises:
        RuntimeError: the worker cannot speak with ``model``.
    """
    handler.resources = Resources({"F5TTS_MODEL": str(model), "F5TTS_DEVICE": "cpu"})
    verdicts: dict[str, list[Verdict]] = {"model": [], "teacher": []}
    with tempfile.TemporaryDirectory() as folder:
        ears = Judge(make_whisper(Path(folder) / "whisper"))
        for sentence in sentences:
            if (recording := record(sentence)) is not None:
                verdicts["teacher"].append(compare(sentence, _heard(ears, recording.samples, SAMPLE_RATE)))
            path, _, error = handler.generate_tts_audio(sentence, seed=SEED)
            if path is None:
                raise RuntimeError(error)
            samples, rate = soundfile.read(path, dtype="float32")
            verdicts["model"].append(compare(sentence, _heard(ears, samples, rate)))
            print(verdicts["model"][-1], flush=True)
    return {name: total(heard) for name, heard in verdicts.items()}


def _heard(ears: Judge, samples: Samples, rate: int) -> str:
    """What is said; nothing where a model that has hardly learned makes no word."""
    try:
        return ears.hear(samples, rate)
    except ReferenceClipError:
        return ""
