"""The stand-in for RunPod's job API and the process helpers, proved with the real SDK.

The tests double as notes on what runpod 1.12.0 does with a worker's answers, stop signals and ends.
"""

import http.client
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import requests

from tests import wait_until
from tests.support.job_api import JobApi
from tests.support.processes import ServedApi, WorkerProcess, clean_environment, run_once, temporary_files

BODY_LIMIT = 1_000_000

ONE_FOR_ALL = """
import asyncio, pathlib
import runpod

async def handler(job):
    match job["input"].get("do"):
        case "fail":
            return {"error": "No voice named alice.", "error_type": "NotFoundError", "field": "local_voice"}
        case "raise":
            raise ValueError("raised to the SDK")
        case "unencodable":
            return {"audio_path": pathlib.Path("output")}
        case "nan":
            return {"duration": float("nan")}
        case "surrogate":
            return {"text": "\\ud800"}
        case "large":
            return {"audio_base64": "A" * job["input"]["size"]}
        case "refresh":
            return {"error": "CUDA is broken.", "error_type": "CudaBrokenError", "refresh_worker": True}
        case "progress":
            runpod.serverless.progress_update(job, {"chunk": 1})
            return {"done": True}
        case "sleep":
            try:
                await asyncio.sleep(job["input"]["seconds"])
            except asyncio.CancelledError:
                print("cancelled", job["id"], flush=True)
                raise
            return {"slept": True}
        case _:
            return {"job": job}

runpod.serverless.start({"handler": handler})
"""


def script(folder: Path, source: str) -> Sequence[str]:
    """The command that runs ``source``."""
    file = folder / "script.py"
    file.write_text(source)
    return (sys.executable, str(file))


