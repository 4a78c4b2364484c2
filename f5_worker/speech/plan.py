"""What will be spoken and how long each piece of it will be; decided before any model work."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from f5_worker.errors import InputError
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.text.clean import in_one_line
from f5_worker.text.length import speech_units, spoken_bytes
from f5_worker.text.reading import Reading
from f5_worker.text.split import split_off_start, split_reading
from f5_worker.voice.reference import Reference

if TYPE_CHECKING:
    from f5_worker.job.request import TtsRequest

MODEL_SECONDS = 30.0
# Upstream fills 22 of the model's 30 s (infer_process, ``max_chars``); speech near the end of the training length gets worse.
TARGET_SECONDS = 22.0
MIN_CHUNK_SECONDS = 10.0
SHORT_TEXT_BYTES = 10
FIRST_SECONDS = 3.0
"""Of the first chunk of a stream."""


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
class Passage:
    """What one voice says without a break that was asked for: a paragraph, or a turn in it.

    ``voice`` is its name where several speak. ``pause`` is the silence before it in seconds; ``None`` cross-fades. So is
    ``silence_after``, at the end of all. ``speed`` and ``seed`` are the job's unless the voice has its own.
    """

    reading: Reading
    reference: Reference
    voice: str | None = None
    paragraph: bool = True
    pause: float | None = None
    speed: float | None = None
    seed: int | None = None
    silence_after: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class ChunkPlan:
    """One chunk of text, its voice, the frames of mel that reference and chunk fill together, and the seed of its noise.

    ``paragraph`` says that it begins one; the rest is as in ``Passage``, with the silences at its first and last chunk.
    """

    reading: Reading
    reference: Reference
    frames: int
    seed: int
    voice: str | None = None
    paragraph: bool = False
    pause: float | None = None
    silence_after: float = 0.0

    @property
    def text(self) -> str:
        """The caller's words, in one line."""
        return in_one_line(self.reading.text)

    @property
    def spoken(self) -> str:
        """What the model reads."""
        return self.reading.spoken


def plan_chunks(passages: Sequence[Passage], options: SpeechOptions, streamed: bool = False) -> Sequence[ChunkPlan]:
    """Split each passage, and give each chunk its length by F5's duration rule (``infer_batch_process`` in its utils_infer.py).

    The rule takes the reference's speed of speech for the chunk too, in UTF-8 bytes a second; here they are weighed by their
    script (``speech_units``). Less than 10 bytes take as long as 10: upstream speaks them at 0.3 of the speed instead, so that
    9 bytes take three times as long as 10. Reference and chunk together stay under the model's 30 s.

    Args:
        passages: at least one, whose references have their transcripts.
        streamed: keep the first chunk short, so that sound starts early.

    Raises:
        InputError: when ``fix_duration`` is not longer than the reference, or the text needs more than one chunk with it.
    """
    if options.fix_duration is not None:
        return (_of_fixed_duration(passages, options.fix_duration, options),)
    plan: list[ChunkPlan] = []
    for passage in passages:
        rule = DurationRule(passage.reference, passage.speed or options.speed)
        pieces = [passage.reading]
        if streamed and not plan:
            pieces = split_off_start(passage.reading, rule.seconds, FIRST_SECONDS)
        readings = [reading for piece in pieces for reading in split_reading(piece, rule.seconds, rule.limit)]
        for number, reading in enumerate(readings):
            first, last = number == 0, number == len(readings) - 1
            # A seed of a voice's own counts its own chunks: it speaks the same whatever others say in between.
            index = len(plan) if passage.seed is None else sum(chunk.voice == passage.voice for chunk in plan)
            plan.append(
                ChunkPlan(
                    reading,
                    passage.reference,
                    rule.ref_frames + rule.frames(reading.spoken),
                    chunk_seed(options.seed if passage.seed is None else passage.seed, index),
                    passage.voice,
                    paragraph=first and passage.paragraph,
                    pause=passage.pause if first else None,
                    silence_after=passage.silence_after if last else 0.0,
                )
            )
    return tuple(plan)


class DurationRule:
    """How long a reference's voice speaks at a speed, and how long one chunk may be."""

    def __init__(self, reference: Reference, speed: float) -> None:
        ref_text = spoken_ref_text(reference)
        self.ref_frames = len(reference.samples) // HOP_LENGTH
        self.room = MODEL_SECONDS - reference.duration
        self.limit = min(self.room, max(TARGET_SECONDS - reference.duration, MIN_CHUNK_SECONDS))
        self._ref_bytes, self._ref_units = spoken_bytes(ref_text), speech_units(ref_text)
        self._frames_per_byte = self.ref_frames / self._ref_bytes
        self._speed = speed
        self._least = min(int(self._frames_per_byte * SHORT_TEXT_BYTES / speed), int(self.limit * SAMPLE_RATE / HOP_LENGTH))

    def frames(self, text: str) -> int:
        """Of speech alone."""
        # In the reference's bytes; within one script the weights cancel, to the last bit.
        size = speech_units(text) * self._ref_bytes / self._ref_units
        return max(int(self._frames_per_byte * size / self._speed), self._least)

    def seconds(self, text: str) -> float:
        return self.frames(text) * HOP_LENGTH / SAMPLE_RATE


def _of_fixed_duration(passages: Sequence[Passage], seconds: float, options: SpeechOptions) -> ChunkPlan:
    passage = passages[0]
    reference = passage.reference
    if not reference.duration < seconds <= MODEL_SECONDS:
        raise InputError(
            f"fix_duration={seconds:g} is the length of reference and speech together: it must exceed the "
            f"reference's {reference.duration:.1f} s and at most {MODEL_SECONDS:g} s.",
            field="fix_duration",
            value=seconds,
        )
    rule = DurationRule(reference, passage.speed or options.speed)
    if len(passages) > 1 or rule.seconds(passage.reading.spoken) > rule.room:
        raise InputError(
            "fix_duration works for one chunk only, and this text needs more than one; shorten the text or leave it out.",
            field="fix_duration",
            value=seconds,
        )
    seed = options.seed if passage.seed is None else passage.seed
    total = int(seconds * SAMPLE_RATE / HOP_LENGTH)
    return ChunkPlan(
        passage.reading, reference, total, seed, passage.voice, passage.paragraph, passage.pause, passage.silence_after
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
