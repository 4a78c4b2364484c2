"""What an answer says about the speech itself, and how many bytes that leaves for files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from f5_worker import log
from f5_worker.job.answer import answer_limit
from f5_worker.job.context import Job
from f5_worker.job.request import TtsRequest
from f5_worker.settings import Settings
from f5_worker.speech.join import Speech, SpokenChunk
from f5_worker.speech.plan import ChunkPlan
from f5_worker.stages import JOB_STAGES, in_words
from f5_worker.voice.reference import Reference

_FIXED_BYTES = 2_000  # of an answer, beside what grows with its text
_CHUNK_BYTES = 150
_WORD_BYTES = 110


def inline_room(plans: Iterable[tuple[TtsRequest, Sequence[ChunkPlan]]], settings: Settings) -> int:
    """How many bytes of files, before base64, the answer holds beside what it says about these requests and their chunks."""
    left = answer_limit(settings) - sum(_beside_files(request, plan) for request, plan in plans)
    return max(0, min(settings.max_inline_bytes, left * 3 // 4))


def with_room(job: Job, request: TtsRequest, plan: Sequence[ChunkPlan]) -> Job:
    """The job with ``inline_room`` as its limit."""
    return replace(job, settings=replace(job.settings, max_inline_bytes=inline_room([(request, plan)], job.settings)))


def _beside_files(request: TtsRequest, plan: Sequence[ChunkPlan]) -> int:
    texts = [request.text, *(text for item in plan for text in (item.text, item.spoken))]
    transcripts = [reference.ref_text or "" for reference in {item.reference for item in plan}]
    size = _FIXED_BYTES + _CHUNK_BYTES * len(plan) + sum(map(_json_bytes, [*texts, *transcripts, *transcripts]))
    if request.return_word_timings:
        from f5_worker.text.reading import Reading
        from f5_worker.timing.words import words_of

        size += _WORD_BYTES * len(words_of(Reading(request.text))) + _json_bytes(request.text)
    return size


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode())


def about_speech(request: TtsRequest, speech: Speech, seed: int, voices: Mapping[str, Reference], job: Job) -> dict[str, Any]:
    """The answer's fields about the speech itself; those about the file come from its delivery."""
    references = {name: _about_reference(reference) for name, reference in voices.items()}
    timings = job.stages.rounded(JOB_STAGES)
    log.info(f"Spoke {len(speech.chunks)} chunks, {speech.duration:.1f} s, in {in_words(timings)}")
    return {
        "text": request.text,
        "duration": round(speech.duration, 6),
        "seed": seed,
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
