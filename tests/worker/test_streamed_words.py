"""Words in the parts of a stream: final, where they are heard, and the answer's own; what comes late comes later."""

import asyncio
import json
import threading
from typing import Any

import pytest

import handler
from f5_worker.endpoints import timings
from f5_worker.endpoints.stream import MAX_AUDIO_BYTES
from f5_worker.job.answer import MAX_PART_BYTES
from f5_worker.timing.align import ChunkAligner, Heard
from tests.support.fresh_worker import FreshWorker
from tests.worker.test_streaming import streamed
from tests.worker.test_word_times import DEMO, SENTENCE, SETTINGS, Mumbler, check

TEXT = (
    "They said the car would break down, and indeed it did. So we walked home along the river, slowly, and talked about what "
    "we had seen in the town on that day.\n\n* * *\n\nNobody believed a word of it afterwards. [pause:0.4s] Well, 3 people did."
)
QUICK = {**SETTINGS, "nfe_step": 1}  # words are looked for, and found or not
WORDS = TEXT.replace("[pause:0.4s] ", "")


@pytest.fixture
def streaming(fresh_worker: FreshWorker) -> FreshWorker:
    """A worker that streams the demo model's speech."""
    fresh_worker.restart(**DEMO, STREAMING="true")
    return fresh_worker


@pytest.mark.usefixtures("streaming")
@pytest.mark.parametrize("fields", [{}, {"cross_fade_duration": 0, "sample_rate": 48_000}, {"stream_format": "mp3"}])
def test_each_part_has_the_words_that_begin_in_it(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> None:
    monkeypatch.setattr(timings, "_PART_SECONDS", 60)  # however busy this machine is
    *parts, whole = streamed({"text": TEXT, **QUICK, **fields})
    check(whole, WORDS)
    assert len(parts) >= 3
    assert [word for part in parts for word in part["words"]] == whole["words"]
    for part in parts:
        assert part["words"]
        # What a cross-fade or a resampler has held back comes with the next part; its words have come with their chunk.
        assert all(part["start"] - 0.5 <= word["start"] for word in part["words"])
        assert all(word["start"] < part["end"] + 0.5 for word in part["words"])
        assert len({word["chunk"] for word in part["words"]}) == 1
        assert len(json.dumps(part).encode()) < MAX_PART_BYTES


@pytest.mark.usefixtures("streaming")
def test_a_chunk_of_several_parts_has_its_words_where_they_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "_PART_SECONDS", 60)
    monkeypatch.setattr("f5_worker.endpoints.stream.MAX_AUDIO_BYTES", 48_000)  # a second
    *parts, whole = streamed({"text": TEXT, **QUICK})
    assert MAX_AUDIO_BYTES > 48_000
    assert len(parts) > 2 * len(whole["chunks"])
    assert [word for part in parts for word in part["words"]] == whole["words"]
    inside = [part["start"] <= word["start"] < part["end"] for part in parts for word in part["words"]]
    assert sum(not good for good in inside) <= len(whole["chunks"])  # those that a cross-fade holds back


@pytest.mark.usefixtures("streaming")
def test_words_that_come_late_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timings, "_PART_SECONDS", 0.05)
    release, hear, heard = threading.Event(), ChunkAligner.hear, []

    def slow(self: ChunkAligner, *args: Any) -> Heard:
        heard.append(1)
        if len(heard) == 2:
            assert release.wait(60)
        return hear(self, *args)

    monkeypatch.setattr(ChunkAligner, "hear", slow)
    job = handler.stream_handler({"id": "job-1", "input": {"text": TEXT, **QUICK}})

    async def run() -> list[dict[str, Any]]:
        parts = []
        async for part in job:
            parts.append(part)
            if len(parts) == 3:
                monkeypatch.setattr(timings, "_PART_SECONDS", 60)
                release.set()
        return parts

    *parts, whole = asyncio.run(run())
    check(whole, WORDS)
    assert {word["chunk"] for part in parts[:3] for word in part["words"]} <= {0}
    assert {word["chunk"] for word in parts[3]["words"]} >= {1, 2, 3}
    assert [word for part in parts for word in part["words"]] == whole["words"]


@pytest.mark.usefixtures("streaming")
@pytest.mark.parametrize(
    "fields", [{"return_word_timings": False}, {"return_word_timings": False, "verify": True}, {"remove_silence": True}]
)
def test_parts_have_no_words_where_none_can_be(fields: dict[str, Any]) -> None:
    *parts, whole = streamed({"text": TEXT, **QUICK, **fields})
    assert not any("words" in part for part in parts)
    assert ("words" in whole) == ("remove_silence" in fields)


@pytest.mark.usefixtures("streaming")
def test_aligning_that_fails_costs_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(timings.WordTimer, "_place", fail)
    *parts, whole = streamed({"text": TEXT, **QUICK})
    assert [part["words"] for part in parts] == [[]] * len(whole["chunks"])
    assert "words" not in whole
    assert any("RuntimeError" in warning for warning in whole["warnings"])


@pytest.mark.usefixtures("streaming")
def test_a_chunk_is_verified_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    Mumbler(monkeypatch, {1})
    *parts, whole = streamed({"text": SENTENCE, **SETTINGS, "verify": True})
    check(whole, SENTENCE)
    first = next(each for each in whole["verified"] if each["chunk"] == 0)
    assert first["seed"] != 1
    assert len(first["attempts"][0]["missing"]) > min(len(each["missing"]) for each in first["attempts"])
    assert [part["text"] for part in parts] == [chunk["text"] for chunk in whole["chunks"]]
