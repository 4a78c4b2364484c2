"""What will be spoken and how long each piece of it will be; decided before any model work."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f5_worker.errors import InputError
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.text.split import SHORT_TEXT_BYTES, split_text
from f5_worker.voice.reference import Reference

if TYPE_CHECKING:
    from f5_worker.job.request import TtsRequest

MODEL_SECONDS = 30.0
# Upstream fills 22 of the model's 30 s (infer_process, ``max_chars``); speech near the end of the training length gets worse.
TARGET_SECONDS = 22.0
MIN_CHUNK_SECONDS = 10.0
SHORT_TEXT_SPEED = 0.3


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to speak, in F5-TTS's names and meanings. Times are seconds."""

    seed: int
    speed: float
    nfe_step: int
    cfg_strength: float
    sway_sampling_coef: float
    target_rms: float
    cross_fade_duration: float
    fix_duration: float | None
    remove_silence: bool

    @classmethod
    def of(cls, request: "TtsRequest", seed: int) -> "SpeechOptions":
        """Those of a request, whose own seed may be absent."""
        return cls(
            seed=seed,
            speed=request.speed,
            nfe_step=request.nfe_step,
            cfg_strength=request.cfg_strength,
            sway_sampling_coef=request.sway_sampling_coef,
            target_rms=request.target_rms,
            cross_fade_duration=request.cross_fade_duration,
            fix_duration=request.fix_duration,
            remove_silence=request.remove_silence,
        )


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPlan:
    """One chunk of text, its voice, the frames of mel that reference and chunk fill together, and the seed of its noise."""

    text: str
    reference: Reference
    frames: int
    seed: int


def plan_chunks(text: str, reference: Reference, options: SpeechOptions) -> Sequence[ChunkPlan]:
    """Split ``text``, and give each chunk its length by F5's duration rule (``infer_batch_process`` in its utils_infer.py).

    The rule takes the reference's speed of speech, in UTF-8 bytes a second, for the chunk too; fewer than 10 bytes are spoken
    at 0.3 of it. Reference and chunk together stay under the model's 30 s.

    Args:
        text: what to speak, cleaned (``clean_text``).
        reference: with its transcript.

    Raises:
        InputError: when ``fix_duration`` is not longer than the reference, or the text needs more than one chunk with it.
    """
    ref_frames = len(reference.samples) // HOP_LENGTH
    ref_seconds = len(reference.samples) / SAMPLE_RATE
    frames_per_byte = ref_frames / len(spoken_ref_text(reference).encode())

    def frames(chunk: str) -> int:
        size = len(chunk.encode())
        speed = SHORT_TEXT_SPEED if size < SHORT_TEXT_BYTES else options.speed
        return int(frames_per_byte * size / speed)

    room = MODEL_SECONDS - ref_seconds
    limit = min(room, max(TARGET_SECONDS - ref_seconds, MIN_CHUNK_SECONDS))
    if options.fix_duration is not None:
        if not ref_seconds < options.fix_duration <= MODEL_SECONDS:
            raise InputError(
                f"fix_duration={options.fix_duration:g} is the length of reference and speech together: it must exceed the "
                f"reference's {ref_seconds:.1f} s and at most {MODEL_SECONDS:g} s.",
                field="fix_duration",
                value=options.fix_duration,
            )
        if frames(text) * HOP_LENGTH / SAMPLE_RATE > room:
            raise InputError(
                "fix_duration works for one chunk only, and this text needs more than one; shorten the text or leave it out.",
                field="fix_duration",
                value=options.fix_duration,
            )
        total = int(options.fix_duration * SAMPLE_RATE / HOP_LENGTH)
        return (ChunkPlan(text, reference, total, options.seed),)
    chunks = split_text(text, lambda chunk: frames(chunk) * HOP_LENGTH / SAMPLE_RATE, limit)
    return tuple(
        ChunkPlan(chunk, reference, ref_frames + frames(chunk), chunk_seed(options.seed, index))
        for index, chunk in enumerate(chunks)
    )


def planned_seconds(plan: Sequence[ChunkPlan]) -> float:
    """How long the speech will be, give or take a cross-fade."""
    return sum(item.frames * HOP_LENGTH / SAMPLE_RATE - item.reference.duration for item in plan)


def spoken_ref_text(reference: Reference) -> str:
    """The transcript as the model reads it before a chunk: upstream adds a space after a last ASCII character, even a space."""
    text = reference.ref_text
    assert text, "a reference without a transcript cannot be spoken with"
    return f"{text} " if text[-1].isascii() else text


def chunk_seed(seed: int, index: int) -> int:
    """The seed of chunk ``index``: the job's own for the first, so that one chunk equals upstream; then derived from both."""
    if index == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
