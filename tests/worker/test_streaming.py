"""Streams through the SDK's job loop: the parts are the whole file, each can be taken, and a stop ends the work."""

import asyncio
import base64
import io
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import handler
from f5_worker.job.answer import MAX_PART_BYTES, for_result, for_stream
from f5_worker.loop import StreamHandler
from f5_worker.sdk import rp_job
from tests import wait_until
from tests.support.fresh_worker import LONG_TEXT, FreshWorker, base64_of, sound
from tests.support.job_api import JobApi
from tests.support.judge import Judge, compare
from tests.support.processes import ServedApi, WorkerProcess, run_once
from tests.support.sounds import read_raw, sound_file, voice

SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1", "STREAMING": "true"}
CLIP = base64_of(sound_file(voice(3)))
LONG = {"text": LONG_TEXT, "nfe_step": 1, "seed": 4}


def samples_of(part: dict[str, Any]) -> NDArray[np.float32]:
    """A part alone, as a client hears it."""
    data = base64.b64decode(part["audio_base64"], validate=True)
    if part["format"] in ("pcm", "ulaw", "alaw"):
        return read_raw(data, part["format"])
    samples, rate = soundfile.read(io.BytesIO(data), dtype="float32")
    assert rate == part["sample_rate"]
    return np.asarray(samples)


def streamed(job_input: dict[str, Any]) -> list[dict[str, Any]]:
    """All that the handler gives for a job."""

    async def run() -> list[dict[str, Any]]:
        return [part async for part in handler.stream_handler({"id": "job-1", "input": job_input})]

    return asyncio.run(run())


@pytest.fixture
def streaming(fresh_worker: FreshWorker) -> FreshWorker:
    """A worker that streams, into files."""
    fresh_worker.restart(STREAMING="true")
    return fresh_worker


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"output_format": "flac", "stream_format": "wav"},
        {"output_format": "pcm"},
        {"sample_rate": 44_100, "stream_format": "pcm"},
        {"sample_rate": 8_001},
        {"output_format": "ulaw"},
        {"remove_silence": True},
        {"text": "One.\n\n[pause:0.7s] Two. " + LONG_TEXT + " [pause:2s]", "cross_fade_duration": 0},
        {"speed": 0.3, "sample_rate": 48_000},
        {
            "voices": {"Bob": {"seed": 3, "ref_audio_base64": CLIP, "ref_text": "Some words."}},
            "text": "Hello there. [Bob] Hi. [main] Bye.",
        },
        {"text": "Hi.", "fix_duration": 12},
    ],
    ids=lambda fields: " ".join(fields) or "wav",
)
def test_the_parts_are_the_whole_file_sample_for_sample(streaming: FreshWorker, fields: dict[str, Any]) -> None:
    *parts, whole = streamed({**LONG, **fields})
    assert whole["status"] == "completed", whole
    file = sound(whole, streaming.folder)
    np.testing.assert_array_equal(np.concatenate([samples_of(part) for part in parts]), file.samples)
    assert [part["part"] for part in parts] == list(range(len(parts)))
    at = 0.0
    for part in parts:
        assert part["start"] == at
        at = part["end"]
        assert len(samples_of(part)) == pytest.approx((part["end"] - part["start"]) * part["sample_rate"], abs=0.1)
        assert len(json.dumps(part).encode()) < 1_000_000
    assert at == pytest.approx(whole["duration"], abs=1e-4)
    assert [part["text"] for part in parts if part["text"]] == [chunk["text"] for chunk in whole["chunks"]]
    assert bool(fields.get("remove_silence")) == ("remove_silence" in str(whole["warnings"]))
    assert streaming.left_behind() == []


@pytest.mark.parametrize("form", ["mp3", "ogg"])
def test_parts_of_lossy_formats_can_each_be_played(streaming: FreshWorker, form: str) -> None:
    *parts, whole = streamed({**LONG, "stream_format": form})
    assert streaming.left_behind() == []
    assert whole["output_format"] == "wav"
    for part in parts:
        assert len(samples_of(part)) / part["sample_rate"] == pytest.approx(part["end"] - part["start"], abs=0.2)


def test_the_first_chunk_is_short_and_the_rest_obeys_the_seed(streaming: FreshWorker) -> None:
    *parts, whole = streamed(LONG)
    assert 1 <= parts[0]["end"] <= 6
    assert min(part["end"] - part["start"] for part in parts[1:-1]) > 6
    assert " ".join(chunk["text"] for chunk in whole["chunks"]) == LONG_TEXT
    assert [part.get("audio_base64") for part in streamed(LONG)[:-1]] == [part["audio_base64"] for part in parts]
    assert streaming.heard().count("Chunk 1 of ") == 2


@pytest.mark.usefixtures("streaming")
def test_waiting_for_posts_is_no_stage() -> None:
    count = len(streamed(LONG)[-1]["chunks"])
    steps, transformer = list[int](), handler.resources.model.get().cfm.transformer
    hook = transformer.register_forward_hook(lambda *_: steps.append(1))

    async def slowly() -> tuple[dict[str, Any], float]:
        started, made = time.perf_counter(), 0.0
        async with aclosing(handler.stream_handler({"id": "job-1", "input": LONG})) as parts:
            await anext(parts)
            while len(steps) < count or handler.resources.scheduler._taking:
                await asyncio.sleep(0.01)
            made = time.perf_counter() - started
            await asyncio.sleep(1)  # as if the post took so long
            rest = [part async for part in parts]
            return rest[-1], made

    try:
        whole, made = asyncio.run(slowly())
    finally:
        hook.remove()
    assert whole["timings"]["synthesis"] <= made
    assert whole["timings"]["encode"] > 0


