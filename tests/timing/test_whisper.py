"""The Whisper path: a real checkpoint on speech with known word times, and a random one for what must always hold."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pytest

from f5_worker.audio.codec import resample
from f5_worker.errors import SynthesisError
from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner
from f5_worker.timing.pauses import Pause, find_pauses
from f5_worker.timing.pocket import Pocket
from f5_worker.timing.whisper import WhisperAligner
from f5_worker.timing.words import words_of
from f5_worker.voice.transcriber import Transcriber
from tests.support.word_truth import Clip, recorded

RATE = 16_000
ALL = list(recorded())


@pytest.fixture(scope="module")
def aligner(whisper: Path) -> WhisperAligner:
    return WhisperAligner(Transcriber(str(whisper), "cpu", retry_seconds=0).pipeline())


@pytest.mark.parametrize("clip", ALL, ids=lambda clip: clip.text[:20])
def test_words_are_found_where_they_are_said(aligner: WhisperAligner, clip: Clip) -> None:
    words = words_of(Reading(clip.text))
    sound = resample(clip.samples, clip.rate, RATE)
    found = aligner.find(words, sound, find_pauses(sound, RATE), "en")
    assert len(found) == len(words)
    misses = [abs(item[0][0] - start) for item, (start, _) in zip(found, clip.spans, strict=True) if item is not None]
    assert len(misses) >= 0.9 * len(words)
    assert median(misses) < 0.12  # tiny.en is good to 0.05 s or so, and 65 ms late before it has learned that
    assert all(0 <= start < end <= len(sound) / RATE + 0.02 for (start, end), _ in filter(None, found))


def test_what_is_longer_than_its_window_is_refused(aligner: WhisperAligner) -> None:
    sound = resample(ALL[0].samples, ALL[0].rate, RATE)
    too_long = sound.repeat(int(30 * RATE / len(sound)) + 2)
    with pytest.raises(SynthesisError, match="30 s"):
        aligner.find(words_of(Reading(ALL[0].text)), too_long, [], "en")


def test_the_offset_is_learned_from_pauses(whisper: Path) -> None:
    sounds = [resample(clip.samples, clip.rate, RATE) for clip in ALL]
    sound = np.concatenate(sounds)
    starts, at = list[float](), 0.0
    for clip, own in zip(ALL, sounds, strict=True):
        starts += [at + start for start, _ in clip.spans]
        at += len(own) / RATE
    words = words_of(Reading(" ".join(clip.text for clip in ALL)))
    fresh = WhisperAligner(Transcriber(str(whisper), "cpu", retry_seconds=0).pipeline())
    assert fresh._offset == 0

    def misses(pauses: Sequence[Pause]) -> list[float]:
        """Of starts, in seconds, with their signs."""
        found = fresh.find(words, sound, pauses, "en")
        assert sum(item is None for item in found) <= 0.1 * len(words)
        return [item[0][0] - start for item, start in zip(found, starts, strict=True) if item is not None]

    late = misses([])  # without pauses there is nothing to learn
    assert fresh._offset == 0
    assert 0.05 <= median(late) <= 0.12  # measured: 88 ms
    misses(find_pauses(sound, RATE))
    assert 0.03 <= fresh._offset <= 0.15  # measured: 122 ms, of six pauses
    learned = misses([])
    assert abs(median(learned)) < 0.05
    assert median(map(abs, learned)) < median(map(abs, late))


# Random weights: what holds whatever the network hears


@pytest.fixture(scope="module")
def random(tiny_whisper: Path) -> WhisperAligner:
    """Multilingual, with room for 56 tokens."""
    return WhisperAligner(Transcriber(str(tiny_whisper), "cpu", retry_seconds=0).pipeline())


def sound_of(seconds: float) -> Any:
    return np.random.default_rng(1).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


TEXTS = {"zh": "你好，世界。", "de": "schöne Häuser --- 7 😀", "": "Привет, мир", "fr": "x"}


@pytest.mark.parametrize("seconds", [0.03, 1.0, 29.99])
@pytest.mark.parametrize("language", TEXTS)
def test_words_are_in_order_and_inside(random: WhisperAligner, language: str, seconds: float) -> None:
    words, sound = words_of(Reading(TEXTS[language])), sound_of(seconds)
    found = random.find(words, sound, find_pauses(sound, RATE), language)
    assert len(found) == len(words)
    spans = [item[0] for item in found if item]
    assert all(0 <= start < end <= seconds + 0.02 for start, end in spans)
    assert all(one[0] <= other[0] for one, other in pairwise(spans))
    assert all(0.01 <= chance <= 1 for _, chance in filter(None, found))
    assert not any(item and not word.sounds for word, item in zip(words, found, strict=True))


def test_the_decoder_is_told_the_language_and_the_words(random: WhisperAligner) -> None:
    words, sound = words_of(Reading(TEXTS["de"])), sound_of(1.0)
    token = random._tokenizer.convert_tokens_to_ids
    names = ["<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    prompt, tokens, owners = random._tokens(words, sound, "de")
    assert prompt == [token(name) for name in names]
    assert random._tokenizer.decode(tokens) == " " + TEXTS["de"]
    assert sorted(set(owners)) == [*range(len(words))]
    guessed, _, _ = random._tokens(words, sound, "")
    assert guessed[1] in {token(f"<|{name}|>") for name in ("en", "zh", "de", "fr")}
    joined, tokens, _ = random._tokens(words_of(Reading(TEXTS["zh"])), sound, "zh")
    assert joined[1] == token("<|zh|>")
    assert random._tokenizer.decode(tokens) == " " + TEXTS["zh"]


@pytest.mark.parametrize("fails", [False, True])
def test_attention_is_eager_for_the_moment_only(random: WhisperAligner, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    model, seen = random._model, list[str]()
    before = model.config._attn_implementation
    assert before != "eager"
    forward = model.forward

    def watched(*args: Any, **options: Any) -> Any:
        seen.append(model.model.decoder.config._attn_implementation)
        if fails:
            raise RuntimeError("planted")
        return forward(*args, **options)

    monkeypatch.setattr(model, "forward", watched)
    words, sound = words_of(Reading("x y")), sound_of(1.0)
    if fails:
        with pytest.raises(RuntimeError, match="planted"):
            random.find(words, sound, [], "en")
    else:
        random.find(words, sound, [], "en")
    assert seen == ["eager"]
    assert {model.config._attn_implementation, model.model.decoder.config._attn_implementation} == {before}


def test_more_text_than_the_decoder_takes_costs_estimates_only(random: WhisperAligner) -> None:
    text = "schöne Häuser und kleine Gärten für alle, die nicht weit weg wohnen wollen"
    with pytest.raises(SynthesisError, match="decoder"):
        random.find(words_of(Reading(text)), sound_of(1.0), [], "de")
    with Pocket(["/nonexistent"]) as pocket:
        heard = ChunkAligner(pocket, random.find).hear(Reading(text), sound_of(1.0), RATE)
    assert heard.failure is not None
    assert "30 s" in heard.failure
    assert set(heard.confidences) == {0}