def living_members(group: int) -> list[int]:
    """The processes of a process group that are not zombies."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group, *_ = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended while we looked
        if int(process_group) == group and state != "Z":
            members.append(int(stat.parent.name))
    return members


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkerProcess]:
    """One worker for all tests that leave it alive."""
    folder = tmp_path_factory.mktemp("worker")
    with (
        JobApi(max_body_bytes=BODY_LIMIT) as api,
        WorkerProcess(
            api,
            env=clean_environment(folder),
            cwd=folder,
            command=script(folder, ONE_FOR_ALL),
            skip_fitness_checks=True,
        ) as process,
    ):
        process.ready()
        yield process


def assert_no_result(worker: WorkerProcess, job_id: str) -> None:
    """The worker has finished ``job_id`` (it is serial, and has done a later job since) without a result."""
    later = worker.api.submit({})
    assert "output" in worker.result(later)
    assert worker.api.try_result(job_id) is None


# What the SDK makes of an answer


def test_a_job_reaches_the_handler_whole_and_its_answer_comes_back_as_output(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"text": "Grüße, 世界 🎙"}, s3Config={"bucketName": "mine"})
    job = {"id": job_id, "input": {"text": "Grüße, 世界 🎙"}, "s3Config": {"bucketName": "mine"}}
    assert worker.result(job_id) == {"output": {"job": job}}
    assert [post.kind for post in worker.api.posts(job_id)] == ["result"]


def test_two_jobs_run_one_after_another(worker: WorkerProcess) -> None:
    first, second = (worker.api.submit({"do": "sleep", "seconds": 0.2}) for _ in range(2))
    assert worker.result(first) == worker.result(second) == {"output": {"slept": True}}
    assert worker.api.taken(second) > worker.api.posts(first)[0].at


def test_an_error_and_its_details_are_posted_apart(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"do": "fail"})
    details = {"error_type": "NotFoundError", "field": "local_voice"}
    assert worker.result(job_id) == {"error": "No voice named alice.", "output": details}


def test_a_raised_exception_is_posted_with_its_traceback(worker: WorkerProcess) -> None:
    error = json.loads(worker.result(worker.api.submit({"do": "raise"}))["error"])
    assert error["error_message"] == "raised to the SDK"
    assert "script.py" in error["error_traceback"]


@pytest.mark.parametrize("value", ["unencodable", "surrogate"])
def test_what_cannot_be_encoded_is_never_posted(worker: WorkerProcess, value: str) -> None:
    job_id = worker.api.submit({"do": value})
    assert_no_result(worker, job_id)
    assert worker.api.attempts(job_id) == []


def test_nan_is_posted_as_something_that_is_not_json(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"do": "nan"})
    assert_no_result(worker, job_id)
    assert [attempt.status for attempt in worker.api.attempts(job_id)] == [400]


def test_a_body_over_the_limit_is_refused_at_once_and_lost(worker: WorkerProcess) -> None:
    around = len(json.dumps({"output": {"audio_base64": ""}}))
    fits = worker.api.submit({"do": "large", "size": BODY_LIMIT - around})
    worker.result(fits)
    assert [(attempt.status, attempt.size) for attempt in worker.api.attempts(fits)] == [(200, BODY_LIMIT)]
    too_large = worker.api.submit({"do": "large", "size": BODY_LIMIT - around + 1})
    assert_no_result(worker, too_large)
    assert [attempt.status for attempt in worker.api.attempts(too_large)] == [400]


def test_a_post_is_tried_again_on_a_server_error(worker: WorkerProcess) -> None:
    worker.api.break_posts(502)
    job_id = worker.api.submit({})
    assert "output" in worker.result(job_id)
    assert [attempt.status for attempt in worker.api.attempts(job_id)] == [502, 200]


@pytest.mark.parametrize("answers", [[None], [429]], ids=str)
def test_a_result_is_lost_with_one_dropped_connection_or_refusal(worker: WorkerProcess, answers: list[int | None]) -> None:
    worker.api.break_posts(*answers)
    job_id = worker.api.submit({})
    assert_no_result(worker, job_id)
    assert [attempt.status for attempt in worker.api.attempts(job_id)] == answers


def test_progress_is_no_result(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"do": "progress"})
    progress = worker.api.wait_for_post(job_id, "progress")
    assert progress.body == {"status": "IN_PROGRESS", "output": {"chunk": 1}}
    assert worker.result(job_id) == {"output": {"done": True}}


def test_refresh_worker_asks_the_platform_to_stop_the_pod_and_the_process_goes_on(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"do": "refresh"})
    answer = {"error": "CUDA is broken.", "output": {"error_type": "CudaBrokenError"}, "stopPod": True}
    assert worker.result(job_id) == answer
    assert "output" in worker.result(worker.api.submit({}))


# Stopping


def test_a_stopped_job_is_cancelled_and_nothing_is_posted(worker: WorkerProcess) -> None:
    job_id = worker.api.submit({"do": "sleep", "seconds": 600})
    worker.wait_for_start(job_id)
    worker.api.stop(job_id)
    worker.wait_for_log(f"cancelled {job_id}")
    assert_no_result(worker, job_id)
    assert worker.api.attempts(job_id) == []


def test_a_job_stopped_in_the_queue_never_reaches_a_worker(worker: WorkerProcess) -> None:
    running, queued = worker.api.submit({"do": "sleep", "seconds": 0.5}), worker.api.submit({})
    worker.api.taken(running)
    worker.api.stop(queued)
    worker.result(running)
    assert_no_result(worker, queued)
    with pytest.raises(TimeoutError, match="no worker that takes job"):
        worker.api.taken(queued, timeout=0)


def test_sigterm_in_mid_job_posts_the_result_and_exits_0(job_api: JobApi, environment: dict[str, str], tmp_path: Path) -> None:
    command = script(tmp_path, ONE_FOR_ALL)
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=command, skip_fitness_checks=True) as worker:
        job_id = job_api.submit({"do": "sleep", "seconds": 1})
        worker.wait_for_start(job_id)
        worker.sigterm()
        assert worker.result(job_id) == {"output": {"slept": True}}
        assert worker.wait() == 0
        assert living_members(worker.pid) == []
        with pytest.raises(RuntimeError, match="exit code 0"):
            worker.result(job_api.submit({}))
    assert temporary_files(environment) == []


# Starting


def test_a_failed_fitness_check_ends_the_worker_before_its_first_job(
    job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"RUNPOD_MIN_MEMORY_GB": "1000000", "RUNPOD_SKIP_GPU_CHECK": "true"}
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=script(tmp_path, ONE_FOR_ALL)) as worker:
        with pytest.raises(RuntimeError, match="exit code 1"):
            worker.ready()
        (ping,) = job_api.pings()
        assert (ping.status, ping.check) == ("unhealthy", "_memory_check")


def test_heartbeats_name_the_jobs_in_progress(job_api: JobApi, environment: dict[str, str], tmp_path: Path) -> None:
    environment |= job_api.environment(worker_id="worker-2") | {"RUNPOD_PING_INTERVAL": "1000"}
    command = script(tmp_path, ONE_FOR_ALL)
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=command, skip_fitness_checks=True) as worker:
        job_id = job_api.submit({"do": "sleep", "seconds": 600})
        worker.wait_for_start(job_id)
        assert job_api.wait_for_ping(job_id).status is None
        worker.kill_group()


def test_a_generator_streams_its_parts_and_the_collected_result(
    job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    source = """
