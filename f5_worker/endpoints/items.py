"""Several texts in one job: each with its own answer or its own error, all through the model together."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from f5_worker import log
from f5_worker.delivery.records import answer_in_time, result_id
from f5_worker.delivery.workspace import job_folders
from f5_worker.endpoints.about import inline_room
from f5_worker.endpoints.speech_file import format_that_fits
from f5_worker.endpoints.tts import Prepared, Spoken, hand_over, prepare, speaker, spoken_on, told, word_timer
from f5_worker.errors import InputError, JobStopped, WorkerError, place_of, unexpected
from f5_worker.formats import FORMATS
from f5_worker.job.context import Job
from f5_worker.job.items import ItemsRequest
from f5_worker.job.request import TtsRequest
from f5_worker.model.load import LoadedModel
from f5_worker.progress import track
from f5_worker.resources import Resources
from f5_worker.settings import Settings
from f5_worker.speech.join import whole_speech
from f5_worker.speech.plan import planned_seconds
from f5_worker.stages import Stages
from f5_worker.voice.cast import obtain_cast
from f5_worker.voice.reference import Reference

_SHARED = "All items of a job count together."


@dataclass(slots=True, eq=False)
class _Part:
    """One item on its way; ``job`` is the whole job with warnings, stages and limits of this item alone."""

    request: TtsRequest
    job: Job
    result_id: str
    cast: Mapping[str, Reference] = field(default_factory=dict)
    answer: dict[str, Any] | None = None

    @contextmanager
    def alone(self, resources: Resources) -> Iterator[None]:
        """What fails here, fails this item and no other."""
        try:
            yield
            return
        except JobStopped:
            raise
        except WorkerError as error:
            failure = error
        except ImportError as error:
            failure = resources.package_missing(error)
        except Exception as error:  # noqa: BLE001 - as for a job of one text, in the handler
            log.error(f"Unexpected {type(error).__name__} in {place_of(error)}")
            failure = unexpected(error)
        self.fail(failure)

    def fail(self, error: WorkerError) -> None:
        """``error`` is the answer."""
        log.error(f"{type(error).__name__}: {error.message}")
        self.answer = error.answer()


@dataclass(slots=True, eq=False)
class _Ready:
    """A part that can be spoken; ``weight`` says how much of the answer it may take, beside the others."""

    part: _Part
    prepared: Prepared
    weight: float = 0.0
    output_format: str = ""

    @property
    def together(self) -> tuple[float, ...]:
        """Parts for which this is the same may share a batch."""
        how = self.prepared.options
        alone = self.part.request.deterministic
        return how.nfe_step, how.cfg_strength, how.sway_sampling_coef, how.target_rms, alone

    @property
    def seconds(self) -> float:
        return planned_seconds(self.prepared.plan)

    @property
    def file_bytes(self) -> float:
        """About the size of the file that is asked for."""
        request = self.part.request
        return self.seconds * request.result_rate * FORMATS[request.output_format].bytes_per_sample


class _Room:
    """The bytes of the answer that its items share: each that is left has its share of what is left."""

    def __init__(self, size: int, ready: Iterable[_Ready]) -> None:
        self._left, self._weights = size, sum(each.weight for each in ready)

    def of(self, ready: _Ready, settings: Settings) -> Settings:
        """The settings with the share of one item as their limit."""
        return replace(settings, max_inline_bytes=int(self._left * min(1.0, ready.weight / self._weights)))

    def take(self, ready: _Ready) -> None:
        """The item has its answer."""
        answer = ready.part.answer or {}
        if "audio_base64" in answer:
            self._left -= answer["size"]
        if ready.part.job.s3 is None:
            self._left -= sum(len(text.encode()) for text in answer.get("timing_files", {}).values())
        self._left = max(0, self._left)
        self._weights -= ready.weight


def speak_items(request: ItemsRequest, job: Job, resources: Resources) -> dict[str, Any]:
    """The answer: ``items`` in the order in which they came, each with what it would be answered alone, or its error.

    Raises:
        ModelUnavailableError: as for one text.
        JobStopped: when the caller has stopped the job.
    """
    made_before = resources.records.look(job)
    resources.raise_remembered()
    job_id = result_id(job.id) if job.id and job.settings.on_runpod else str(uuid.uuid4())
    parts = [
        _Part(item.request, replace(job, warnings=[], stages=Stages()), result_id(f"{job_id}/{number}"))
        for number, item in enumerate(request.items)
        if not isinstance(item.request, InputError)
    ]
    for part in parts:
        job.stop.check()
        with part.alone(resources), part.job.stages("reference"):
            part.cast = obtain_cast(part.request, part.job, resources.references)
    if (answer := answer_in_time(made_before)) is not None:
        log.info("This job was done before: it is answered with the result that was kept")
        return answer
    if any(part.answer is None for part in parts):
        with job.stages("model_load"), track("Loading the model", stage="model_load"):
            model = resources.speaker()
        if model.warning:
            job.warnings.append(model.warning)
        _speak(_ready(parts, model, job, resources), model, job, resources)
        if model.stands_in_for:
            log.warn(str(model.warning))
    answer = _answer(request, parts, job, job_id)
    resources.records.keep(job, answer)
    return answer


def _ready(parts: Sequence[_Part], model: LoadedModel, job: Job, resources: Resources) -> list[_Ready]:
    """The parts that can be spoken and handed over; the others have their errors."""
    ready: list[_Ready] = []
    for part in parts:
        if part.answer is None:
            with part.alone(resources):
                ready.append(_Ready(part, prepare(part.request, part.cast, model, part.job, resources)))
    room, total = replace(job.settings, max_inline_bytes=_room_for(ready, job)), 0.0
    for each in ready:
        with each.part.alone(resources):
            try:
                format_that_fits(total + each.seconds, each.part.request, replace(job, settings=room, warnings=[]))
            except InputError as error:
                raise error.advise(_SHARED) from None
            total += each.seconds
    ready = [each for each in ready if each.part.answer is None]
    fit = sum(each.file_bytes for each in ready) <= room.max_inline_bytes
    for each in ready:
        each.weight = each.file_bytes if fit else each.seconds
    shares = _Room(room.max_inline_bytes, ready)
    for each in ready:
        with each.part.alone(resources):
            limited = replace(each.part.job, settings=shares.of(each, job.settings))
            each.output_format = format_that_fits(each.seconds, each.part.request, limited)
    return [each for each in ready if each.part.answer is None]


def _room_for(ready: Sequence[_Ready], job: Job) -> int:
    """How many bytes of files the answer holds, beside everything else in it."""
    return inline_room(((each.part.request, each.prepared.plan) for each in ready), job.settings)


def _speak(ready: Sequence[_Ready], model: LoadedModel, job: Job, resources: Resources) -> None:
    """Give each its answer. Where the model fails, the batch is halved until what fails is alone."""
    room = _Room(_room_for(ready, job), ready)
    groups: dict[tuple[float, ...], list[_Ready]] = {}
    for each in ready:
        groups.setdefault(each.together, []).append(each)
    waiting = list(groups.values())
    chunks = sum(len(each.prepared.plan) for each in ready)
    with job_folders() as folders, track(spoken_on(model), chunks, stage="synthesis") as advance:
        while waiting:
            group = waiting.pop(0)
            try:
                _speak_together(group, model, job, resources, room, folders, advance)
            except WorkerError as error:
                left = [each for each in group if each.part.answer is None]
                if error.refresh_worker:
                    left += [each for group in waiting for each in group]
                    waiting = []
                if len(left) > 1 and not error.refresh_worker:
                    middle = len(left) // 2
                    waiting[:0] = [left[:middle], left[middle:]]
                else:
                    for each in left:
                        each.part.fail(error.again())
                        room.take(each)


def _speak_together(
    group: Sequence[_Ready],
    model: LoadedModel,
    job: Job,
    resources: Resources,
    room: _Room,
    folders: Sequence[Path],
    advance: Callable[[float], None],
) -> None:
    """Speak parts through the model together, and hand each over once it is spoken.

    Raises:
        WorkerError: the model failed, with one part or with all.
    """
    plan = [chunk for each in group for chunk in each.prepared.plan]
    first, shared = group[0].prepared.options, not group[0].part.request.deterministic
    speak_plan = speaker(model, first, job, resources, advance, shared=shared)
    waves = told(speak_plan(plan), len(plan))
    for each in group:
        part, options, own = each.part, each.prepared.options, each.prepared.plan
        with part.job.stages("synthesis"):
            spoken = list(islice(waves, len(own)))
        limited = replace(part.job, settings=room.of(each, job.settings))
        with part.alone(resources), word_timer(part.request, limited, resources) as timer:
            heard = timer.listen(own, iter(spoken), lambda again: next(speak_plan([again]))) if timer else iter(spoken)
            result = Spoken.of(whole_speech(own, heard, options), each.prepared, part.request, each.output_format)
            part.answer = hand_over(part.request, result, limited, part.result_id, folders, timer)
        room.take(each)


def _answer(request: ItemsRequest, parts: Iterable[_Part], job: Job, job_id: str) -> dict[str, Any]:
    answers, left = list[dict[str, Any]](), iter(parts)
    for item in request.items:
        own = item.request.answer() if isinstance(item.request, InputError) else next(left).answer
        assert own is not None
        answers.append({"id": item.id, **own})
    failed = sum("error" in answer for answer in answers)
    refresh = any(answer.pop("refresh_worker", False) for answer in answers)
    return {
        "items": answers,
        "completed": len(answers) - failed,
        "failed": failed,
        "duration": round(sum(answer.get("duration", 0.0) for answer in answers), 6),
        "status": "completed",
        "job_id": job_id,
        "timings": {"model_load": job.stages.rounded(("model_load",))["model_load"]},
        "warnings": job.warnings,
        **({"refresh_worker": True} if refresh else {}),
    }
