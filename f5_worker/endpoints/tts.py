"""Speech: from a checked request to the answer."""

import secrets
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f5_worker import log
from f5_worker.audio.shrink import shrink
from f5_worker.delivery.deliver import deliver
from f5_worker.delivery.records import answer_in_time
from f5_worker.delivery.records import result_id as platform_result_id
from f5_worker.delivery.workspace import job_folders
from f5_worker.endpoints.about import about_speech, with_room
from f5_worker.endpoints.speech_file import format_that_fits, write
from f5_worker.formats import FORMATS
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.mel import SAMPLE_RATE
from f5_worker.model.load import LoadedModel
from f5_worker.progress import track
from f5_worker.resources import Resources
from f5_worker.speech.join import Speech, SpokenChunk, result_of, speech_in_parts
from f5_worker.speech.passages import passages, read_ref_text, read_text
from f5_worker.speech.plan import ChunkPlan, SpeechOptions, plan_chunks, planned_seconds
from f5_worker.speech.synthesis import synthesise
from f5_worker.text.vocabulary import Vocabulary
from f5_worker.voice.cast import obtain_cast, of_voice, warnings_of
from f5_worker.voice.reference import Reference
from f5_worker.voice.source import builtin_reference

if TYPE_CHECKING:
    from f5_worker.audio.samples import Samples
    from f5_worker.endpoints.stream import Stream
    from f5_worker.endpoints.timings import WordTimer


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What will be spoken, how, by which model, in which voices."""

    model: LoadedModel
    references: Mapping[str, Reference]
    options: SpeechOptions
    plan: Sequence[ChunkPlan]


@dataclass(frozen=True, slots=True, eq=False)
class Spoken:
    """Speech, the seed it was made with, the model and the references that were really used, and the file's form."""

    speech: Speech
    seed: int
    model: LoadedModel
    references: Mapping[str, Reference]
    output_format: str
    result_rate: int

    @classmethod
    def of(cls, speech: Speech, prepared: Prepared, request: TtsRequest, output_format: str) -> "Spoken":
        """The speech of a prepared, for a file in that format."""
        result_rate = request.result_rate if output_format == request.output_format else FORMATS[output_format].sample_rate
        return cls(speech, prepared.options.seed, prepared.model, prepared.references, output_format, result_rate)

    def rate_of(self, form: str) -> int:
        """The sample rate in Hz of a file in the format that it was delivered in."""
        return self.result_rate if form == self.output_format else FORMATS[form].sample_rate


def tts(request: TtsRequest, job: Job, resources: Resources) -> Iterator[dict[str, Any]]:
    """The parts of the answer, of which the last is the whole; with ``STREAMING``, those before it are speech as it is made."""
    made_before = resources.records.look(job)
    resources.raise_remembered()  # before a reference is fetched and transcribed in vain
    result_id = platform_result_id(job.id) if job.id and job.settings.on_runpod else str(uuid.uuid4())
    with job.stages("reference"):
        cast = obtain_cast(request, job, resources.references)
    if (answer := answer_in_time(made_before)) is not None:
        log.info("This job was done before: it is answered with the result that was kept")
        yield answer
        return
    with job_folders() as folders, word_timer(request, job, resources) as timer:
        stream = _stream(request, job)
        spoken = yield from speak_in_parts(request, cast, job, resources, timer, stream)
        written = spoken.speech if stream is None else stream.result(spoken.speech, spoken.result_rate)
        limited = with_room(job, request, [chunk.plan for chunk in spoken.speech.chunks])
        answer = hand_over(request, spoken, limited, result_id, folders, timer, written)
    if spoken.model.stands_in_for:
        log.warn(str(spoken.model.warning))  # last, where it is seen
    resources.records.keep(job, answer)
    yield answer


def hand_over(
    request: TtsRequest,
    spoken: Spoken,
    job: Job,
    result_id: str,
    folders: Sequence[Path],
    timer: "WordTimer | None",
    written: Speech | None = None,
) -> dict[str, Any]:
    """Write the file, deliver it under its id, and answer. ``written`` is the speech in the file, where it is another.

    With ``parts_only`` there is no file.

    Raises:
        DeliveryError: no way is left.
    """
    about = partial(about_speech, request, spoken.speech, spoken.seed, spoken.references, job)
    if job.settings.parts_only:
        return {**about(), "status": "completed", "warnings": job.warnings}
    path = write(written or spoken.speech, spoken.output_format, spoken.result_rate, folders, job)
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
    return {
        **about(),  # not before: it says how long the stages took
        **delivered.answer(),
        **timed,
        "output_format": delivered.format,
        "sample_rate": spoken.rate_of(delivered.format),
        "status": "completed",
        "job_id": result_id,
        "warnings": [*warnings_of(spoken.references), *job.warnings, *delivered.warnings],
    }


def word_timer(request: TtsRequest, job: Job, resources: Resources) -> "AbstractContextManager[WordTimer | None]":
    """Who times the words, or nobody: then nothing of it is imported."""
    if not (request.return_word_timings or request.verify):
        return nullcontext()
    from f5_worker.endpoints.timings import WordTimer

    return WordTimer(request, job, resources)


def _stream(request: TtsRequest, job: Job) -> "Stream | None":
    if not job.settings.streaming:
        if request.stream_format is not None:
            job.warnings.append("stream_format has no effect: the endpoint streams only where STREAMING=true is set on it.")
        return None
    from f5_worker.endpoints.stream import Stream

    if request.remove_silence:
        job.warnings.append("remove_silence needs all of the speech, so the parts of the stream came only at the end.")
    return Stream(request)


