"""A live worker, through the SDK's own loop: several jobs at once, progress that never overtakes a result, a GPU that fails."""

import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import s3_utils
from f5_worker import s3_client
from f5_worker.s3_config import S3Config
from tests import PATIENCE, REPOSITORY, wait_until
from tests.support.job_api import JobApi, Kind
from tests.support.processes import WorkerProcess, temporary_files
from tests.support.s3_server import S3Server, listener, s3_environment, stalling_proxy
from tests.support.sounds import sound_file, voice

SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
SPEECH: dict[str, Any] = {"text": "Four score and seven years ago.", "nfe_step": 1, "seed": 1}
LONG: dict[str, Any] = {**SPEECH, "text": "These are words of a text of some length that is spoken. " * 15, "nfe_step": 16}


@pytest.mark.parametrize("streaming", ["false", "true"])
def test_an_update_on_the_progress_never_overtakes_the_result(
    environment: dict[str, str], tmp_path: Path, streaming: str
) -> None:
    result_came, overtaken = threading.Event(), list[bool]()

    def slow_for_updates(_job_id: str, kind: Kind) -> int:
        if kind == "result":
            result_came.set()
        elif kind == "progress":
            overtaken.append(result_came.wait(0.7))
        return 200

    with (
        JobApi() as api,
        WorkerProcess(api, env=environment | SMOKE | {"STREAMING": streaming}, cwd=tmp_path) as worker,
    ):
        api.weather = slow_for_updates
        job_id = api.submit({"items": [LONG, SPEECH]} if streaming == "false" else LONG)
        worker.result(job_id)
        posts = [post for post in api.posts(job_id) if post.kind != "stream"]
        *updates, result = posts
        assert (result.kind, {post.kind for post in updates}) == ("result", {"progress"})
        assert overtaken == [False] * len(updates)
        stands = [post.body["output"] for post in updates]
        assert all(post.body["status"] == "IN_PROGRESS" for post in updates)
        assert {stand["stage"] for stand in stands} <= {"reference", "model_load", "synthesis", "encode", "upload", "timing"}
        spoken = [stand["percent"] for stand in stands if stand["stage"] == "synthesis"]
        assert spoken == sorted(set(spoken))
        assert spoken
        assert spoken[-1] <= 100
        assert [later for earlier, later in pairwise(updates) if later.at - earlier.at < 1] == []


def test_while_one_job_waits_for_its_voice_another_is_spoken(environment: dict[str, str], tmp_path: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()
    clip = sound_file(voice(2))

    def slow(connection: Any) -> None:
        connection.recv(65_536)
        asked.set()
        go_on.wait(PATIENCE)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(clip) + clip)
        connection.close()

    env = environment | SMOKE | {"MAX_CONCURRENCY": "3", "RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true"}
    with listener(slow) as port, JobApi() as api, WorkerProcess(api, env=env, cwd=tmp_path) as worker:
        url = f"http://127.0.0.1:{port}/clip.wav"
        worker.result(api.submit(SPEECH))  # the model is loaded: the slow server is waited for, but not for ever
        slow_job = api.submit({**SPEECH, "local_voice": url, "ref_text": "Two seconds of a voice."})
        assert asked.wait(PATIENCE)
        first = worker.result(api.submit(SPEECH))["output"]
        assert worker.result(api.submit({"text": "Wrong.", "sped": 1}))["output"]["error_type"] == "InputError"
        assert api.results(slow_job) == []
        go_on.set()
        assert worker.result(slow_job)["output"]["status"] == "completed"
        again = worker.result(api.submit({**SPEECH, "deterministic": True}))["output"]
        assert again["audio_base64"] == first["audio_base64"]
        health = worker.result(api.submit({"endpoint": "health"}))["output"]
        assert health["jobs"] == {"completed": 4, "failed": 1, "stopped": 0}
        for line in worker.log.splitlines():  # each under the id of its own job
            assert ("Chunk 1 of 1" in line) <= ('"requestId"' in line)
        assert temporary_files(environment) == []


