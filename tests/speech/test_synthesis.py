"""Synthesis: equal to upstream bit for bit, the same in every run and batch, with exact times."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from f5_worker.audio.samples import Samples
from f5_worker.audio.silence import remove_long_silences, speech_level
from f5_worker.errors import InputError, JobStopped, SynthesisError
from f5_worker.job.request import TtsRequest
from f5_worker.mel import HOP_LENGTH, SAMPLE_RATE
from f5_worker.model.load import LoadedModel, load_model
from f5_worker.settings import Settings, load_settings
from f5_worker.speech.join import Joiner, Speech, join, whole_speech
from f5_worker.speech.plan import MODEL_SECONDS, ChunkPlan, DurationRule, Passage, SpeechOptions, chunk_seed, plan_chunks
from f5_worker.speech.synthesis import synthesise
from f5_worker.text.reading import Reading
from f5_worker.voice.builtin import builtin_voice
from f5_worker.voice.clip import read_reference
from f5_worker.voice.reference import Reference
from tests import PATIENCE

REF_TEXT = "Some call me nature, others call me mother nature. "
LONG_TEXT = (
    "I don't really care what you call me. I've been a silent spectator, watching species evolve, empires rise and fall. "
    "But always remember, I am mighty and enduring. Respect me and I'll nurture you; ignore me and you shall face the "
    "consequences. The rivers that you dammed will find another way, and the forests that you cleared will grow again."
)


def go_on() -> None:
    """The check of a job that nobody stops."""


@pytest.fixture(scope="module")
def reference() -> Reference:
    """The built-in voice, processed."""
    return read_reference(builtin_voice(), Settings())


@pytest.fixture(scope="module")
def demo_model() -> LoadedModel:
    """A model that speaks."""
    return load_model(load_settings({"F5TTS_MODEL": "demo", "F5TTS_DEVICE": "cpu"}))


def of_length(reference: Reference, seconds: float) -> Reference:
    """The clip repeated or cut to that length."""
    return replace(reference, samples=np.resize(reference.samples, int(seconds * SAMPLE_RATE)).astype(np.float32))


def as_loud(reference: Reference, volume: float) -> Reference:
    """The clip with its samples multiplied by ``volume``."""
    return replace(reference, samples=(reference.samples * volume).astype(np.float32))


def options_of(seed: int, **fields: Any) -> SpeechOptions:
    """The options of a job with these fields."""
    return SpeechOptions.of(TtsRequest(text="Any.", **fields), seed)


def plan_text(text: str, reference: Reference, options: SpeechOptions) -> Sequence[ChunkPlan]:
    """A text of one paragraph."""
    return plan_chunks([Passage(Reading(text), reference)], options)


def speak_plan(
    model: LoadedModel, plan: Sequence[ChunkPlan], options: SpeechOptions, batch_frames: int | None = None
) -> Speech:
    return whole_speech(plan, synthesise(model, plan, options, go_on, batch_frames), options)


def speak(model: LoadedModel, reference: Reference, text: str, options: SpeechOptions) -> tuple[Samples, tuple[Any, ...]]:
    speech = speak_plan(model, plan_text(text, reference, options), options)
    return speech.samples, speech.chunks


PARITY: Mapping[str, tuple[str, dict[str, Any], float]] = {
    "defaults": ("Hello there, this is a test of the system.", {}, 1.0),
    "short text": ("Hi.", {"nfe_step": 7}, 1.0),
    "Chinese, unguided": ("你好，世界。How are you?", {"cfg_strength": 0.0, "nfe_step": 5}, 1.0),
    "under target_rms": ("With its pauses it is quieter, without them louder.", {"nfe_step": 16}, 0.7),
    "quiet reference": ("A quiet reference is made louder for the model.", {"nfe_step": 16}, 0.05),
    "fixed length": ("Short, of a fixed length.", {"fix_duration": 8.0, "nfe_step": 4, "sway_sampling_coef": 0.5}, 1.0),
}
"""Cases by name: the text, the options, and how loud the reference is."""


@pytest.fixture(scope="module")
def stock(smoke_folder: Path, reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Samples]:
    """What the unchanged f5-tts makes of each case, in a process of its own."""
    folder = tmp_path_factory.mktemp("stock")
    jobs = []
    for number, (text, options, volume) in enumerate(PARITY.values()):
        clip = str(folder / f"{number}.wav")
        soundfile.write(clip, as_loud(reference, volume).samples, SAMPLE_RATE, subtype="FLOAT")
        jobs.append({"reference": clip, "ref_text": REF_TEXT, "text": text, "seed": 42, "options": options})
    request = folder / "request.json"
    request.write_text(json.dumps({"model_folder": str(smoke_folder), "jobs": jobs}), encoding="utf-8")
    script = Path(__file__).parents[1] / "support" / "stock_f5tts.py"
    subprocess.run([sys.executable, str(script), str(request), str(folder)], check=True, capture_output=True, timeout=PATIENCE)
    return {name: np.load(folder / f"{number}.npy") for number, name in enumerate(PARITY)}


@pytest.mark.parametrize("case", PARITY)
def test_one_chunk_equals_stock_bit_for_bit(
    case: str, stock: Mapping[str, Samples], smoke_model: LoadedModel, reference: Reference
) -> None:
    text, options, volume = PARITY[case]
    ours, chunks = speak(smoke_model, as_loud(reference, volume), text, options_of(42, **options))
    assert len(chunks) == 1
    if volume > 0.5:
        np.testing.assert_array_equal(ours, stock[case])
    else:
        np.testing.assert_allclose(ours / np.abs(ours).max(), stock[case] / np.abs(stock[case]).max(), atol=1e-5)


@pytest.mark.parametrize("volume", [0.3, 0.03, 0.003])
@pytest.mark.parametrize("target_rms", [0.1, 0.05])
def test_a_quiet_voice_speaks_at_target_rms(
    demo_model: LoadedModel, reference: Reference, volume: float, target_rms: float
) -> None:
    options = options_of(1, nfe_step=2, target_rms=target_rms)
    samples, _ = speak(demo_model, as_loud(reference, volume), "Hello there, my friend.", options)
    assert speech_level(samples, SAMPLE_RATE) == pytest.approx(target_rms, rel=0.05)


class TestDeterminism:
    def test_many_chunks_are_the_same_in_every_run(self, smoke_model: LoadedModel, reference: Reference) -> None:
        options = options_of(7, nfe_step=3)
        first, chunks = speak(smoke_model, reference, LONG_TEXT, options)
        assert len(chunks) > 1
        for _ in range(3):
            again, _ = speak(smoke_model, reference, LONG_TEXT, options)
            np.testing.assert_array_equal(again, first)

    def test_another_seed_gives_another_result(self, smoke_model: LoadedModel, reference: Reference) -> None:
        first, _ = speak(smoke_model, reference, "Hello there, my friend.", options_of(1, nfe_step=2))
        other, _ = speak(smoke_model, reference, "Hello there, my friend.", options_of(2, nfe_step=2))
        assert np.abs(first - other).max() > 1e-3

    def test_the_text_has_an_effect(self, smoke_model: LoadedModel, reference: Reference) -> None:
        first, _ = speak(smoke_model, reference, "Hello there, my friend.", options_of(1, nfe_step=2))
        other, _ = speak(smoke_model, reference, "Jello there, my friend.", options_of(1, nfe_step=2))
        assert first.shape == other.shape
        assert not np.array_equal(first, other)

    @pytest.mark.parametrize("batch_frames", [1_500, 4_000, 1_000_000])
    def test_a_batch_equals_one_by_one(self, smoke_model: LoadedModel, reference: Reference, batch_frames: int) -> None:
        options = options_of(3, nfe_step=8)
        plan = [
            ChunkPlan(Reading(text), reference, 470 + frames, chunk_seed(3, index))
            for index, (text, frames) in enumerate(
                [("Hello there my friend.", 180), ("This one is much longer than the others.", 301), ("A third.", 97)]
            )
        ]
        singles = speak_plan(smoke_model, plan, options, batch_frames=0)
        together = speak_plan(smoke_model, plan, options, batch_frames=batch_frames)
        assert together.chunks == singles.chunks
        np.testing.assert_allclose(together.samples, singles.samples, atol=1e-4 * np.abs(singles.samples).max())

    def test_a_batch_of_several_voices_equals_one_by_one(self, smoke_model: LoadedModel, reference: Reference) -> None:
        options = options_of(3, nfe_step=8)
        voices = [reference, as_loud(of_length(reference, 3.0), 0.1), of_length(reference, 7.0)]
        plan = [
            ChunkPlan(
                Reading(f"Voice number {index}."),
                voice,
                len(voice.samples) // HOP_LENGTH + 100 + 40 * index,
                chunk_seed(3, index),
            )
            for index, voice in enumerate(voices)
        ]
        singles = list(synthesise(smoke_model, plan, options, go_on, batch_frames=0))
        together = list(synthesise(smoke_model, plan, options, go_on, batch_frames=1_000_000))
        for alone, in_batch, item in zip(singles, together, plan, strict=True):
            np.testing.assert_allclose(in_batch, alone, atol=1e-4 * np.abs(alone).max())
            np.testing.assert_array_equal(alone, next(iter(synthesise(smoke_model, [item], options, go_on))))

    def test_a_finished_chunk_can_be_used_before_the_next_is_begun(
        self, smoke_model: LoadedModel, reference: Reference
    ) -> None:
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        options = options_of(7, nfe_step=3)
        plan = plan_text(LONG_TEXT, reference, options)
        waves = synthesise(smoke_model, plan, options, count)
        seen = []
        for _ in plan:
            next(waves)
            seen.append(steps)
        assert seen == [4 * number for number in range(1, len(plan) + 1)]  # a check for the batch, and one for each step

    def test_seeds_of_chunks_differ_and_the_first_is_the_jobs_own(self) -> None:
        seeds = [chunk_seed(42, index) for index in range(200)]
        assert seeds[0] == 42
        assert len(set(seeds)) == 200
        assert all(0 <= seed < 2**31 for seed in seeds)
        assert seeds[1:] != [chunk_seed(43, index) for index in range(1, 200)]


class TestPlan:
    def test_reference_and_chunk_stay_under_what_the_model_was_trained_on(self, reference: Reference) -> None:
        for seconds in (1.0, 5.0, 12.0, 15.0):
            clip = of_length(reference, seconds)
            for speed in (0.25, 1.0, 4.0):
                plan = plan_text(LONG_TEXT, clip, options_of(0, speed=speed))
                assert all(item.frames * HOP_LENGTH / SAMPLE_RATE <= MODEL_SECONDS for item in plan)
                assert "".join(item.text for item in plan).replace(" ", "") == LONG_TEXT.replace(" ", "")

    @pytest.mark.parametrize("fix_duration", [0.5, 4.9])
    def test_fix_duration_must_leave_room_for_speech(self, reference: Reference, fix_duration: float) -> None:
        with pytest.raises(InputError, match=r"fix_duration=.*at most 30 s") as caught:
            plan_text("Hello.", reference, options_of(0, fix_duration=fix_duration))
        assert caught.value.details["field"] == "fix_duration"

    def test_fix_duration_is_for_one_chunk(self, reference: Reference) -> None:
        with pytest.raises(InputError, match="one chunk only"):
            plan_text(LONG_TEXT * 3, reference, options_of(0, fix_duration=20.0))

    def test_fix_duration_is_the_length_of_reference_and_speech(self, smoke_model: LoadedModel, reference: Reference) -> None:
        samples, _ = speak(smoke_model, reference, "Hello.", options_of(0, nfe_step=1, fix_duration=8.0))
        assert abs((len(samples) + len(reference.samples)) / SAMPLE_RATE - 8.0) < 2 * HOP_LENGTH / SAMPLE_RATE

    def test_short_texts_obey_speed_and_the_tenth_byte_makes_none_shorter(self, reference: Reference) -> None:
        def frames(text: str, **fields: Any) -> int:
            (item,) = plan_text(text, reference, options_of(0, **fields))
            return item.frames - len(reference.samples) // HOP_LENGTH

        lengths = [frames("abcdefghijklmnop"[:count]) for count in range(1, 17)]
        assert lengths == sorted(lengths)
        assert lengths[9] == lengths[8]
        for speed in (0.5, 2.0):
            assert frames("Hi.", speed=speed) == pytest.approx(lengths[2] / speed, abs=2)

    @given(
        st.sampled_from(["abcdé .,", "абвг .,", "你好，。"]), st.integers(4, 300), st.sampled_from([0.7, 1.0, 1.3]), st.data()
    )
    def test_within_a_script_the_rule_is_upstreams(self, letters: str, size: int, speed: float, data: st.DataObject) -> None:
        ref_text = letters[0] + data.draw(st.text(letters, min_size=20, max_size=60)) + "."
        text = letters[0] + data.draw(st.text(letters, min_size=10, max_size=20))
        clip = Reference(np.zeros(size * HOP_LENGTH, np.float32), ref_text, "any", clipped=False, content_id="")
        rule = DurationRule(clip, speed)
        upstream = int(size / len(f"{ref_text} ".encode()) * len(text.encode()) / speed)
        assert rule.frames(text) == upstream

    def test_passages_keep_their_voice_pause_speed_and_seed(self, reference: Reference) -> None:
        other = of_length(reference, 4.0)
        first = Passage(Reading(LONG_TEXT), reference)
        second = Passage(Reading("And now I speak."), other, "anna", paragraph=False, pause=0.3, speed=2.0, seed=99)
        plan = plan_chunks([first, second, replace(second, speed=1.0)], options_of(7))
        *of_first, of_second, slower = plan
        assert [item.paragraph for item in plan] == [True] + [False] * (len(plan) - 1)
        assert [item.pause for item in of_first] == [None] * len(of_first)
        assert (of_second.voice, of_second.pause, of_second.reference) == ("anna", 0.3, other)
        assert (of_second.seed, slower.seed) == (99, chunk_seed(99, 1))  # a voice counts its own chunks
        of_clip = len(other.samples) // HOP_LENGTH
        assert slower.frames - of_clip == pytest.approx(2 * (of_second.frames - of_clip), abs=1)


class TestPauses:
    @pytest.mark.parametrize("remove_silence", [False, True])
    def test_a_pause_is_exactly_as_long_as_asked(
        self, smoke_model: LoadedModel, reference: Reference, remove_silence: bool
    ) -> None:
        options = options_of(7, nfe_step=1, remove_silence=remove_silence)
        paragraphs = [
            Passage(Reading(f"Paragraph {number}."), reference, pause=1.75 if number else None) for number in range(3)
        ]
        speech = speak_plan(smoke_model, plan_chunks(paragraphs, options), options)
        for before, after in pairwise(speech.chunks):
            start, end = (round(time * SAMPLE_RATE) for time in (before.end, after.start))
            assert end - start == 1.75 * SAMPLE_RATE
            assert not speech.samples[start:end].any()
            assert speech.samples[start - 10 : start].any()
            assert speech.samples[end : end + 10].any()


class TestStop:
    @pytest.mark.parametrize("steps", [0, 1, 5])
    def test_a_stopped_job_ends_at_the_next_step(self, smoke_model: LoadedModel, reference: Reference, steps: int) -> None:
        calls = 0

        def stop() -> None:
            nonlocal calls
            calls += 1
            if calls > steps:
                raise JobStopped

        options = options_of(0, nfe_step=32)
        plan = plan_text(LONG_TEXT, reference, options)
        with pytest.raises(JobStopped):
            list(synthesise(smoke_model, plan, options, stop))
        assert calls == steps + 1

    def test_the_next_job_is_not_touched_by_a_stopped_one(self, smoke_model: LoadedModel, reference: Reference) -> None:
        options = options_of(5, nfe_step=4)
        before, _ = speak(smoke_model, reference, "Hello there, my friend.", options)
        self.test_a_stopped_job_ends_at_the_next_step(smoke_model, reference, 2)
        after, _ = speak(smoke_model, reference, "Hello there, my friend.", options)
        np.testing.assert_array_equal(after, before)


class TestFaults:
    def test_no_valid_sound_is_an_error(self, smoke_model: LoadedModel, reference: Reference) -> None:
        torch = smoke_model.engine.torch
        broken = replace(smoke_model, vocoder=_Decoder(lambda mel: torch.full((1, mel.shape[-1] * HOP_LENGTH), torch.nan)))
        options = options_of(0, nfe_step=1)
        plan = plan_text("Hello.", reference, options)
        with pytest.raises(SynthesisError, match="no valid sound"):
            speak_plan(broken, plan, options)

    def test_out_of_memory_falls_back_to_smaller_batches(
        self, smoke_model: LoadedModel, reference: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from f5_worker.speech import sampler, synthesis

        sizes: list[int] = []
        original = sampler.sample_mels

        def sample(engine: Any, transformer: Any, utterances: Any, *rest: Any) -> Any:
            sizes.append(len(utterances))
            if len(utterances) > 1:
                raise engine.torch.OutOfMemoryError("CUDA out of memory")
            return original(engine, transformer, utterances, *rest)

        options = options_of(9, nfe_step=2)
        plan = [
            ChunkPlan(Reading("Hello there my friend."), reference, 470 + frames, chunk_seed(9, frames))
            for frames in (100, 90, 80, 70)
        ]
        singles = speak_plan(smoke_model, plan, options, batch_frames=0)
        monkeypatch.setattr(synthesis, "sample_mels", sample)
        together = speak_plan(smoke_model, plan, options, batch_frames=1_000_000)
        assert sizes == [4, 2, 1, 1, 2, 1, 1]
        np.testing.assert_array_equal(together.samples, singles.samples)

    def test_out_of_memory_for_one_chunk_is_an_error_that_says_what_to_do(
        self, smoke_model: LoadedModel, reference: Reference, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from f5_worker.speech import synthesis

        def sample(engine: Any, *_: Any) -> Any:
            raise engine.torch.OutOfMemoryError("CUDA out of memory")

        monkeypatch.setattr(synthesis, "sample_mels", sample)
        with pytest.raises(SynthesisError, match="GPU memory ran out while one chunk was spoken; choose"):
            speak(smoke_model, reference, "Hello.", options_of(0))


class _Decoder:
    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self.decode = decode

    def state_dict(self) -> dict[str, Any]:
        return {}  # no weight of it is at fault


class TestJoin:
    @given(st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 500))
    def test_spans_are_where_the_chunks_are(self, lengths: list[int], cross_fade: int) -> None:
        waves = [np.full(length, index + 1, dtype=np.float32) for index, length in enumerate(lengths)]
        joined, spans = join(waves, cross_fade)
        assert joined.dtype == np.float32
        assert spans[0][0] == 0
        assert spans[-1][1] == len(joined) == max(end for _, end in spans)
        for wave, (start, end) in zip(waves, spans, strict=True):
            assert end - start == len(wave)
        for index, ((_, end), (start, _)) in enumerate(pairwise(spans)):
            assert 0 <= end - start <= min(cross_fade, lengths[index], lengths[index + 1])

    @given(
        st.lists(st.tuples(st.integers(1, 400), st.none() | st.integers(0, 300)), min_size=1, max_size=6), st.integers(0, 500)
    )
    def test_a_pause_is_zeros_between_whole_waves(self, parts: list[tuple[int, int | None]], cross_fade: int) -> None:
        waves = [np.ones(length, dtype=np.float32) for length, _ in parts]
        joined, spans = join(waves, cross_fade, [pause for _, pause in parts])
        at = 0
        for (_, pause), (start, end) in zip(parts, spans, strict=True):
            if pause is not None:
                assert start - at == pause
                assert not joined[at:start].any()
            np.testing.assert_allclose(joined[start:end], 1.0, atol=1e-6)
            at = end
        assert at == len(joined)

    def test_cross_fade_is_linear_and_keeps_a_constant(self) -> None:
        wave = np.ones(1000, dtype=np.float32)
        joined, spans = join([wave, wave], 100)
        assert spans == [(0, 1000), (900, 1900)]
        np.testing.assert_allclose(joined, 1.0, atol=1e-6)

    def test_equals_upstreams_formula(self) -> None:
        rng = np.random.default_rng(0)
        waves = [rng.standard_normal(5000).astype(np.float32) for _ in range(3)]
        expected = waves[0]
        for wave in waves[1:]:
            fade_out, fade_in = np.linspace(1, 0, 600), np.linspace(0, 1, 600)
            overlap = expected[-600:] * fade_out + wave[:600] * fade_in
            expected = np.concatenate([expected[:-600], overlap, wave[600:]])
        joined, _ = join(waves, 600)
        np.testing.assert_allclose(joined, expected, atol=1e-6)


class TestJoiner:
    @given(st.lists(st.integers(0, 400), min_size=1, max_size=8), st.integers(0, 500))
    def test_what_is_given_out_is_the_whole_and_final(self, lengths: list[int], cross_fade: int) -> None:
        rng = np.random.default_rng(0)
        waves = [rng.standard_normal(length).astype(np.float32) for length in lengths]
        joiner = Joiner(cross_fade)
        parts = [joiner.add(wave) for wave in waves]
        whole, spans = join(waves, cross_fade)
        np.testing.assert_array_equal(np.concatenate([*parts, joiner.finish()]), whole)
        assert joiner.spans == spans
        for count in range(1, len(waves)):
            given_out = np.concatenate(parts[:count])
            np.testing.assert_array_equal(given_out, whole[: len(given_out)])
            assert len(given_out) >= spans[count - 1][1] - cross_fade


class TestRemoveSilence:
    @pytest.mark.parametrize("level", [1.0, 0.1, 0.01])
    def test_long_silences_are_shortened_and_times_move_along(self, level: float) -> None:
        tone = np.sin(np.arange(SAMPLE_RATE) / 20).astype(np.float32) * np.float32(level)
        silence = np.resize(tone, 3 * SAMPLE_RATE) * np.float32(0.01)
        samples = np.concatenate([silence, tone, silence, tone, silence])
        spans = [(0, 4 * SAMPLE_RATE), (4 * SAMPLE_RATE, len(samples))]
        shorter, moved = remove_long_silences(samples, spans)
        assert len(shorter) / SAMPLE_RATE == pytest.approx(0.5 + 1 + 1 + 1 + 0.5, abs=0.05)
        assert moved[0][0] == 0
        assert moved[0][1] == moved[1][0]
        assert moved[1][1] == len(shorter)
        assert moved[0][1] / SAMPLE_RATE == pytest.approx(1.5, abs=0.03)

    def test_short_pauses_stay(self) -> None:
        tone = np.sin(np.arange(SAMPLE_RATE) / 20).astype(np.float32) * 0.3
        samples = np.concatenate([tone, np.zeros(int(0.9 * SAMPLE_RATE), dtype=np.float32), tone])
        shorter, moved = remove_long_silences(samples, [(0, len(samples))])
        np.testing.assert_array_equal(shorter, samples)
        assert moved == [(0, len(samples))]

    def test_silence_alone_stays_as_it_is(self) -> None:
        samples = np.zeros(5 * SAMPLE_RATE, dtype=np.float32)
        shorter, moved = remove_long_silences(samples, [(0, len(samples))])
        assert len(shorter) == len(samples)
        assert moved == [(0, len(samples))]
