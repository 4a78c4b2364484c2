"""Upstream's own ``F5TTS`` in a process of its own, used as its documentation shows, with the same model and reference clip.

torchaudio 2.10 reads files through torchcodec, which needs FFmpeg's libraries on the machine. Where they are missing, soundfile
reads the clip instead, which is quicker (``Task.without_ffmpeg``).
"""

from benchmarks.probes.protocol import Probe, touch, watch_model

probe = Probe()

import os  # noqa: E402 - what is imported from here on is measured
import time  # noqa: E402
from importlib.resources import files  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

if TYPE_CHECKING:
    from f5_tts.api import F5TTS

REFERENCE_TEXT = "Some call me nature, others call me mother nature."


def load() -> "F5TTS":
    """``F5TTS`` with the task's model folder in the place of its downloads."""
    from f5_tts.api import F5TTS

    if probe.task.without_ffmpeg:
        import torchaudio

        torchaudio.load = read_with_soundfile
    probe.mark("imports")
    folder = Path(probe.task.model_folder).resolve()
    # ``model`` is the name of a file in the package's folder of configurations, or a way from there to another.
    configurations = Path(str(files("f5_tts").joinpath("configs"))).resolve()
    tts = F5TTS(
        model=os.path.relpath(folder / "config", configurations),
        ckpt_file=str(folder / "model.safetensors"),
        vocab_file=str(folder / "vocab.txt"),
        vocoder_local_path=str(folder / "vocos"),
        device=None if probe.task.device == "auto" else probe.task.device,
    )
    probe.mark("weights")
    return tts


def speak(tts: "F5TTS", text: str, file: Path | None = None) -> Any:
    """The samples of ``text`` in the voice of the package's example."""
    clip = files("f5_tts").joinpath("infer/examples/basic/basic_ref_en.wav")
    task = probe.task
    samples, rate, _ = tts.infer(
        str(clip), REFERENCE_TEXT, text, nfe_step=task.nfe_step, seed=task.seed, file_wave=None if file is None else str(file)
    )
    probe.report.facts["duration"] = len(samples) / rate
    return samples


def read_with_soundfile(path: str) -> Any:
    """``torchaudio.load`` without FFmpeg: samples ``[channels, n]`` and their rate."""
    import soundfile
    import torch

    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate


def cold(tts: "F5TTS") -> None:
    """The first speech, into a file."""
    speak(tts, probe.task.text, Path(probe.task.report).with_suffix(".wav"))
    probe.mark("first audio")


def memory(tts: "F5TTS") -> None:
    """Every weight in memory, and the first speech."""
    touch(tts.ema_model, tts.vocoder)
    probe.mark("all weights")
    speak(tts, probe.task.text)
    probe.mark("first audio")


def warm(tts: "F5TTS") -> None:
    """Speech after the first, by phase."""
    import torch

    speak(tts, probe.task.text)
    watches = watch_model(torch, str(tts.device), tts.ema_model.transformer, tts.vocoder)
    for _ in range(probe.task.repeats):
        started = time.perf_counter()
        speak(tts, probe.task.text)
        total = time.perf_counter() - started
        inside = watches.take()
        probe.report.laps.append({**inside, "everything else": total - sum(inside.values()), "total": total})


def long(tts: "F5TTS") -> None:
    """A text of many chunks in stock's own loop."""
    from f5_tts.infer import utils_infer

    chunks: list[str] = []
    split = utils_infer.chunk_text

    def chunk_text(text: str, max_chars: int = 135) -> list[str]:
        chunks[:] = split(text, max_chars)
        return chunks

    utils_infer.chunk_text = chunk_text
    speak(tts, "Warm up.")
    for _ in range(probe.task.repeats):
        started = time.perf_counter()
        speak(tts, probe.task.text)
        probe.report.laps.append({"stock's loop": time.perf_counter() - started})
    probe.report.facts["chunks"] = len(chunks)


def main() -> None:
    """Do the task."""
    tts = load()
    {"cold": cold, "memory": memory, "warm": warm, "long": long}[probe.task.what](tts)
    import torch

    probe.report.facts["device"] = str(tts.device)
    if torch.cuda.is_available():
        probe.report.facts["gpu_peak_memory"] = torch.cuda.max_memory_allocated()
    probe.finish()


if __name__ == "__main__":
    main()
