"""Speech: from a checked request to the answer."""

import secrets
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from f5_worker import log
from f5_worker.audio.shrink import shrink
from f5_worker.delivery.deliver import deliver
from f5_worker.delivery.records import answer_in_time
from f5_worker.delivery.records import result_id as platform_result_id
from f5_worker.delivery.workspace import job_folders
from f5_worker.endpoints.speech_file import format_that_fits, write
from f5_worker.formats import FORMATS
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.model.load import LoadedModel
from f5_worker.progress import track
from f5_worker.resources import Resources
from f5_worker.speech.passages import passages, read_ref_text, read_text
from f5_worker.speech.plan import ChunkPlan, SpeechOptions, plan_chunks, planned_seconds
from f5_worker.speech.synthesis import Speech, SpokenChunk, synthesise, whole_speech
from f5_worker.stages import JOB_STAGES, in_words
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.voice.cast import obtain_cast, of_voice, warnings_of
from f5_worker.voice.reference import Reference
from f5_worker.voice.source import builtin_reference

if TYPE_CHECKING:
    from f5_worker.audio.samples import Samples
    from f5_worker.endpoints.timings import WordTimer


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Speech, the seed it was made with, the model and the references that were really used, and the file's form."""

    speech: Speech
    seed: int
    model: LoadedModel
    references: Mapping[str, Reference]
    output_format: str
    result_rate: int

    def rate_of(self, form: str) -> int:
        """The sample rate in Hz of a file in the format that it was delivered in."""
        return self.result_rate if form == self.output_format else FORMATS[form].sample_rate


def tts(request: TtsRequest, job: Job, resources: Resources) -> Iterator[dict[str, Any]]:
    """The parts of the answer, of which the last is the whole."""
    made_before = resources.records.look(job)
    resources.raise_remembered()  # before a reference is fetched and transcribed in vain
    result_id = platform_result_id(job.id) if job.id and job.settings.on_runpod else str(uuid.uuid4())
    with job.stages("reference"):
        cast = obtain_cast(request, job, resources.references)
    if (answer := answer_in_time(made_before)) is not None:
        log.info("This job was made before: it is answered from what was made")
        yield answer
        return
    with job_folders() as folders, _word_timer(request, job, resources) as timer:
        spoken = speak(request, cast, job, resources, timer)
        path = write(spoken.speech, spoken.output_format, spoken.result_rate, folders, job)
        with job.stages("upload"):
            delivered = deliver(
                path,
                "audio",
                spoken.output_format,
                job_id=result_id,
                settings=job.settings,
                s3=job.s3,
                smaller=partial(shrink, spoken.speech.samples, spoken.speech.sample_rate, folder=path.parent),
            )
        inline = delivered.size if delivered.way == "base64" else 0
        timed = {} if timer is None else timer.answer(spoken.speech, result_id, folders, job.settings.max_inline_bytes - inline)
    about = _about_speech(request, spoken, job)
    if spoken.model.stands_in_for:
        log.warn(str(spoken.model.warning))  # last, where it is seen
    answer = {
        **about,
        **delivered.answer(),
        **timed,
        "output_format": delivered.format,
        "sample_rate": spoken.rate_of(delivered.format),
        "status": "completed",
        "job_id": result_id,
        "warnings": [*warnings_of(spoken.references), *job.warnings, *delivered.warnings],
    }
    resources.records.keep(job, answer)
    yield answer


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
    """Load the model if need be, see that it can read the text, transcribe references if need be, plan, and synthesise.

    ``timer`` hears each chunk as it comes, and may have one spoken again.

    Raises:
        InputError, ModelUnavailableError, SynthesisError: as the stages raise them.
        JobStopped: when the caller has stopped the job.
    """
    with job.stages("model_load"), track("Loading the model"):
        model = resources.speaker()
    if model.warning:
        job.warnings.append(model.warning)
    if model.stands_in_for:
        cast = _in_the_demos_voice(cast, job, resources)
    lines, warnings = read_text(request, model.vocabulary)
    job.warnings.extend(warnings)
    speakers = {line.voice for line in lines}
    job.stop.check()
    with job.stages("reference"):
        references = {name: _readable(name, cast[name], model.vocabulary, job, resources) for name in cast if name in speakers}
        options = SpeechOptions.of(request, secrets.randbelow(2**31) if request.seed is None else request.seed)
        plan = plan_chunks(passages(lines, references, request), options)
        output_format = format_that_fits(planned_seconds(plan), request, job)
    with job.stages("synthesis"), track(f"Speaking on the {model.device.upper()}", len(plan)) as advance:

        def step() -> None:
            job.stop.check()
            advance(1 / (options.nfe_step + 1))

        def speak_plan(plan: Sequence[ChunkPlan]) -> "Iterator[Samples]":
            return resources.scheduler.stream(synthesise(model, plan, options, step), job.stop)

        waves = speak_plan(plan)
        if timer is not None:
            waves = timer.listen(plan, waves, lambda item: next(speak_plan([item])))
        speech = whole_speech(plan, waves, options)
    result_rate = request.result_rate if output_format == request.output_format else FORMATS[output_format].sample_rate
    return Spoken(speech, options.seed, model, references, output_format, result_rate)


def _in_the_demos_voice(cast: Mapping[str, Reference], job: Job, resources: Resources) -> dict[str, Reference]:
    """The one reference that the demo model knows, for every voice."""
    own = builtin_reference(None, job, resources.references)
    asked = sorted({reference.voice for reference in cast.values() if reference.content_id != own.content_id})
    if asked:
        voices = f"voices {', '.join(asked)} were" if len(asked) > 1 else f"voice {asked[0]} was"
        job.warnings.append(f"The {voices} not cloned: the demo model speaks in its own voice only.")
    return dict.fromkeys(cast, own)


def _readable(name: str, reference: Reference, vocabulary: Vocabulary, job: Job, resources: Resources) -> Reference:
    """The reference of a voice, with a transcript in the model's symbols."""
    with of_voice(name):
        if reference.ref_text is None:
            reference = resources.scheduler.run(
                partial(resources.references.with_transcript, reference, resources.transcribe), job.stop
            )
        return read_ref_text(reference, vocabulary)


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
