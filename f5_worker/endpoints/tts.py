"""Speech: from a checked request to the answer."""

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f5_worker import log
from f5_worker.audio.codec import encode_audio
from f5_worker.delivery.deliver import deliver
from f5_worker.delivery.workspace import job_folders
from f5_worker.errors import DeliveryError
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.resources import Resources
from f5_worker.speech.passages import read_request
from f5_worker.speech.plan import ChunkPlan, SpeechOptions, plan_chunks
from f5_worker.speech.synthesis import Speech, SpokenChunk, synthesise, whole_speech
from f5_worker.stages import JOB_STAGES, in_words
from f5_worker.voice.cast import obtain_cast, of_voice
from f5_worker.voice.reference import Reference

if TYPE_CHECKING:
    from f5_worker.audio.samples import Samples
    from f5_worker.endpoints.timings import WordTimer


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Speech, the seed it was made with, and the references that were really used, by the names of their voices."""

    speech: Speech
    seed: int
    references: Mapping[str, Reference]


def tts(request: TtsRequest, job: Job, resources: Resources) -> Iterator[dict[str, Any]]:
    """The parts of the answer, of which the last is the whole."""
    resources.model.raise_remembered()  # before a reference is fetched and transcribed in vain
    result_id = str(uuid.uuid4())
    with job.stages("reference"):
        cast = obtain_cast(request, job, resources.references)
    with job_folders() as folders, _word_timer(request, job, resources) as timer:
        spoken = speak(request, cast, job, resources, timer)
        path = write(spoken, request.output_format, folders, job)
        with job.stages("upload"):
            delivered = deliver(path, "audio", request.output_format, job_id=result_id, settings=job.settings, s3=job.s3)
        inline = delivered.size if delivered.way == "base64" else 0
        timed = {} if timer is None else timer.answer(spoken.speech, result_id, folders, job.settings.max_inline_bytes - inline)
    of_references = [warning for reference in spoken.references.values() for warning in reference.warnings]
    yield {
        **delivered.answer(),
        **_about_speech(request, spoken, job),
        **timed,
        "status": "completed",
        "job_id": result_id,
        "warnings": [*of_references, *job.warnings, *delivered.warnings],
    }


def _word_timer(request: TtsRequest, job: Job, resources: Resources) -> "AbstractContextManager[WordTimer | None]":
    """Who times the words, or nobody: then nothing of it is imported."""
    if not (request.return_word_timings or request.verify):
        return nullcontext()
    from f5_worker.endpoints.timings import WordTimer

    return WordTimer(request, job, resources)


def speak(
    request: TtsRequest,
    cast: Mapping[str, Reference],
    job: Job,
    resources: Resources,
    timer: "WordTimer | None" = None,
) -> Spoken:
    """Transcribe the references of who speaks if need be, plan, load the model if need be, and synthesise.

    ``timer`` hears each chunk as it comes, and may have one spoken again.

    Raises:
        InputError, ModelUnavailableError, SynthesisError: as the stages raise them.
        JobStopped: when the caller has stopped the job.
    """
    with job.stages("reference"):
        speakers = request.script.speakers
        references = {
            name: _with_transcript(name, reference, job, resources) for name, reference in cast.items() if name in speakers
        }
        options = SpeechOptions.of(request, secrets.randbelow(2**31) if request.seed is None else request.seed)
        plan = plan_chunks(read_request(request, references), options)
    job.stop.check()
    with job.stages("model_load"):
        model = resources.model.get()
    if model.warning:
        job.warnings.append(model.warning)

    def speak_plan(plan: Sequence[ChunkPlan]) -> "Iterator[Samples]":
        return resources.scheduler.stream(synthesise(model, plan, options, job.stop.check), job.stop)

    with job.stages("synthesis"):
        waves = speak_plan(plan)
        if timer is not None:
            waves = timer.listen(plan, waves, lambda item: next(speak_plan([item])))
        speech = whole_speech(plan, waves, options)
    return Spoken(speech, options.seed, references)


def _with_transcript(name: str, reference: Reference, job: Job, resources: Resources) -> Reference:
    if reference.ref_text is not None:
        return reference
    with of_voice(name):
        return resources.scheduler.run(partial(resources.references.with_transcript, reference, resources.transcribe), job.stop)


def write(spoken: Spoken, output_format: str, folders: Sequence[Path], job: Job) -> Path:
    """The speech as a file in the first of ``folders`` that takes it: a full disk must not lose audio that was paid for.

    Raises:
        DeliveryError: none does.
    """
    speech = spoken.speech
    with job.stages("encode"):
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
    raise DeliveryError(
        "There is no folder for temporary files, neither on the disk nor in memory; set TMPDIR to one that can be written."
    )


def _about_speech(request: TtsRequest, spoken: Spoken, job: Job) -> dict[str, Any]:
    """The answer's fields about the speech itself; those about the file come from its delivery."""
    speech = spoken.speech
    references = {name: _about_reference(reference) for name, reference in spoken.references.items()}
    timings = job.stages.rounded(JOB_STAGES)
    log.info(f"Spoke {len(speech.chunks)} chunks, {speech.duration:.1f} s, in {in_words(timings)}")
    return {
        "text": request.text,
        "duration": round(speech.duration, 6),
        "seed": spoken.seed,
        "sample_rate": speech.sample_rate,
        "output_format": request.output_format,
        "reference": next(iter(references.values())),
        **({"references": references} if request.voices else {}),
        "chunks": [_about_chunk(chunk) for chunk in speech.chunks],
        "timings": {**timings, "real_time_factor": round(job.stages.seconds["synthesis"] / speech.duration, 4)},
    }


def _about_reference(reference: Reference) -> dict[str, Any]:
    return {
        "voice": reference.voice,
        "duration": round(reference.duration, 3),
        "clipped": reference.clipped,
        "ref_text": (reference.ref_text or "").strip(),
    }


def _about_chunk(chunk: SpokenChunk) -> dict[str, Any]:
    """Its words and times, and what is not so for every chunk."""
    plan = chunk.plan
    about: dict[str, Any] = {"text": plan.text, "start": round(chunk.start, 6), "end": round(chunk.end, 6)}
    if plan.spoken != plan.text:
        about["spoken_text"] = plan.spoken
    if plan.paragraph:
        about["paragraph"] = True
    if plan.voice is not None:
        about["voice"] = plan.voice
    return about
