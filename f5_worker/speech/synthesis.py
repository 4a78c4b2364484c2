"""From a reference, a text and a loaded model to a waveform with exact chunk times; pure computation, no I/O."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from f5_worker import log
from f5_worker.audio.samples import Samples, Span
from f5_worker.audio.silence import remove_long_silences
from f5_worker.errors import InputError, SynthesisError
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.model.load import LoadedModel
from f5_worker.runtime.device import gpu_faults
from f5_worker.speech.batching import frames_that_fit, plan_batches
from f5_worker.speech.sampler import Guidance, Utterance, sample_mels
from f5_worker.text.split import split_text

MODEL_SECONDS = 30.0
# Upstream fills 22 of the model's 30 s (infer_process, ``max_chars``); speech near the end of the training length gets worse.
TARGET_SECONDS = 22.0
MIN_CHUNK_SECONDS = 10.0
SHORT_TEXT_BYTES = 10
SHORT_TEXT_SPEED = 0.3


@dataclass(frozen=True, slots=True)
class SpeechOptions:
    """How to speak; names, meanings and defaults as in F5-TTS. Times are seconds."""

    seed: int
    speed: float = 1.0
    nfe_step: int = 32
    cfg_strength: float = 2.0
    sway_sampling_coef: float = -1.0
    target_rms: float = 0.1
    cross_fade_duration: float = 0.15
    fix_duration: float | None = None
    remove_silence: bool = False


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """One chunk of text, the frames of mel that reference and chunk fill together, and the seed of its noise."""

    text: str
    frames: int
    seed: int


@dataclass(frozen=True, slots=True)
class SpokenChunk:
    """A chunk and where it is heard in the result, in seconds. Neighbours overlap by the cross-fade."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Speech:
    """The result: float32 mono ``samples`` ``[n]``, which may exceed 1.0, and the chunks in it."""

    samples: Samples
    sample_rate: int
    chunks: tuple[SpokenChunk, ...]

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


def plan_chunks(text: str, reference: Samples, ref_text: str, options: SpeechOptions) -> tuple[ChunkPlan, ...]:
    """Split ``text``, and give each chunk its length by F5's duration rule (``infer_batch_process`` in its utils_infer.py).

    The rule takes the reference's speed of speech, in UTF-8 bytes a second, for the chunk too; fewer than 10 bytes are spoken
    at 0.3 of it. Reference and chunk together stay under the model's 30 s.

    Args:
        text: what to speak, cleaned (``text.clean_text``).
        reference: the processed clip, float32 mono at 24 kHz, ``[n]``.
        ref_text: its transcript with the ending that ``reference.py`` gives it.

    Raises:
        InputError: when ``fix_duration`` is not longer than the reference, or the text needs more than one chunk with it.
    """
    ref_frames = len(reference) // HOP_LENGTH
    ref_seconds = len(reference) / SAMPLE_RATE
    frames_per_byte = ref_frames / len(spoken_ref_text(ref_text).encode())

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
        return (ChunkPlan(text=text, frames=total, seed=options.seed),)
    chunks = split_text(text, lambda chunk: frames(chunk) * HOP_LENGTH / SAMPLE_RATE, limit)
    return tuple(
        ChunkPlan(text=chunk, frames=ref_frames + frames(chunk), seed=chunk_seed(options.seed, index))
        for index, chunk in enumerate(chunks)
    )


def spoken_ref_text(ref_text: str) -> str:
    """The transcript as the model reads it before a chunk: upstream adds a space after a last ASCII character, even a space."""
    return f"{ref_text} " if ref_text[-1].isascii() else ref_text


def chunk_seed(seed: int, index: int) -> int:
    """The seed of chunk ``index``: the job's own for the first, so that one chunk equals upstream; then derived from both."""
    if index == 0:
        return seed
    digest = hashlib.sha256(f"{seed}:{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def synthesise(
    model: LoadedModel,
    plan: Sequence[ChunkPlan],
    reference: Samples,
    ref_text: str,
    options: SpeechOptions,
    check_stopped: Callable[[], None],
    batch_frames: int | None = None,
) -> Speech:
    """Speak the planned chunks in the voice of ``reference``.

    One chunk equals ``F5TTS.infer`` of f5-tts with the same seed, checkpoint and processed reference, bit for bit.

    Args:
        reference: float32 mono at 24 kHz, ``[n]``.
        check_stopped: called before every ODE step and chunk; raises JobStopped to end the work.
        batch_frames: how many frames of mel may go through the DiT at once; by default what suits device and free memory.

    Raises:
        SynthesisError: when the model runs out of memory or makes something that is not a sound.
        CudaBrokenError: when the CUDA context cannot be used any more.
    """
    torch = model.engine.torch
    mend = "choose a GPU with at least 8 GB, and run nothing else on it."
    with gpu_faults(torch, "while one chunk was spoken", mend), torch.inference_mode():
        waves = _waves(model, plan, reference, ref_text, options, check_stopped, batch_frames)
    samples, spans = join(waves, int(options.cross_fade_duration * SAMPLE_RATE))
    if not len(samples) or not np.isfinite(samples).all():
        raise SynthesisError(
            "The model made no valid sound from this input; try another reference clip or seed, or cfg_strength nearer 2."
        )
    if options.remove_silence:
        samples, spans = remove_long_silences(samples, spans)
    chunks = tuple(
        SpokenChunk(item.text, start / SAMPLE_RATE, end / SAMPLE_RATE) for item, (start, end) in zip(plan, spans, strict=True)
    )
    return Speech(samples=samples, sample_rate=SAMPLE_RATE, chunks=chunks)