def test_through_the_job_loop(environment: dict[str, str], tmp_path: Path) -> None:
    with JobApi() as api, WorkerProcess(api, env=environment | SMOKE, cwd=tmp_path) as worker:
        job_id = api.submit(LONG)
        result = worker.result(job_id)
        posted = [post.body["output"] for post in api.posts(job_id) if post.kind == "stream"]
        *parts, whole = posted
        assert len(parts) > 2
        assert "audio_base64" not in whole  # larger than a part may be
        assert max(post.size for post in api.posts(job_id) if post.kind == "stream") < 1_000_000
        assert result["output"][:-1] == parts
        joined = np.concatenate([samples_of(part) for part in parts])
        np.testing.assert_array_equal(joined, sound(result["output"][-1]).samples)

        (health,) = worker.result(api.submit({"endpoint": "health"}))["output"]
        assert health["jobs"]["completed"] == 1
        failed = worker.result(api.submit({"text": "Hello.", "sped": 2}))
        assert "speed" in failed["error"]
        assert failed["output"]["error_type"] == "InputError"

        api.break_posts(500, None, 429)
        again = api.submit(LONG, id=job_id)
        wait_until(lambda: len(api.results(again)) == 2)
        (kept,) = api.results(again)[-1]["output"]
        assert kept["seed"] == LONG["seed"]


def test_a_failure_in_a_stream_has_all_that_it_has_without() -> None:
    """``refresh_worker`` above all: through the SDK's own generator loop, the sentence alone would be left."""
    posted: list[dict[str, Any]] = []

    async def parts(_job: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        yield {"part": 0}
        yield {"error": "broken", "error_type": "CudaBrokenError", "refresh_worker": True}

    async def post(_session: object, body: dict[str, Any], *_: object, **__: object) -> None:
        posted.append(body)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rp_job, "stream_result", post)
        patched.setattr(rp_job, "send_result", post)
        asyncio.run(StreamHandler(parts, for_stream, for_result).handle(None, {}, {"id": "a"}))  # type: ignore[arg-type]
    failure = {"output": {"error_type": "CudaBrokenError"}, "error": "broken", "stopPod": True}
    assert posted == [{"output": {"part": 0}}, failure]


def test_the_local_api_streams_and_a_local_job_really_runs(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= SMOKE
    with ServedApi(env=environment, cwd=tmp_path) as served:
        *parts, whole = [part["output"] for part in served.stream(served.run(LONG))["stream"]]
        assert [part["part"] for part in parts] == list(range(len(parts)))
        assert served.runsync(LONG)["output"][-1]["duration"] == whole["duration"]
        assert "sped" in str(served.runsync({"text": "a", "sped": 1}))
    ran = run_once({"input": LONG}, env=environment, cwd=tmp_path)
    assert ran.result["output"]["duration"] == whole["duration"]
    assert "Chunk 1 of 6: 2.9 s" in ran.log
    refused = run_once({"input": {"text": "a", "sped": 1}}, env=environment, cwd=tmp_path)
    assert refused.exit_code == 1


def test_a_stream_is_heard(fresh_worker: FreshWorker, judge: Judge) -> None:
    fresh_worker.restart(F5TTS_MODEL="demo", STREAMING="true")
    text = "They said the car would break down, and indeed it did. The children walked along the river in the morning."
    *parts, _ = streamed({"text": text, "seed": 1, "nfe_step": 7})
    assert len(parts) == 2
    verdict = compare(text, judge.hear(np.concatenate([samples_of(part) for part in parts]), 24_000))
    assert verdict.rate < 0.25, verdict


def test_a_stop_ends_a_stream(environment: dict[str, str], tmp_path: Path) -> None:
    long = {"text": LONG_TEXT * 20, "nfe_step": 64}
    with JobApi() as api, WorkerProcess(api, env=environment | SMOKE, cwd=tmp_path) as worker:
        job_id = api.submit(long)
        api.wait_for_post(job_id, "stream")
        api.stop(job_id)
        worker.wait_for_log("its work has ended")
        (health,) = worker.result(api.submit({"endpoint": "health"}))["output"]
        assert health["jobs"] == {"completed": 0, "failed": 0, "stopped": 1}
        assert api.try_result(job_id) is None


def test_a_stream_that_is_closed_ends_the_work(streaming: FreshWorker) -> None:
    async def close_early() -> dict[str, Any]:
        async with aclosing(handler.stream_handler({"id": "job-1", "input": {**LONG, "text": LONG_TEXT * 5}})) as parts:
            return await anext(parts)

    assert asyncio.run(close_early())["part"] == 0
    wait_until(lambda: streaming.left_behind() == [])
    assert handler.resources.jobs["stopped"] == 1
    assert streaming.health()["model"]["loaded"]


@pytest.mark.parametrize(("size", "kept"), [(1_000, ["audio_base64"] * 3), (6_000_000, ["", "", "audio_base64"])])
def test_a_result_that_is_too_large_leaves_out_what_was_streamed(size: int, kept: list[str]) -> None:
    parts = [{"part": n, "text": "a", "audio_base64": "A" * size} for n in range(2)]
    whole = {"status": "completed", "audio_base64": "A" * size, "warnings": ["w"]}
    result = for_result([*parts, whole])
    assert ["audio_base64" if "audio_base64" in part else "" for part in result] == kept
    assert result[-1] == whole
    last = for_stream(whole)
    assert ("audio_base64" in last) == (size < MAX_PART_BYTES)
    assert len(last["warnings"]) == 1 + (size >= MAX_PART_BYTES)
