"""From a checked request and its reference clip to a spoken file, and to the answer's fields about it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.audio.codec import encode_audio
from f5_worker.errors import DeliveryError
from f5_worker.job.context import Job, Stopwatch
from f5_worker.job.request import TtsRequest
from f5_worker.resources import Studio
from f5_worker.speech.synthesis import Speech, SpeechOptions, plan_chunks, synthesise
from f5_worker.voice.reference import Reference

STAGES = ("model_load", "reference", "synthesis", "encode", "upload")
SMOKE_WARNING = "F5TTS_MODEL=smoke: the weights are random, so the sound is noise; it only shows that everything works."


@dataclass(frozen=True, slots=True)
class SpokenFile:
    """Speech in a file, the seed it was made with, and the reference that was really used."""

    path: Path
    speech: Speech
    seed: int
    clip: Reference


def speak(
    request: TtsRequest, clip: Reference, folders: Sequence[Path], job: Job, clock: Stopwatch, studio: Studio
) -> SpokenFile:
    """Transcribe the reference if need be, plan, load the model if need be, synthesise, and write the file.

    ``folders`` are where it may go, best first: a full disk must not lose audio that was paid for.

    Raises:
        InputError, ModelUnavailableError, SynthesisError, DeliveryError: as the stages raise them.
        JobStopped: when the caller has stopped the job.
    """
    if clip.ref_text is None:
        with studio.inference(job.check_stopped):
            clip = studio.references.with_transcript(clip, studio.transcribe)
    ref_text = clip.ref_text or ""
    options = SpeechOptions(
        seed=secrets.randbelow(2**31) if request.seed is None else request.seed,
        speed=request.speed,
        nfe_step=request.nfe_step,
        cfg_strength=request.cfg_strength,
        sway_sampling_coef=request.sway_sampling_coef,
        target_rms=request.target_rms,
        cross_fade_duration=request.cross_fade_duration,
        fix_duration=request.fix_duration,
        remove_silence=request.remove_silence,
    )
    plan = plan_chunks(request.text, clip.samples, ref_text, options)
    job.check_stopped()
    clock.lap("reference")
    model = studio.model()
    clock.lap("model_load")
    if model.is_smoke:
        job.warnings.append(SMOKE_WARNING)
    with studio.inference(job.check_stopped):
        speech = synthesise(model, plan, clip.samples, ref_text, options, job.check_stopped)
    clock.lap("synthesis")
    path = _write(speech, request.output_format, folders)
    clock.lap("encode")
    return SpokenFile(path, speech, options.seed, clip)


def _write(speech: Speech, output_format: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        path = folder / f"speech.{output_format}"
        try:
            encode_audio(speech.samples, speech.sample_rate, output_format, path)
        except DeliveryError as error:
            if folder == folders[-1]:
                raise
            log.warn(f"{error.message} The file goes to memory instead.")
        else:
            return path
    raise DeliveryError("There is no folder for temporary files, neither on the disk nor in memory; give the worker one.")


def speech_fields(request: TtsRequest, spoken: SpokenFile, clock: Stopwatch) -> dict[str, Any]:
    """The answer's fields about the speech itself; those about the file come from its delivery."""
    speech, clip = spoken.speech, spoken.clip
    timings = {stage: round(clock.laps.get(stage, 0.0), 4) for stage in STAGES}
    log.info(
        f"Spoke {len(speech.chunks)} chunks, {speech.duration:.1f} s, "
        f"in {', '.join(f'{stage} {seconds:.2f} s' for stage, seconds in timings.items())}"
    )
    return {
        "text": request.text,
        "duration": round(speech.duration, 6),
        "seed": spoken.seed,
        "sample_rate": speech.sample_rate,
        "output_format": request.output_format,
        "reference": {
            "voice": clip.voice,
            "duration": round(clip.duration, 3),
            "clipped": clip.clipped,
            "ref_text": (clip.ref_text or "").strip(),
        },
        "chunks": [{"text": chunk.text, "start": round(chunk.start, 6), "end": round(chunk.end, 6)} for chunk in speech.chunks],
        "timings": {**timings, "real_time_factor": round(clock.laps["synthesis"] / speech.duration, 4)},
    }