def _waves(
    model: LoadedModel,
    plan: Sequence[ChunkPlan],
    reference: Samples,
    ref_text: str,
    options: SpeechOptions,
    check_stopped: Callable[[], None],
    batch_frames: int | None,
) -> list[Samples]:
    engine, torch = model.engine, model.engine.torch
    audio = torch.from_numpy(reference).unsqueeze(0)
    rms = torch.sqrt(torch.mean(torch.square(audio)))
    quiet = bool(rms < options.target_rms)
    if quiet:
        audio = audio * options.target_rms / rms
    reference_mel = model.cfm.mel_spec(audio.to(model.device)).permute(0, 2, 1)[0].to(model.dtype)
    ref_frames = len(reference) // HOP_LENGTH
    guidance = Guidance(options.nfe_step, options.cfg_strength, options.sway_sampling_coef)
    utterances = [_utterance(model, item, ref_text) for item in plan]

    def wave(mel: Any) -> Samples:
        spoken = mel.to(torch.float32)[ref_frames:].T.unsqueeze(0)
        decoded = model.vocoder.decode(spoken)
        if quiet:
            decoded = decoded * rms.to(decoded.device) / options.target_rms
        samples: Samples = decoded.squeeze().cpu().numpy()
        return samples

    mels: list[Any] = [None] * len(plan)
    batches = plan_batches([item.frames for item in plan], _batch_frames(model) if batch_frames is None else batch_frames)
    while batches:
        check_stopped()
        batch = batches.pop(0)
        try:
            sampled = sample_mels(
                engine, model.cfm.transformer, reference_mel, [utterances[index] for index in batch], guidance, check_stopped
            )
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            torch.cuda.empty_cache()
            log.warn(f"GPU memory does not suffice for {len(batch)} chunks at once; going on with fewer")
            middle = len(batch) // 2
            batches = [batch[:middle], batch[middle:], *batches]
            continue
        for index, mel in zip(batch, sampled, strict=True):
            mels[index] = mel
    return [wave(mel) for mel in mels]


def _batch_frames(model: LoadedModel) -> int:
    """On the CPU one chunk at a time is fastest: it is never idle, and a batch only adds padding and masks."""
    torch = model.engine.torch
    if model.device == "cpu" or not hasattr(model.cfm.transformer, "transformer_blocks"):
        return 0
    free, _ = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return frames_that_fit(free + reserved, model.cfm.transformer.dim, model.dtype.itemsize)


def _utterance(model: LoadedModel, item: ChunkPlan, ref_text: str) -> Utterance:
    characters = model.engine.convert_char_to_pinyin([spoken_ref_text(ref_text) + item.text])
    tokens = model.engine.list_str_to_idx(characters, model.vocab)[0]
    return Utterance(tokens=tokens, frames=item.frames, seed=item.seed)


def join(waves: Sequence[Samples], cross_fade: int) -> tuple[Samples, list[Span]]:
    """Join chunks with a linear cross-fade of ``cross_fade`` samples, as ``infer_batch_process`` does, without its copies.

    Returns:
        The joined samples and, for each chunk, where it starts and ends in them.
    """
    spans: list[Span] = []
    end = 0
    for wave in waves:
        overlap = min(cross_fade, end - spans[-1][0], len(wave)) if spans else 0
        spans.append((end - overlap, end - overlap + len(wave)))
        end = spans[-1][1]
    joined = np.zeros(end, dtype=np.float32)
    previous_end = 0
    for wave, (start, stop) in zip(waves, spans, strict=True):
        overlap = previous_end - start
        if overlap > 0:
            fade_out, fade_in = np.linspace(1, 0, overlap), np.linspace(0, 1, overlap)
            joined[start:previous_end] = joined[start:previous_end] * fade_out + wave[:overlap] * fade_in
        joined[previous_end:stop] = wave[max(overlap, 0) :]
        previous_end = stop
    return joined, spans