def speak(request: TtsRequest, cast: Mapping[str, Reference], job: Job, resources: Resources) -> Spoken:
    """The speech of a request in one piece; see ``speak_in_parts``."""
    return result_of(speak_in_parts(request, cast, job, resources))


def speak_in_parts(
    request: TtsRequest,
    cast: Mapping[str, Reference],
    job: Job,
    resources: Resources,
    timer: "WordTimer | None" = None,
    stream: "Stream | None" = None,
) -> Generator[dict[str, Any], None, Spoken]:
    """Load the model if need be, see that it can read the text, transcribe references if need be, plan, and synthesise.

    ``timer`` hears each chunk as it comes, and may have one spoken again. With a ``stream`` its parts are given out.

    Raises:
        InputError, ModelUnavailableError, SynthesisError: as the stages raise them.
        JobStopped: when the caller has stopped the job.
    """
    with job.stages("model_load"), track("Loading the model", stage="model_load"):
        model = resources.speaker()
    if model.warning:
        job.warnings.append(model.warning)
    streamed = stream is not None
    prepared = prepare(request, cast, model, job, resources, streamed=streamed)
    options, plan = prepared.options, prepared.plan
    output_format = format_that_fits(planned_seconds(plan), request, with_room(job, request, plan))
    with track(spoken_on(model), len(plan), stage="synthesis") as advance:
        shared = not request.deterministic
        speak_plan = speaker(model, options, job, resources, advance, streamed=streamed, shared=shared)
        waves = speak_plan(plan)
        if timer is not None:
            waves = timer.listen(plan, waves, lambda item: next(speak_plan([item])))
        with_words = timer if request.return_word_timings and not request.remove_silence else None
        speech = yield from _parts_of(plan, speech_in_parts(plan, told(waves, len(plan)), options), stream, with_words, job)
    return Spoken.of(speech, prepared, request, output_format)


def prepare(
    request: TtsRequest,
    cast: Mapping[str, Reference],
    model: LoadedModel,
    job: Job,
    resources: Resources,
    *,
    streamed: bool = False,
) -> Prepared:
    """See that the model can read the text, transcribe references if need be, and plan.

    Raises:
        InputError: the model cannot read it, or the fields do not suit the reference.
        JobStopped: when the caller has stopped the job.
    """
    if model.stands_in_for:
        cast = _in_the_demos_voice(cast, job, resources)
    lines, warnings = read_text(request, model.vocabulary)
    job.warnings.extend(warnings)
    speakers = {line.voice for line in lines}
    job.stop.check()
    with job.stages("reference"):
        references = {name: _readable(name, cast[name], model.vocabulary, job, resources) for name in cast if name in speakers}
        options = SpeechOptions.of(request, secrets.randbelow(2**31) if request.seed is None else request.seed)
        plan = plan_chunks(passages(lines, references, request), options, streamed=streamed)
        return Prepared(model, references, options, plan)


def speaker(
    model: LoadedModel,
    options: SpeechOptions,
    job: Job,
    resources: Resources,
    advance: Callable[[float], None],
    *,
    streamed: bool = False,
    shared: bool = True,
) -> "Callable[[Sequence[ChunkPlan]], Iterator[Samples]]":
    """Speaks chunks as their turn comes; ``advance`` is told how many, step by step."""

    def speak_plan(plan: Sequence[ChunkPlan]) -> "Iterator[Samples]":
        waves = synthesise(model, plan, options, job.stop.check, streamed=streamed, shared=shared, advance=advance)
        return resources.scheduler.stream(waves, job.stop, partial(job.stages.add, "synthesis"))

    return speak_plan


def spoken_on(model: LoadedModel) -> str:
    """What a bar of progress is called."""
    return f"Speaking on the {model.device.upper()}"


def told(waves: "Iterator[Samples]", count: int) -> "Iterator[Samples]":
    """The same waves, with a line in the log for each."""
    started = time.perf_counter()
    for number, wave in enumerate(waves, 1):
        passed = time.perf_counter() - started
        log.info(f"Chunk {number} of {count}: {len(wave) / SAMPLE_RATE:.1f} s of speech, {passed:.1f} s after the start")
        yield wave


def _parts_of(
    plan: Sequence[ChunkPlan],
    speaking: "Generator[tuple[Samples, SpokenChunk], None, Speech]",
    stream: "Stream | None",
    timer: "WordTimer | None",
    job: Job,
) -> Generator[dict[str, Any], None, Speech]:
    """The stream's parts of what is spoken, chunk by chunk, with the words of ``timer``; nothing without one."""
    for item in plan if stream is not None else ():
        assert stream is not None
        samples, chunk = next(speaking)
        with job.stages("encode"):
            parts = list(stream.parts(item, samples, last=item is plan[-1]))
        if timer is not None:
            with job.stages("timing"):
                stream.give_words(parts, timer.due(chunk))
        yield from parts
    return result_of(speaking)


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
        if resources.references.lacks_transcript(reference):
            resources.fetch_whisper()
        if reference.ref_text is None:
            reference = resources.scheduler.run(
                partial(resources.references.with_transcript, reference, resources.transcribe), job.stop
            )
        return read_ref_text(reference, vocabulary)
