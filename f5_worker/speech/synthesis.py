"""From a plan and a loaded model to the waves of its chunks, one after the other; no I/O."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from f5_worker import log
from f5_worker.audio.silence import at_speech_level
from f5_worker.errors import JobStopped, SynthesisError, WorkerError
from f5_worker.mel import SAMPLE_RATE
from f5_worker.model.damage import check_finite
from f5_worker.model.load import LoadedModel
from f5_worker.runtime.device import gpu_faults, memory_is_full
from f5_worker.speech.batching import frames_that_fit, plan_batches, plan_stream_batches, share_batch
from f5_worker.speech.join import NO_SOUND
from f5_worker.speech.plan import ChunkPlan, SpeechOptions
from f5_worker.speech.sampler import Guidance, Utterance, sample_mels
from f5_worker.speech.scheduler import SharedTurns
from f5_worker.speech.utterances import utterances_of

if TYPE_CHECKING:
    from torch import Tensor

    from f5_worker.audio.samples import Samples

_FIX = "choose a GPU with at least 8 GB, run nothing else on it, or send shorter sentences: chunks end with them."


def synthesise(
    model: LoadedModel,
    plan: Sequence[ChunkPlan],
    options: SpeechOptions,
    check_stopped: Callable[[], None],
    batch_frames: int | None = None,
    streamed: bool = False,
    *,
    shared: bool = True,
    advance: Callable[[float], None] = lambda _: None,
) -> "Synthesis":
    """The wave of each planned chunk, in order, float32 mono at 24 kHz ``[n]``, each given out once its batch is done.

    One chunk equals ``F5TTS.infer`` of f5-tts with the same seed, checkpoint and processed reference, bit for bit; in a batch
    it differs from that by rounding. The same job alone makes the same batches. The model may be in one thread's hands at a
    time: either the ``Scheduler`` takes all turns, or whoever iterates does.

    Args:
        check_stopped: called before every ODE step and batch; raises JobStopped to end the work.
        batch_frames: how many frames of mel may go through the DiT at once; by default what suits device and free memory.
        streamed: the first chunk comes as early as can be, and no wave exceeds 1.0, since what has been heard cannot be turned
            down with what comes after it.
        shared: chunks of other jobs may be in the same batches.
        advance: told of every step, as the number of chunks that it makes.

    Raises:
        SynthesisError: when the model runs out of memory or makes something that is not a sound.
        CudaBrokenError: when the CUDA context cannot be used any more.
    """
    guidance = Guidance(options.nfe_step, options.cfg_strength, options.sway_sampling_coef)
    return Synthesis(model, plan, options.target_rms, guidance, check_stopped, batch_frames, streamed, shared, advance)


@dataclass(eq=False)
class Synthesis(SharedTurns["Samples"], Iterator["Samples"]):
    """One job's chunks on their way through the model; see ``synthesise``."""

    _model: LoadedModel
    _plan: Sequence[ChunkPlan]
    _target_rms: float
    _guidance: Guidance
    _check_stopped: Callable[[], None]
    _budget: int | None
    _streamed: bool
    _shared: bool
    _advance: Callable[[float], None]

    def __post_init__(self) -> None:
        self.key = (id(self._model), self._guidance) if self._shared else None
        self._utterances: list[Utterance] = []
        self._left = list(range(len(self._plan)))  # not spoken yet
        self._early: dict[int, Samples] = {}  # finished before the chunks in front of them
        self._due = 0
        self._had_part = False
        self._error: Exception | None = None

    def __next__(self) -> "Samples":
        while self._due not in self._early:
            if self._due == len(self._plan):
                raise StopIteration
            self.take_turn([])
            if self._error is not None:
                raise self._error
        return self._give_out()

    @property
    def urgent(self) -> bool:
        """A stream of which nothing can be heard yet."""
        return self._streamed and self._due == 0

    def take_turn(self, company: "Sequence[Synthesis]") -> None:
        """Speak a batch; with company, what there is room for of everybody's own next ones."""
        works = [self, *company]
        for work in works:
            with _failing([work]):
                work._prepare()
        works = [work for work in works if work._error is None]
        waiting: list[list[tuple[Synthesis, int]]] = []
        with _failing(works):
            budget = _batch_frames(self._model) if self._budget is None else self._budget
            offers = [work._next_batch(budget) for work in works]
            lengths = [[work._plan[at].frames for at in offer] for work, offer in zip(works, offers, strict=True)]
            parts = zip(works, offers, share_batch(lengths, budget), strict=True)
            waiting = [[(work, at) for work, offer, count in parts for at in offer[:count]]]
        while waiting:
            rows = [(work, at) for work, at in waiting.pop(0) if work._error is None]
            if rows and not _speak_together(rows):
                log.warn(f"There is too little GPU memory for {len(rows)} chunks at once; going on with fewer")
                middle = len(rows) // 2
                waiting = [rows[:middle], rows[middle:], *waiting]

    def taken(self) -> "tuple[list[Samples], bool] | None":
        """What the turn made, as far as nothing in front of it is missing."""
        if self._error is not None:
            raise self._error
        if not self._had_part:
            return None
        self._had_part = False
        given = []
        while self._due in self._early:
            given.append(self._give_out())
        return given, self._due == len(self._plan)

    def speak(self, rows: "Sequence[tuple[Synthesis, int]]") -> None:
        """Speak chunks of this job and others, each by its index in its job's plan."""
        counts = Counter(work for work, _ in rows)
        utterances = [work._utterances[at] for work, at in rows]

        def step() -> None:
            for work, count in counts.items():
                work._step(count)
            if all(work._error is not None for work in counts):
                raise JobStopped

        step()
        mels = sample_mels(self._model.engine, self._model.cfm.transformer, utterances, self._guidance, step)
        for (work, at), utterance, mel in zip(rows, utterances, mels, strict=True):
            try:
                work._early[at] = _wave(self._model, utterance, mel)
            except SynthesisError as error:
                work.fail(error)
            work._left.remove(at)
            work._had_part = True

    def fail(self, error: Exception) -> None:
        """What ``taken`` raises, unless something has failed before."""
        self._error = self._error or error

    def _prepare(self) -> None:
        if not self._utterances:
            self._utterances = utterances_of(self._model, self._plan, self._target_rms)

    def _next_batch(self, budget: int) -> list[int]:
        """The indices of the chunks that would be next if there were no company."""
        frames = [item.frames for item in self._plan]
        if self._streamed:
            return plan_stream_batches(frames, budget, self._left[0])[0]
        return [self._left[at] for at in plan_batches([frames[at] for at in self._left], budget)[0]]

    def _step(self, count: int) -> None:
        if self._error is not None:
            return
        try:
            self._check_stopped()
        except JobStopped as stopped:
            self.fail(stopped)
        self._advance(count / (self._guidance.nfe_step + 1))

    def _give_out(self) -> "Samples":
        wave = self._early.pop(self._due)
        self._due += 1
        return wave / max(np.float32(1.0), np.abs(wave).max(initial=0.0)) if self._streamed else wave


