"""From the waves of single chunks to one: a cross-fade or a silence at each seam, and the exact place of each chunk."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import TypeVar

import numpy as np

from f5_worker.audio.samples import Samples, Span
from f5_worker.audio.silence import remove_long_silences
from f5_worker.errors import SynthesisError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.speech.plan import ChunkPlan, SpeechOptions

T = TypeVar("T")

NO_SOUND = "The model made no valid sound from this input; try another reference clip or seed, or cfg_strength nearer 2."


class Joiner:
    """Takes waves (float32 ``[n]``) in their order and gives out what no later wave will touch.

    The fade is that of upstream's ``infer_batch_process``: neighbours overlap by ``cross_fade`` samples, or as far as the
    shorter of them reaches. Where there is a pause, nothing fades. All that was given out, one behind the other, is the whole;
    ``spans`` says where each wave starts and ends in it, in samples.
    """

    def __init__(self, cross_fade: int) -> None:
        self.spans: list[Span] = []
        self._cross_fade = cross_fade
        self._held: Samples = np.zeros(0, dtype=np.float32)  # the end of what has come, which the next wave may fade into

    def add(self, wave: Samples, pause: int | None = None) -> Samples:
        """Take the next wave, and the samples of silence before it, if any; returns what is final with it."""
        overlap = min(len(self._held), len(wave)) if pause is None else 0
        end = self.spans[-1][1] if self.spans else 0
        start = end - overlap + (pause or 0)
        self.spans.append((start, start + len(wave)))
        kept, faded = self._held[: len(self._held) - overlap], self._held[len(self._held) - overlap :]
        if overlap:
            faded = (faded * np.linspace(1, 0, overlap) + wave[:overlap] * np.linspace(0, 1, overlap)).astype(np.float32)
        joined = np.concatenate([kept, faded, np.zeros(pause or 0, dtype=np.float32), wave[overlap:]])
        final = len(joined) - min(self._cross_fade, len(wave))
        self._held = joined[final:]
        return joined[:final]

    def finish(self, silence: int = 0) -> Samples:
        """The rest, when no wave comes any more, and the samples of silence after it."""
        rest, self._held = self._held, self._held[:0]
        return np.concatenate([rest, np.zeros(silence, dtype=np.float32)])


def join(
    waves: Iterable[Samples], cross_fade: int, pauses: Iterable[int | None] = repeat(None), silence_after: int = 0
) -> tuple[Samples, list[Span]]:
    """The whole, and where each wave starts and ends in it."""
    joiner = Joiner(cross_fade)
    parts = [joiner.add(wave, pause) for wave, pause in zip(waves, pauses, strict=False)]
    return np.concatenate([*parts, joiner.finish(silence_after)]), joiner.spans


def without_long_silences(samples: Samples, spans: Sequence[Span], pauses: Sequence[int | None]) -> tuple[Samples, list[Span]]:
    """``remove_long_silences`` from the speech between two pauses; those were asked for, and stay."""
    parts, moved, at, end = [], list[Span](), 0, 0
    starts = [index for index, pause in enumerate(pauses) if index == 0 or pause is not None]
    for first, after in pairwise([*starts, len(pauses)]):
        start = spans[first][0]
        gap = samples[end:start]
        end = spans[after - 1][1]
        part, own = remove_long_silences(samples[start:end], [(low - start, high - start) for low, high in spans[first:after]])
        parts += [gap, part]
        moved += [(at + len(gap) + low, at + len(gap) + high) for low, high in own]
        at += len(gap) + len(part)
    return np.concatenate([*parts, samples[end:]]), moved


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """A chunk and where it is heard in the result, in seconds. Neighbours overlap by the cross-fade, or a pause is between."""

    plan: ChunkPlan
    start: float
    end: float

    @classmethod
    def at(cls, plan: ChunkPlan, span: Span) -> "SpokenChunk":
        """Of a span in samples."""
        return cls(plan, span[0] / SAMPLE_RATE, span[1] / SAMPLE_RATE)

    @property
    def text(self) -> str:
        """The caller's words, in one line."""
        return self.plan.text


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """The whole: float32 mono ``samples`` ``[n]``, which may exceed 1.0, and the chunks in it; ``duration`` in seconds."""

    samples: Samples
    sample_rate: int
    chunks: tuple[SpokenChunk, ...]

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate


def whole_speech(plan: Sequence[ChunkPlan], waves: Iterable[Samples], options: SpeechOptions) -> Speech:
    """The waves of a plan's chunks as one, with the time of each.

    Raises:
        SynthesisError: when nothing can be heard.
    """
    return result_of(speech_in_parts(plan, waves, options))


def speech_in_parts(
    plan: Sequence[ChunkPlan], waves: Iterable[Samples], options: SpeechOptions
) -> Generator[tuple[Samples, SpokenChunk], None, Speech]:
    """What is final of the whole with each chunk, and at last the whole: its samples are all of these, one behind the other.

    With ``remove_silence``, which needs the whole, all parts come at the end.

    Raises:
        SynthesisError: when nothing can be heard.
    """
    pauses = [None if item.pause is None else round(item.pause * SAMPLE_RATE) for item in plan]
    joiner = Joiner(int(options.cross_fade_duration * SAMPLE_RATE))
    parts: list[Samples] = []
    for item, wave, pause in zip(plan, waves, pauses, strict=True):
        part = joiner.add(wave, pause)
        if item is plan[-1]:
            part = np.concatenate([part, joiner.finish(round(item.silence_after * SAMPLE_RATE))])
        parts.append(part)
        if not options.remove_silence:
            yield part, SpokenChunk.at(item, joiner.spans[-1])
    samples, spans = np.concatenate(parts), joiner.spans
    if not len(samples):
        raise SynthesisError(NO_SOUND)
    if options.remove_silence:
        samples, spans = without_long_silences(samples, spans, pauses)
    chunks = tuple(map(SpokenChunk.at, plan, spans))
    if options.remove_silence:
        for chunk, (start, end) in zip(chunks, pairwise([0, *(start for start, _ in spans[1:]), len(samples)]), strict=True):
            yield samples[start:end], chunk
    return Speech(samples, SAMPLE_RATE, chunks)


def result_of(work: Generator[object, None, T]) -> T:
    """What a generator returns at its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result
