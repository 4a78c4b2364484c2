"""From a plan and a loaded model to the waves of its chunks, one after the other, and to the whole; no I/O."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from f5_worker import log
from f5_worker.audio.samples import Span
from f5_worker.audio.silence import remove_long_silences, speech_level
from f5_worker.errors import SynthesisError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.model.damage import check_finite
from f5_worker.model.load import LoadedModel
from f5_worker.runtime.device import gpu_faults
from f5_worker.speech.batching import frames_that_fit, plan_batches, plan_stream_batches
from f5_worker.speech.join import Joiner
from f5_worker.speech.plan import SHORT_TEXT_BYTES, ChunkPlan, SpeechOptions, spoken_ref_text
from f5_worker.speech.sampler import Guidance, ReferenceMel, Utterance, sample_mels
from f5_worker.voice.reference import Reference

if TYPE_CHECKING:
    from torch import Tensor

    from f5_worker.audio.samples import Samples

T = TypeVar("T")

NO_SOUND = "The model made no valid sound from this input; try another reference clip or seed, or cfg_strength nearer 2."
_MOST_GAIN = 4.0  # the model follows a reference at target_rms; what is much quieter is no speech
_FIX = "choose a GPU with at least 8 GB, and run nothing else on it."


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """A chunk and where it is heard in the result, in seconds. Neighbours overlap by the cross-fade, or a pause is between."""

    plan: ChunkPlan
    start: float
    end: float

    @property
    def text(self) -> str:
        """The caller's words, in one line."""
        return self.plan.text


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """The whole: float32 mono ``samples`` ``[n]``, which may exceed 1.0, and the chunks in it; ``duration`` in seconds."""

    samples: "Samples"
    sample_rate: int
    chunks: tuple[SpokenChunk, ...]

    @property
    def duration(self) -> float:
        return len(self.samples) / self.sample_rate


def synthesise(
    model: LoadedModel,
    plan: Sequence[ChunkPlan],
    options: SpeechOptions,
    check_stopped: Callable[[], None],
    batch_frames: int | None = None,
    streamed: bool = False,
) -> "Iterator[Samples]":
    """The wave of each planned chunk, in order, float32 mono at 24 kHz ``[n]``, each given out once its batch is done.

    One chunk equals ``F5TTS.infer`` of f5-tts with the same seed, checkpoint and processed reference, bit for bit. The model
    may be in one iterator's hands at a time: what lies between two waves is one turn of the ``Scheduler``.

    Args:
        check_stopped: called before every ODE step and batch; raises JobStopped to end the work.
        batch_frames: how many frames of mel may go through the DiT at once; by default what suits device and free memory.
        streamed: the first chunk comes as early as can be, and no wave exceeds 1.0, since what has been heard cannot be turned
            down with what comes after it.

    Raises:
        SynthesisError: when the model runs out of memory or makes something that is not a sound.
        CudaBrokenError: when the CUDA context cannot be used any more.
    """
    guidance = Guidance(options.nfe_step, options.cfg_strength, options.sway_sampling_coef)
    early: dict[int, Samples] = {}  # finished before the chunks in front of them
    due = 0
    with _model_errors():
        utterances = _utterances(model, plan, options.target_rms)
        budget = _batch_frames(model) if batch_frames is None else batch_frames
    batches = (plan_stream_batches if streamed else plan_batches)([item.frames for item in plan], budget)
    while batches:
        check_stopped()
        batch = batches.pop(0)
        # Never across a yield: both guards belong to a thread, on which other jobs take their turns in between.
        with _model_errors():
            waves = _speak_batch(model, [utterances[index] for index in batch], guidance, check_stopped)
        if waves is None:
            log.warn(f"GPU memory does not suffice for {len(batch)} chunks at once; going on with fewer")
            middle = len(batch) // 2
            batches = [batch[:middle], batch[middle:], *batches]
            continue
        early.update(zip(batch, waves, strict=True))
        while due in early:
            wave = early.pop(due)
            yield wave / max(np.float32(1.0), np.abs(wave).max(initial=0.0)) if streamed else wave
            due += 1


@contextmanager
def _model_errors() -> Iterator[None]:
    """What surrounds every use of the model: no gradients are kept, and torch's errors become ours."""
    import torch

    with gpu_faults(torch, "while one chunk was spoken", _FIX), torch.inference_mode():
        yield


def _speak_batch(
    model: LoadedModel, utterances: Sequence[Utterance], guidance: Guidance, check_stopped: Callable[[], None]
) -> "list[Samples] | None":
    """The waves of a batch, or ``None`` when memory does not suffice for that many at once."""
    import torch

    try:
        mels = sample_mels(model.engine, model.cfm.transformer, utterances, guidance, check_stopped)
    except torch.OutOfMemoryError:
        if len(utterances) == 1:
            raise
        torch.cuda.empty_cache()
        return None
    return [_wave(model, item, mel) for item, mel in zip(utterances, mels, strict=True)]


