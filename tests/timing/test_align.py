"""Words found in speech whose times are known, words that are not there, and a child process that fails in every way."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_worker.text.reading import Reading
from f5_worker.timing.align import ChunkAligner, Heard, align
from f5_worker.timing.pauses import find_pauses, snap
from f5_worker.timing.place import TimedWord, fill, place
from f5_worker.timing.pocket import Pocket, PocketError
from f5_worker.timing.words import words_of
from tests.support.word_truth import Clip, recorded

ALL = list(recorded())


def errors(words: Sequence[TimedWord], clip: Clip, *, skip: int | None = None) -> list[float]:
    """How far starts are from the truth, in milliseconds."""
    return [
        abs(word.start - start * 1000)
        for number, (word, (start, _)) in enumerate(zip(words, clip.spans, strict=True))
        if number != skip
    ]


def test_words_are_where_they_are_said() -> None:
    starts, ends = list[float](), list[float]()
    for clip in ALL:
        words = align(clip.text, clip.samples, clip.rate)
        assert [word.word for word in words] == clip.text.split()
        assert not any(word.estimated for word in words)
        starts += errors(words, clip)
        ends += [abs(word.end - end * 1000) for word, (_, end) in zip(words, clip.spans, strict=True)]
    for found in (starts, ends):  # measured: 10 and 28
        assert np.median(found) <= 25
        assert np.percentile(found, 90) <= 60
        assert np.mean(np.array(found) <= 100) >= 0.98


def test_what_was_spoken_is_the_only_reading() -> None:
    clip = ALL[0]
    heard = align(clip.text, clip.samples, clip.rate)
    from f5_worker.text.normalise import normalise

    read = align(clip.text, clip.samples, clip.rate, reading=Reading(clip.text, normalise(clip.text, "en")))
    assert [(word.word, word.estimated) for word in read] == [(word.word, word.estimated) for word in heard]
    assert max(errors(read, clip)) <= 100


def test_a_dropped_word_is_found_and_no_other_doubted() -> None:
    judged = right = doubted = 0
    for clip in ALL:
        with Pocket() as pocket:
            aligner = ChunkAligner(pocket)
            for place_, _ in enumerate(clip.spans):
                heard = aligner.hear(Reading(clip.text), clip.without(place_), clip.rate)
                missing = [number for number, sure in enumerate(heard.confidences) if sure == 0]
                judged, right = judged + 1, right + (place_ in missing)
                doubted += len([number for number in missing if number != place_])
    assert judged == 44
    assert right >= 0.9 * judged  # measured: 40; the others are two or three sounds, such as "the"
    assert doubted <= 0.01 * judged * len(ALL[0].spans)


def test_a_word_in_silence_was_not_said() -> None:
    """The aligner would rather put a short word into a pause than leave it out."""
    clip = ALL[3]
    silence = np.zeros(clip.rate // 2, dtype=np.float32)
    with Pocket() as pocket:
        aligner = ChunkAligner(pocket)
        for word in ("the", "a", "of"):
            samples = np.concatenate([silence, clip.samples, silence])
            heard = aligner.hear(Reading(f"{word} {clip.text} {word}"), samples, clip.rate)
            assert [found.text for found in heard.dropped] == [word, word]


def test_another_text_is_doubted() -> None:
    clip = ALL[0]
    words = align("Nobody ever whispered to purple elephants during yesterday's thunderstorm.", clip.samples, clip.rate)
    assert sum(word.estimated for word in words) >= 3


@pytest.mark.parametrize("sound", ["silence", "noise", "one sample", "nothing"])
@pytest.mark.parametrize("text", ["Hello, world.", "--- 😀 …", "x" * 3000, "Привет, мир", "a b " * 200])
def test_nothing_in_sound_or_text_fails(sound: str, text: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 24_000)
    samples = {"silence": np.zeros(24_000), "noise": noise, "one sample": noise[:1], "nothing": noise[:0]}[sound]
    words = align(text, samples.astype(np.float32), 24_000)
    assert [word.word for word in words] == text.split()
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert all(word.start < word.end for word in words)


@pytest.mark.parametrize("text", ["Nobody ever whispered that. " * 60, "Internationalization " * 60, "$1,234.56 " * 30])
def test_a_text_that_is_far_too_long_is_estimated_at_once(text: str) -> None:
    clip = ALL[3]
    with Pocket(["/nonexistent"]) as pocket:  # which would fail for another reason
        heard = ChunkAligner(pocket).hear(Reading(text), clip.samples, clip.rate)
    assert heard.failure == "the text is too long for its sound"
    assert set(heard.confidences) == {0}
    assert len(heard.spans) == len(text.split())


# Where nothing was heard

PAUSES = st.lists(st.tuples(st.floats(0, 9), st.floats(0.1, 1)), max_size=4)


@given(st.text(min_size=1, max_size=80), PAUSES, st.data())
def test_times_are_in_order_and_inside(text: str, pauses: list[tuple[float, float]], data: st.DataObject) -> None:
    words = words_of(Reading(text))
    gaps = sorted((start, start + length) for start, length in pauses)
    heard: list[Any] = []
    at = 0.0
    for _ in words:
        if data.draw(st.booleans()):
            start = at + data.draw(st.floats(0, 0.05))
            at = start + data.draw(st.floats(0.001, 0.1))
            heard.append((start, at))
        else:
            heard.append(None)
    times = place(fill(words, snap(heard, gaps), gaps, 20.0), 1.0005, (1.0005, 21.0))
    assert len(times) == len(words)
    at_ms = 1001
    for start_ms, end_ms in times:
        assert at_ms <= start_ms < end_ms <= 21_000
        at_ms = end_ms


def test_estimates_keep_to_what_is_no_pause() -> None:
    words = words_of(Reading("One two. Three four."))
    spans = fill(words, [None] * 4, [(1.0, 2.0)], 3.0)
    assert [(round(start, 2), round(end, 2)) for start, end in spans] == [(0, 0.5), (0.5, 1.0), (2.0, 2.55), (2.55, 3.0)]


def test_pauses_are_found_in_speech() -> None:
    clip = ALL[1]
    pauses = find_pauses(clip.samples, clip.rate)
    inner = [(first, last) for first, last in pauses if first > 0.2 and last < 4.9]
    assert len(inner) >= 2
    for first, last in inner:
        assert any(abs(first - end) < 0.06 and abs(last - start) < 0.06
                   for (_, end), (start, _) in pairwise(clip.spans))  # fmt: skip


# A child that fails

CHILDREN = {
    "crash": "import os; os._exit(1)",
    "crash in the midst": "import sys, os; sys.stdin.buffer.readline(); os._exit(139)",
    "hang": "import time; time.sleep(600)",
    "garbage": "import sys; print('<html>'); sys.stdout.flush(); sys.stdin.read()",
    "wrong count": "import sys; print('{\"spans\": []}'); sys.stdout.flush(); sys.stdin.read()",
    "out of order": "import sys; print('{\"spans\": [[1, 2], [0.5, 1]]}'); sys.stdout.flush(); sys.stdin.read()",
    "no numbers": "import sys; print('{\"spans\": [[1, null], null]}'); sys.stdout.flush(); sys.stdin.read()",
    "not there": "",
}


@pytest.mark.parametrize("fault", CHILDREN)
def test_a_child_that_fails_costs_estimates_only(fault: str) -> None:
    command = [sys.executable, "-c", CHILDREN[fault]] if fault != "not there" else ["/nonexistent/python"]
    with Pocket(command, start_seconds=0.5 if fault == "hang" else 30.0) as pocket:
        aligner = ChunkAligner(pocket)
        for _ in range(3):
            heard: Heard = aligner.hear(Reading("Hello, world."), np.zeros(2_400, dtype=np.float32), 24_000)
            assert heard.failure is not None
            assert list(heard.confidences) == [0, 0]
            assert heard.dropped == []


def test_a_child_is_started_again_after_one_failure() -> None:
    clip = ALL[3]
    with Pocket() as pocket:
        aligner = ChunkAligner(pocket)
        assert aligner.hear(Reading(clip.text), clip.samples, clip.rate).failure is None
        assert pocket._child is not None
        pocket._child.kill()
        assert aligner.hear(Reading(clip.text), clip.samples, clip.rate).failure is not None
        assert aligner.hear(Reading(clip.text), clip.samples, clip.rate).failure is None


def test_a_child_that_is_started_ahead_is_the_one_that_aligns() -> None:
    clip = ALL[3]
    with Pocket() as pocket:
        pocket.start()
        child = pocket._child
        assert child is not None
        assert ChunkAligner(pocket).hear(Reading(clip.text), clip.samples, clip.rate).failure is None
        assert pocket._child is child
    Pocket(["/nonexistent"]).start()  # costs nothing until there is something to align


def test_a_stopped_job_starts_no_child() -> None:
    pocket = Pocket()
    pocket.stop()
    pocket.start()
    with pytest.raises(PocketError):
        pocket.align(["hello"], np.zeros(16_000, dtype=np.float32))
    assert pocket._child is None


@settings(max_examples=20)
@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), min_size=1, max_size=40).filter(lambda text: bool(text.split())))
def test_any_text_on_any_speech_keeps_every_word(text: str) -> None:
    clip = ALL[2]
    words = align(text, clip.samples, clip.rate)
    assert [word.word for word in words] == text.split()
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert words[-1].end <= len(clip.samples) / clip.rate * 1000