@contextmanager
def _failing(works: Sequence[Synthesis]) -> Iterator[None]:
    """Surrounds every use of the model: no gradients are kept, torch's errors become ours, and all ``works`` fail of them."""
    import torch

    try:
        with gpu_faults("while one chunk was spoken", _FIX), torch.inference_mode():
            yield
    except Exception as error:  # noqa: BLE001 - raised in the threads of those who fail
        for work in works:
            work.fail(error.again() if isinstance(error, WorkerError) else error)


def _speak_together(rows: "Sequence[tuple[Synthesis, int]]") -> bool:
    """Whether memory sufficed for that many at once; for one alone, it is that one's failure if not."""
    import torch

    with _failing([work for work, _ in rows]):
        try:
            rows[0][0].speak(rows)
        except RuntimeError as error:
            if len(rows) == 1 or not memory_is_full(error):
                raise
            torch.cuda.empty_cache()
            return False
    return True


def _wave(model: LoadedModel, utterance: Utterance, mel: "Tensor") -> "Samples":
    import torch

    # As upstream: the mel of a clip has a frame more than its samples fill, and that one is spoken with the chunk.
    spoken = mel.to(torch.float32)[len(utterance.reference.mel) - 1 :].T.unsqueeze(0)
    samples: Samples = utterance.reference.level(model.vocoder.decode(spoken)).squeeze().cpu().numpy()
    if not np.isfinite(samples).all():
        check_finite(model.cfm, model.vocoder)
        raise SynthesisError(NO_SOUND)
    loudness = utterance.reference.loudness
    return samples if loudness is None else at_speech_level(samples, SAMPLE_RATE, loudness)


def _batch_frames(model: LoadedModel) -> int:
    """On the CPU one chunk at a time is fastest: it is never idle, and a batch only adds padding and masks."""
    if model.device == "cpu" or not hasattr(model.cfm.transformer, "transformer_blocks"):
        return 0
    import torch

    free, _ = torch.cuda.mem_get_info()
    reserved = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return frames_that_fit(free + reserved, model.cfm.transformer.dim, model.dtype.itemsize)