def _wave(model: LoadedModel, utterance: Utterance, mel: "Tensor") -> "Samples":
    import torch

    # As upstream: the mel of a clip has a frame more than its samples fill, and that one is spoken with the chunk.
    spoken = mel.to(torch.float32)[len(utterance.reference.mel) - 1 :].T.unsqueeze(0)
    samples: Samples = utterance.reference.level(model.vocoder.decode(spoken)).squeeze().cpu().numpy()
    if not np.isfinite(samples).all():
        check_finite(model.cfm, model.vocoder)
        raise SynthesisError(NO_SOUND)
    return samples if utterance.reference.loudness is None else _at_level(samples, utterance.reference.loudness)


def _at_level(samples: "Samples", loudness: float) -> "Samples":
    level = speech_level(samples, SAMPLE_RATE) or float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return samples * np.float32(min(loudness / level, _MOST_GAIN) if level else 1.0)


def _utterances(model: LoadedModel, plan: Sequence[ChunkPlan], target_rms: float) -> list[Utterance]:
    voices = dict.fromkeys(item.reference for item in plan)
    mels = {reference: _reference_mel(model, reference, target_rms) for reference in voices}
    return [_utterance(model, item, mels[item.reference]) for item in plan]


def _reference_mel(model: LoadedModel, reference: Reference, target_rms: float) -> ReferenceMel:
    """The voice at ``target_rms`` where it is quieter, as ``infer_batch_process`` brings it there.

    Upstream makes the result as quiet as the clip was. Here that is so only where the clip's speech, without its pauses, is at
    ``target_rms``; quieter speech comes out at it.
    """
    import torch

    audio = torch.from_numpy(reference.samples).unsqueeze(0)
    rms = torch.sqrt(torch.mean(torch.square(audio)))
    raised = bool(rms < target_rms)
    quiet = raised and speech_level(reference.samples, SAMPLE_RATE) < target_rms
    if raised:
        audio = audio * target_rms / rms
    mel = model.cfm.mel_spec(audio.to(model.device)).permute(0, 2, 1)[0].to(model.dtype)
    return ReferenceMel(mel, (rms, target_rms) if raised and not quiet else None, target_rms if quiet else None)


def _utterance(model: LoadedModel, item: ChunkPlan, reference: ReferenceMel) -> Utterance:
    characters = model.vocabulary.tokens(spoken_ref_text(item.reference) + item.spoken)
    tokens = model.engine.list_str_to_idx([characters], model.vocab)[0]
    return Utterance(tokens, _frames(model, item, len(tokens), len(reference.mel)), item.seed, reference)


def _frames(model: LoadedModel, item: ChunkPlan, tokens: int, ref_frames: int) -> int:
    """Those that were planned; but a model that spreads the whole text evenly over all frames speaks short texts, too, at the
    reference's pace: where the rule slows them down, it would say the end of the reference's text again."""
    text_embed = getattr(model.cfm.transformer, "text_embed", None)
    if not getattr(text_embed, "average_upsampling", False) or len(item.spoken.encode()) >= SHORT_TEXT_BYTES:
        return item.frames
    ref_tokens = len(model.vocabulary.tokens(spoken_ref_text(item.reference)))
    return min(item.frames, ref_frames * tokens // ref_tokens)


def _batch_frames(model: LoadedModel) -> int:
    """On the CPU one chunk at a time is fastest: it is never idle, and a batch only adds padding and masks."""
    if model.device == "cpu" or not hasattr(model.cfm.transformer, "transformer_blocks"):
        return 0
    import torch

    free, _ = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return frames_that_fit(free + reserved, model.cfm.transformer.dim, model.dtype.itemsize)


def whole_speech(plan: Sequence[ChunkPlan], waves: "Iterable[Samples]", options: SpeechOptions) -> Speech:
    """The waves of a plan's chunks as one, with the time of each.

    Raises:
        SynthesisError: when nothing can be heard.
    """
    return result_of(speech_in_parts(plan, waves, options))


def speech_in_parts(
    plan: Sequence[ChunkPlan], waves: "Iterable[Samples]", options: SpeechOptions
) -> "Generator[Samples, None, Speech]":
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
            yield part
    samples, spans = np.concatenate(parts), joiner.spans
    if not len(samples):
        raise SynthesisError(NO_SOUND)
    if options.remove_silence:
        samples, spans = _without_long_silences(samples, spans, pauses)
        for start, end in pairwise([0, *(start for start, _ in spans[1:]), len(samples)]):
            yield samples[start:end]
    chunks = tuple(
        SpokenChunk(item, start / SAMPLE_RATE, end / SAMPLE_RATE) for item, (start, end) in zip(plan, spans, strict=True)
    )
    return Speech(samples, SAMPLE_RATE, chunks)


def result_of(work: Generator[object, None, T]) -> T:
    """What a generator returns at its end."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


def _without_long_silences(
    samples: "Samples", spans: Sequence[Span], pauses: Sequence[int | None]
) -> "tuple[Samples, list[Span]]":
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