import runpod

async def handler(job):
    for number in range(3):
        yield {"chunk": number}

runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
"""
    command, parts = script(tmp_path, source), [{"chunk": number} for number in range(3)]
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=command, skip_fitness_checks=True) as worker:
        job_id = job_api.submit({})
        assert worker.result(job_id) == {"output": parts}
        posts = [(post.kind, post.body["output"]) for post in job_api.posts(job_id)]
        assert posts == [*(("stream", part) for part in parts), ("result", parts)]
    with ServedApi(env=environment, cwd=tmp_path, command=command) as served:
        assert served.stream(served.run({"text": "Hello."}))["stream"] == [{"output": part} for part in parts]


def test_a_concurrent_worker_takes_a_batch(job_api: JobApi, environment: dict[str, str], tmp_path: Path) -> None:
    source = """
import asyncio
import runpod

together = asyncio.Barrier(3)

async def handler(job):
    await together.wait()
    return {"number": job["input"]["number"]}

runpod.serverless.start({"handler": handler, "concurrency_modifier": lambda current: 3})
"""
    job_ids = [job_api.submit({"number": number}) for number in range(3)]
    command = script(tmp_path, source)
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=command, skip_fitness_checks=True) as worker:
        assert [worker.result(job_id)["output"]["number"] for job_id in job_ids] == [0, 1, 2]


# The other two front doors


def test_one_local_job(environment: dict[str, str], tmp_path: Path) -> None:
    command = script(tmp_path, ONE_FOR_ALL)
    run = run_once({"input": {"text": "it's 'quoted'"}}, env=environment, cwd=tmp_path, command=command)
    assert (run.exit_code, run.error) == (0, None)
    assert run.result == {"output": {"job": {"id": "local_test", "input": {"text": "it's 'quoted'"}}}}
    failed = run_once({"input": {"do": "fail"}}, env=environment, cwd=tmp_path, command=command)
    assert (failed.exit_code, failed.error) == (1, "No voice named alice.")
    with pytest.raises(ValueError, match="no whole job result"):
        failed.result  # noqa: B018
    (tmp_path / "test_input.json").write_text('{"input": {"do": "large", "size": 5000}}')
    from_file = run_once(None, env=environment, cwd=tmp_path, command=command)
    assert from_file.exit_code == 0
    with pytest.raises(ValueError, match="TRUNCATED"):
        from_file.result  # noqa: B018
    assert temporary_files(environment) == []


def test_a_local_job_never_iterates_a_generator_and_still_succeeds(environment: dict[str, str], tmp_path: Path) -> None:
    source = """
import runpod

async def handler(job):
    print("iterated", flush=True)
    yield {"error": "never seen"}

runpod.serverless.start({"handler": handler})
"""
    run = run_once({"input": {}}, env=environment, cwd=tmp_path, command=script(tmp_path, source))
    assert run.exit_code == 0
    assert "iterated" not in run.log


def test_the_local_api_server_through_the_sdks_client(environment: dict[str, str], tmp_path: Path) -> None:
    command = script(tmp_path, ONE_FOR_ALL)
    with ServedApi(env=environment, cwd=tmp_path, command=command) as served:
        done = served.runsync({"text": "Hello."})
        assert done["status"] == "COMPLETED"
        assert done["output"]["job"]["input"] == {"text": "Hello."}
        failed = served.runsync({"do": "fail"})
        assert failed == {"id": failed["id"], "status": "FAILED", "error": "No voice named alice."}
        assert served.endpoint.run_sync({"input": {"do": "sleep", "seconds": 0}}) == {"slept": True}
        assert served.endpoint.run_sync({"input": {"do": "fail"}}) is None

        job_id = served.run({"text": "Later."})
        assert served.status(job_id)["output"]["job"]["id"] == job_id
        assert served.status(job_id)["error"] == "Job ID not found"
        handed_in = served.endpoint.run({"input": {"text": "By the client's own Job."}})
        with pytest.raises(requests.HTTPError, match="405"):
            handed_in.status()
    assert living_members(served.pid) == []


# The helpers themselves


def test_nothing_of_the_callers_environment_gets_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "RUNPOD_ENDPOINT_ID", "BUCKET_ENDPOINT_URL", "HTTPS_PROXY", "HF_TOKEN"):
        monkeypatch.setenv(name, "leaked")
    environment = clean_environment(tmp_path, F5TTS_MODEL="smoke", LANG="C")
    source = "import json, os, tempfile; print(json.dumps([dict(os.environ), tempfile.gettempdir()]))"
    run = run_once(None, env=environment, cwd=tmp_path, command=script(tmp_path, source))
    seen, temporary = json.loads(run.log)
    assert seen.items() >= environment.items()
    assert "leaked" not in seen.values()
    assert temporary == environment["TMPDIR"]
    (tmp_path / "tmp" / "left").mkdir()
    (tmp_path / "tmp" / "left" / "a.wav").touch()
    assert temporary_files(environment) == ["left", "left/a.wav"]


def test_a_process_that_ignores_sigterm_is_killed_with_its_children(
    job_api: JobApi, environment: dict[str, str], tmp_path: Path
) -> None:
    source = """
