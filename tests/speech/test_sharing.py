"""Several jobs in one batch: the same audio to rounding, fair turns, and what befalls one of them is its own."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.audio.samples import Samples
from f5_worker.errors import CudaBrokenError, JobStopped, SynthesisError
from f5_worker.job.context import Stop
from f5_worker.job.request import TtsRequest
from f5_worker.model.load import LoadedModel
from f5_worker.settings import Settings
from f5_worker.speech import join, sampler, synthesis
from f5_worker.speech.batching import plan_batches, share_batch
from f5_worker.speech.plan import ChunkPlan, SpeechOptions, chunk_seed
from f5_worker.speech.scheduler import Scheduler, SharedTurns
from f5_worker.speech.synthesis import synthesise
from f5_worker.text.reading import Reading
from f5_worker.voice.builtin import builtin_voice
from f5_worker.voice.clip import read_reference
from f5_worker.voice.reference import Reference
from tests import PATIENCE, wait_until

LARGEST_DIFFERENCE = 1e-4
"""Between a job alone and in company, as the README says."""


@pytest.fixture(scope="module")
def reference() -> Reference:
    """The built-in voice, processed."""
    return read_reference(builtin_voice(), Settings())


@dataclass
class Batches:
    """The seeds of each batch that the model was given."""

    seeds: list[list[int]] = field(default_factory=list)
    before: Callable[[Sequence[Any]], None] = lambda _: None

    @property
    def sizes(self) -> list[int]:
        return [len(seeds) for seeds in self.seeds]


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Batches:
    """As on a GPU with room for 6,000 frames."""
    noted, real = Batches(), sampler.sample_mels

    def sample(engine: Any, transformer: Any, utterances: Any, *rest: Any) -> Any:
        noted.seeds.append([item.seed for item in utterances])
        noted.before(utterances)
        return real(engine, transformer, utterances, *rest)

    monkeypatch.setattr(synthesis, "sample_mels", sample)
    monkeypatch.setattr(synthesis, "_batch_frames", lambda _model: 6_000)
    return noted


@dataclass
class Caller:
    """One job in a thread of its own."""

    model: LoadedModel
    plan: Sequence[ChunkPlan]
    nfe_step: int = 4
    streamed: bool = False
    shared: bool = True
    stop: Stop = field(default_factory=Stop)
    waves: list[Samples] = field(default_factory=list)
    error: Exception | None = None

    def turns(self) -> synthesis.Synthesis:
        fields: dict[str, Any] = {"text": "Any.", "nfe_step": self.nfe_step}
        options = SpeechOptions.of(TtsRequest(**fields), 0)
        check = self.stop.check
        return synthesise(self.model, self.plan, options, check, streamed=self.streamed, shared=self.shared)

    def alone(self) -> list[Samples]:
        return list(self.turns())

    def run(self, scheduler: Scheduler) -> None:
        try:
            turns: SharedTurns[Samples] = self.turns()
            self.waves.extend(scheduler.stream(turns, self.stop))
        except Exception as error:  # noqa: BLE001 - told to the test
            self.error = error


def together(callers: Sequence[Caller]) -> None:
    """Run jobs that all wait when the model becomes free."""
    scheduler, free = Scheduler(), threading.Event()
    scheduler_is_held = threading.Thread(target=scheduler.run, args=(lambda: free.wait(PATIENCE), Stop()))
    threads = [scheduler_is_held, *(threading.Thread(target=caller.run, args=(scheduler,)) for caller in callers)]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: scheduler._thread is not None and len(scheduler._waiting) == number)  # type: ignore[misc]
    free.set()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def chunks(reference: Reference, seed: int, frames: Sequence[int]) -> list[ChunkPlan]:
    """A plan of chunks of these lengths behind the reference."""
    return [
        ChunkPlan(Reading(f"Chunk {at} of job {seed}, said."), reference, 470 + more, chunk_seed(seed, at))
        for at, more in enumerate(frames)
    ]


def assert_same(got: Sequence[Samples], wanted: Sequence[Samples], largest: float) -> None:
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=largest)


def test_in_company_the_audio_is_the_same_to_rounding(smoke_model: LoadedModel, reference: Reference, batches: Batches) -> None:
    callers = [
        Caller(smoke_model, chunks(reference, 1, [60, 300, 120, 250, 90, 180])),
        Caller(smoke_model, chunks(reference, 2, [200])),
        Caller(smoke_model, chunks(reference, 3, [50, 70]), shared=False),
        Caller(smoke_model, chunks(reference, 4, [80]), nfe_step=5),
    ]
    alone = [caller.alone() for caller in callers]
    seeds_alone = batches.seeds[:]
    batches.seeds.clear()
    together(callers)
    assert any({1, 2} <= set(seeds) for seeds in batches.seeds)  # first chunks have their job's seed
    for caller, waves in zip(callers, alone, strict=True):
        assert caller.error is None
        assert_same(caller.waves, waves, LARGEST_DIFFERENCE)
    assert_same(callers[2].waves, alone[2], 0.0)
    assert [seeds for seeds in seeds_alone if 3 in seeds] == [seeds for seeds in batches.seeds if 3 in seeds]
    assert [4] in batches.seeds  # with steps of its own


def test_a_long_text_does_not_starve_a_short_one_and_the_first_of_a_stream_goes_first(
    smoke_model: LoadedModel, reference: Reference, batches: Batches
) -> None:
    long = Caller(smoke_model, chunks(reference, 1, [400] * 30), nfe_step=1)
    others = [Caller(smoke_model, chunks(reference, seed, [100, 100]), nfe_step=1) for seed in (2, 3)]
    streams = [Caller(smoke_model, chunks(reference, seed, [50, 200]), nfe_step=1, streamed=True) for seed in (5, 6)]
    together([long, *others, *streams])
    assert batches.seeds[0] == [5, 6]
    assert {1, 2, 3} < set(batches.seeds[1])
    last = {seed: max(at for at, seeds in enumerate(batches.seeds) if chunk_seed(seed, 1) in seeds) for seed in (2, 3, 5, 6)}
    assert max(last.values()) <= 3
    assert sum(batches.sizes) == 38
    assert max(batches.sizes) <= 6_000 // 870 + 4  # short ones beside


def test_a_stop_in_a_shared_batch_is_one_jobs_own(smoke_model: LoadedModel, reference: Reference, batches: Batches) -> None:
    stopped, other = (Caller(smoke_model, chunks(reference, seed, [80, 90]), nfe_step=8) for seed in (1, 2))
    alone = other.alone()
    batches.seeds.clear()
    left = threading.Event()

    def stop(_: object) -> None:
        if not stopped.stop.is_set():
            stopped.stop.set()
            wait_until(lambda: stopped.error is not None)  # it does not wait for the others
            left.set()

    batches.before = stop
    together([stopped, other])
    assert left.is_set()
    assert isinstance(stopped.error, JobStopped)
    assert stopped.waves == []
    assert_same(other.waves, alone, LARGEST_DIFFERENCE)
    assert batches.sizes[0] == 4


def test_when_all_of_a_batch_are_stopped_the_model_is_free_at_the_next_step(
    smoke_model: LoadedModel, reference: Reference, batches: Batches
) -> None:
    callers = [Caller(smoke_model, chunks(reference, seed, [80]), nfe_step=64) for seed in (1, 2)]
    transformer, steps = smoke_model.cfm.transformer, list[int]()
    hook = transformer.register_forward_pre_hook(lambda *_: steps.append(1))

    def stop_all(_: object) -> None:
        for caller in callers:
            caller.stop.set()

    batches.before = stop_all
    try:
        together(callers)
    finally:
        hook.remove()
    assert [type(caller.error) for caller in callers] == [JobStopped, JobStopped]
    assert steps == []


@pytest.mark.parametrize(
    ("raised", "told", "sizes"),
    [
        ("OutOfMemoryError: CUDA out of memory", None, [3, 1, 2, 1, 1]),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate", None, [3, 1, 2, 1, 1]),
        ("AcceleratorError: CUDA error: out of memory", None, [3, 1, 2, 1, 1]),
        ("AcceleratorError: CUDA error: device-side assert triggered", CudaBrokenError, [3]),
        ("AcceleratorError: CUDA error: uncorrectable ECC error encountered", CudaBrokenError, [3]),
        ("RuntimeError: CUDA error: an illegal memory access was encountered", CudaBrokenError, [3]),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", CudaBrokenError, [3]),
        ("RuntimeError: CUDA driver error: unknown error", CudaBrokenError, [3]),
        ("RuntimeError: The size of tensor a must match the size of tensor b", RuntimeError, [3]),
    ],
)
def test_what_a_gpu_raises(
    smoke_model: LoadedModel,
    reference: Reference,
    batches: Batches,
    raised: str,
    told: type[Exception] | None,
    sizes: list[int],
) -> None:
    import torch

    callers = [Caller(smoke_model, chunks(reference, seed, [80] * count), nfe_step=1) for seed, count in ((1, 1), (2, 2))]
    alone = [caller.alone() for caller in callers]
    batches.seeds.clear()
    kind, _, text = raised.partition(": ")

    def fail(utterances: Sequence[Any]) -> None:
        if len(utterances) > 1:
            raise getattr(torch, kind, RuntimeError)(text)

    batches.before = fail
    together(callers)
    assert batches.sizes == sizes
    assert [caller.error and type(caller.error) for caller in callers] == [told] * 2
    if told is CudaBrokenError:
        assert [getattr(caller.error, "refresh_worker", None) for caller in callers] == [True, True]
        assert callers[0].error is not callers[1].error  # each thread raises its own
    if told is None:
        assert [len(caller.waves) for caller in callers] == [1, 2]
        for caller, waves in zip(callers, alone, strict=True):
            assert_same(caller.waves, waves, LARGEST_DIFFERENCE)


def test_memory_that_never_suffices_and_sound_that_is_none_fail_their_own_job_alone(
    smoke_model: LoadedModel, reference: Reference, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    real = synthesis._wave

    def wave(model: Any, utterance: Any, mel: Any) -> Any:
        if utterance.seed == 2:
            raise SynthesisError(join.NO_SOUND)
        return real(model, utterance, mel)

    def fail(utterances: Sequence[Any]) -> None:
        if any(item.seed == 1 for item in utterances):
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(synthesis, "_wave", wave)
    batches.before = fail
    callers = [Caller(smoke_model, chunks(reference, seed, [80, 60]), nfe_step=1) for seed in (1, 2, 3)]
    together(callers)
    assert ["GPU memory" in str(caller.error) for caller in callers] == [True, False, False]
    assert ["no valid sound" in str(caller.error) for caller in callers] == [False, True, False]
    assert [len(caller.waves) for caller in callers] == [0, 0, 2]


def test_a_first_turn_waits_a_moment_for_a_job_that_has_begun_and_no_longer(
    smoke_model: LoadedModel, reference: Reference, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    from f5_worker.speech import scheduler as module

    monkeypatch.setattr(module, "COMPANY_SECONDS", PATIENCE)
    scheduler, late = Scheduler(), Caller(smoke_model, chunks(reference, 2, [60]), nfe_step=1)
    first = Caller(smoke_model, chunks(reference, 1, [80]), nfe_step=1)
    with scheduler.coming(late.stop):
        thread = threading.Thread(target=first.run, args=(scheduler,))
        thread.start()
        wait_until(lambda: len(scheduler._waiting) == 1)
        late.run(scheduler)
    thread.join(PATIENCE)
    assert batches.seeds == [[1, 2]]
    with scheduler.coming(Stop()):
        monkeypatch.setattr(module, "COMPANY_SECONDS", 0.005)
        Caller(smoke_model, chunks(reference, 4, [60]), nfe_step=1).run(scheduler)
    assert batches.seeds[1:] == [[4]]


@given(st.lists(st.lists(st.integers(1, 3000), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(0, 20_000))
def test_a_batch_is_shared_by_turns_and_within_the_budget(offers: list[list[int]], budget: int) -> None:
    counts = share_batch(offers, budget)
    taken = [frames for offer, count in zip(offers, counts, strict=True) for frames in offer[:count]]
    assert counts[0] >= 1
    assert len(taken) == 1 or max(taken) * len(taken) <= budget
    own = plan_batches(offers[0], budget)[0]
    assert share_batch([[offers[0][at] for at in own]], budget) == [len(own)]  # alone, nothing changes
