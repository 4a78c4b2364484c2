"""How well the demo model's speech is understood: Whisper tiny.en writes down held-out sentences that the worker speaks."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import handler
from benchmarks.bench import bench
from f5_worker.resources import Resources
from tests.support.held_out import HELD_OUT
from tests.support.judge import Judge, Verdict, compare, total
from tests.support.whisper import make_whisper
from training.flite import RATE, teacher

NFE_STEPS = (32, 16, 7)
SEED = 1
TEACHER = "the voice it learned from"

Recording = tuple[NDArray[np.float32], int]


def by_worker(sentence: str, nfe_step: int) -> Recording:
    """A sentence in the demo model's voice: samples [n] and their rate.

    Raises:
        RuntimeError: the worker failed.
    """
    path, _, error = handler.generate_tts_audio(sentence, seed=SEED, nfe_step=nfe_step)
    if path is None:
        raise RuntimeError(error)
    return soundfile.read(path, dtype="float32")  # type: ignore[no-any-return]


def by_teacher(sentence: str) -> Recording:
    """The same as the model's training data has it."""
    said = teacher().speak(sentence)
    if said is None:
        raise RuntimeError(f"Flite reads other words: {sentence}")
    return said.samples, RATE


def contestants(nfe_steps: Sequence[int]) -> Iterator[tuple[str, Callable[[str], Recording]]]:
    """Who speaks; the teacher only where it is installed."""
    for steps in nfe_steps:
        yield f"nfe_step={steps}", partial(by_worker, nfe_step=steps)
    try:
        teacher()
    except OSError:
        return
    yield TEACHER, by_teacher


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    with (
        bench("listening", __doc__, arguments, runs=1, warm_ups=0, sentences=len(HELD_OUT)) as b,
        tempfile.TemporaryDirectory() as folder,
    ):
        judge = Judge(make_whisper(Path(folder) / "whisper"))
        handler.resources = Resources({"F5TTS_MODEL": "demo", "F5TTS_DEVICE": b.options.device})
        rows, figures, heard = [], {}, {}
        for name, speak in contestants(NFE_STEPS):
            verdicts = list[Verdict]()
            for sentence in HELD_OUT[: b.options.sentences]:
                samples, rate = speak(sentence)
                verdicts.append(compare(sentence, judge.hear(samples, rate)))
            verdict = total(verdicts)
            figures[name] = {"word error rate": verdict.rate, "words wrong": verdict.errors, "words": verdict.count}
            heard[name] = [str(verdict) for verdict in verdicts]
            rows.append([name, f"{verdict.rate:.3f}", f"{verdict.errors} of {verdict.count}"])
        notes = [
            f"{b.options.sentences} sentences that the model never learned, behind the built-in voice, seed {SEED}. Whisper "
            "tiny.en errs by itself: its errors on the recordings of the voice that the model learned from are the floor.",
        ]
        if TEACHER not in figures:
            notes.append("That voice is left out: Debian's libflite1 is not installed.")
        b.finish(["", "word error rate", "words wrong"], rows, figures, heard, notes=notes)


if __name__ == "__main__":
    main()