import signal, subprocess, time

signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"])
print("child started", flush=True)
time.sleep(600)
"""
    with WorkerProcess(job_api, env=environment, cwd=tmp_path, command=script(tmp_path, source)) as worker:
        worker.grace = 0.2
        worker.wait_for_log("child started")
        assert len(living_members(worker.pid)) == 2
        with pytest.raises(TimeoutError, match="child started"):
            worker.ready(timeout=0)
        with pytest.raises(TimeoutError, match="child started"):
            worker.result(job_api.submit({}), timeout=0.1)
        with pytest.raises(TimeoutError, match="child started"):
            worker.wait(timeout=0.1)
    assert worker.exit_code == -signal.SIGKILL
    wait_until(lambda: not living_members(worker.pid))
    assert living_members(worker.pid) == []


def test_a_server_that_does_not_start_is_reported_with_its_log(environment: dict[str, str], tmp_path: Path) -> None:
    command = script(tmp_path, "raise SystemExit('no engine today')")
    served = ServedApi(env=environment, cwd=tmp_path, command=command)
    with pytest.raises(RuntimeError, match="exit code 1; its log ends:\nno engine today"):
        served.__enter__()
    assert living_members(served.pid) == []


def ask(api: JobApi, route: str, key: str = JobApi.api_key) -> http.client.HTTPConnection:
    """Send a GET as a worker does and leave the answer unread."""
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=10)
    connection.request("GET", f"/v2/{api.endpoint_id}/{route}", headers={"Authorization": key})
    return connection


def status_of(api: JobApi, route: str, key: str = JobApi.api_key) -> int:
    """The HTTP status of a GET."""
    connection = ask(api, route, key)
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_job_is_not_handed_to_a_worker_that_went_away() -> None:
    with JobApi(hold=5) as api:
        gone = ask(api, "job-take/worker-1?gpu=none")
        api.first_poll()
        gone.close()
        job_id = api.submit({"text": "Hello."})
        there = ask(api, "job-take/worker-2?gpu=none")
        answer = json.loads(there.getresponse().read())
        assert answer == {"id": job_id, "input": {"text": "Hello."}}
        there.close()


def test_a_stop_signal_goes_to_the_worker_that_has_the_job() -> None:
    with JobApi(hold=0.1) as api:
        job_id = api.submit({})
        assert status_of(api, "job-take/worker-1?gpu=none") == 200
        assert status_of(api, "job-stop/worker-1?gpu=none") == 204
        api.stop(job_id)
        assert status_of(api, "job-stop/worker-2?gpu=none") == 204
        assert status_of(api, "job-stop/worker-1?gpu=none") == 200
        assert status_of(api, "job-stop/worker-1?gpu=none") == 204


@pytest.mark.parametrize(("route", "key", "status"), [("job-take/w?gpu=none", "wrong", 401), ("purge/w", JobApi.api_key, 404)])
def test_what_no_worker_may_do_is_refused(route: str, key: str, status: int) -> None:
    with JobApi() as api:
        assert status_of(api, route, key) == status


def test_a_wait_for_what_does_not_come_says_what_was_seen() -> None:
    with JobApi() as api:
        job_id = api.submit({})
        with pytest.raises(TimeoutError, match="it was never taken; posts: none"):
            api.result(job_id, timeout=0.1)
        with pytest.raises(TimeoutError, match="no poll of a worker"):
            api.first_poll(timeout=0.1)
        with pytest.raises(TimeoutError, match="no progress post"):
            api.wait_for_post(job_id, "progress", timeout=0.1)
        assert api.try_result(job_id) is None


def test_a_fault_of_the_stand_in_itself_fails_the_test() -> None:
    with pytest.raises(ExceptionGroup, match="stand-in itself failed"), JobApi() as api:  # noqa: PT012
        connection = ask(api, "job-take-batch/worker-1?batch_size=many")
        with pytest.raises(http.client.RemoteDisconnected):
            connection.getresponse()
        connection.close()