@pytest.mark.parametrize("kind", ["progress", "result"])
def test_while_posts_for_one_job_fail_others_are_taken_and_answered(environment: dict[str, str], kind: Kind) -> None:
    code = """
import handler
from f5_worker import posts
posts._POST_SECONDS = posts._UPDATE_SECONDS = 300.0
posts._POST_TRIES = 10_000
handler.main()
"""
    failing, over, ids = threading.Event(), threading.Event(), list[str]()

    def weather(job_id: str, posted: Kind) -> int:
        if [job_id] != ids[:1] or posted != kind or over.is_set():
            return 200
        failing.set()
        if kind == "progress":  # one update is on its way for as long as the test wants
            over.wait(PATIENCE)
        return 500

    env, command = environment | SMOKE | {"MAX_CONCURRENCY": "2"}, [sys.executable, "-c", code]
    with JobApi() as api, WorkerProcess(api, env=env, cwd=REPOSITORY, command=command) as worker:
        api.weather = weather
        ids.append(api.submit(LONG if kind == "progress" else SPEECH))
        assert failing.wait(PATIENCE), worker.log
        for _ in range(2):
            later = api.submit({**LONG, "nfe_step": 4})
            api.wait_for_post(later, "progress")
            worker.result(later)
        assert api.results(ids[0]) == []
        over.set()
        assert worker.result(ids[0])["output"]["status"] == "completed"


def test_a_worker_whose_gpu_failed_is_replaced_and_takes_no_more(environment: dict[str, str]) -> None:
    code = """
import handler
from f5_worker.speech import synthesis
def broken(engine, *_):
    raise engine.torch.AcceleratorError("CUDA error: device-side assert triggered")
synthesis.sample_mels = broken
handler.main()
"""
    with JobApi() as api:
        command = [sys.executable, "-c", code]
        with WorkerProcess(api, env=environment | SMOKE, cwd=REPOSITORY, command=command) as worker:
            job_id = api.submit(SPEECH)
            result = worker.result(job_id)
            assert (result["stopPod"], result["output"]["error_type"]) == (True, "CudaBrokenError")
            assert worker.wait() == 0
        later = api.submit(SPEECH)
        assert api.try_result(later, 0.1) is None


def test_a_job_that_is_stopped_in_its_upload_leaves_no_part_of_it_in_the_bucket(
    environment: dict[str, str], tmp_path: Path, s3_server: S3Server, s3_config: S3Config
) -> None:
    # Three minutes of sound, most of it pauses, are more than one part.
    job = {**SPEECH, "text": "Hello." + " [pause:10s]" * 18 + " Bye.", "sample_rate": 48_000}
    client = s3_client.client_for(s3_config, 1)

    def uploads() -> list[Any]:
        return client.list_multipart_uploads(Bucket=s3_config.bucket, Prefix=s3_config.prefix).get("Uploads", [])

    with stalling_proxy(s3_server.port, 2**20) as (endpoint, under_way, go_on), JobApi() as api:
        env = environment | SMOKE | s3_environment(replace(s3_config, endpoint_url=endpoint))
        with WorkerProcess(api, env=env, cwd=tmp_path) as worker:
            job_id = api.submit(job)
            assert under_way.wait(PATIENCE), worker.log
            assert len(uploads()) == 1
            api.stop(job_id)
            worker.wait_for_log("its work has ended")
            go_on.set()
            wait_until(lambda: uploads() == [])
            assert worker.result(api.submit({"endpoint": "health"}))["output"]["jobs"]["stopped"] == 1
            assert api.try_result(job_id) is None
        assert s3_utils.find(s3_config, f"output/{job_id.removesuffix('-e1')}.wav") is None
    assert temporary_files(environment) == []


def test_free_places_are_filled_and_a_shutdown_answers_all_that_run(environment: dict[str, str], tmp_path: Path) -> None:
    went_on, asked = threading.Event(), list[bytes]()
    clip = sound_file(voice(2))

    def slow(connection: Any) -> None:
        asked.append(connection.recv(65_536))
        went_on.wait(PATIENCE)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(clip) + clip)
        connection.close()

    env = environment | SMOKE | {"MAX_CONCURRENCY": "3", "RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true"}
    with listener(slow) as port, JobApi() as api, WorkerProcess(api, env=env, cwd=tmp_path) as worker:
        ids = []
        for number in range(3):  # one after the other: each while those before it run
            voice_url = f"http://127.0.0.1:{port}/{number}.wav"
            ids.append(api.submit({**SPEECH, "local_voice": voice_url, "ref_text": "Two seconds of a voice."}))
            wait_until(lambda number=number: len(asked) == number + 1)  # type: ignore[misc]
        waiting = api.submit(SPEECH)
        worker.sigterm()
        went_on.set()
        assert [worker.result(job_id)["output"]["status"] for job_id in ids] == ["completed"] * 3
        assert worker.wait() == 0
        assert api.try_result(waiting) is None
        assert not api.was_taken(waiting)
