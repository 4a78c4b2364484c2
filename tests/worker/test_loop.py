"""The job loop under a failing job API: no answer is lost, no stop and no shutdown loses or keeps a job."""

import asyncio
import base64
import json
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import requests
import runpod

from f5_worker import polls
from f5_worker.s3_config import S3Config
from f5_worker.sdk import prepare_sdk_environment
from tests import REPOSITORY, wait_until
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess
from tests.support.s3_server import s3_environment

HEALTH = {"endpoint": "health"}


@pytest.mark.parametrize("breaks", [(None, 429, 500, 503, 408, None), (400, 400), (502,) * 5], ids=str)
def test_an_answer_is_posted_until_it_is_taken(environment: dict[str, str], tmp_path: Path, breaks: tuple[int | None]) -> None:
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=tmp_path):
        api.first_poll()
        api.break_posts(*breaks)
        job_id = api.submit(HEALTH)
        assert api.result(job_id)["output"]["jobs"]["completed"] == 0
        assert [attempt.status for attempt in api.attempts(job_id)] == [*breaks, 200]


@pytest.mark.parametrize(
    ("status", "rests"),
    [
        (500, [0.1, 0.2, 0.4, 0.8, 1.6]),
        (401, [0.1, 0.2, 0.4]),
        (None, [0.0, 0.1, 0.0, 0.2, 0.0, 0.4]),  # aiohttp itself asks once more after a connection that was dropped
        (400, [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]),  # the SDK takes it for "no job": so FlashBoot answers
        (204, [0.1, 0.2, 0.4]),
        (429, [5.0]),
    ],
)
def test_polls_that_fail_or_are_answered_at_once_are_followed_by_a_rest_that_grows(
    environment: dict[str, str], tmp_path: Path, status: int | None, rests: list[float]
) -> None:
    with JobApi() as api:
        api.poll_status = status
        with WorkerProcess(api, env=environment, cwd=tmp_path) as worker:
            wait_until(lambda: len(api.polls()) > len(rests))
            gaps = [later - earlier for earlier, later in pairwise(api.polls())]
            assert all(gap > rest - 0.001 for gap, rest in zip(gaps, rests, strict=False)), gaps
            api.poll_status = 200
            assert "output" in worker.result(api.submit(HEALTH))


RESTS_OF_AN_HOUR = """
import handler
from f5_worker import polls
polls.FIRST_REST, polls.LONGEST_REST = 3600, {"failed": 3600, "empty": 3600}
handler.main()
"""


@pytest.mark.parametrize("status", [500, 429, 204])
def test_sigterm_ends_a_rest(environment: dict[str, str], status: int) -> None:
    with JobApi() as api:
        api.poll_status = status
        with WorkerProcess(api, env=environment, cwd=REPOSITORY, command=[sys.executable, "-c", RESTS_OF_AN_HOUR]) as worker:
            api.first_poll()
            worker.sigterm()
            assert worker.wait() == 0
        assert len(api.polls()) == 1


def test_after_a_poll_that_was_held_open_the_next_comes_at_once(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", RESTS_OF_AN_HOUR]
    with JobApi(hold=2 * polls.HELD) as api, WorkerProcess(api, env=environment, cwd=REPOSITORY, command=command) as worker:
        wait_until(lambda: len(api.polls()) == 4)
        assert "output" in worker.result(api.submit(HEALTH))
        assert "output" in worker.result(api.submit(HEALTH))


def test_stops_that_the_api_repeats_are_no_news() -> None:
    brought: list[list[str]] = [["a"], ["a"], []]

    async def poll() -> list[str]:
        return brought.pop(0)

    async def rests(poll: polls.Poll) -> list[float]:
        found = []
        while brought:
            await poll()
            found.append(poll._rest)
        return found

    assert asyncio.run(rests(polls.Poll(poll, is_news=lambda _: False))) == [0.1, 0.2, 0.4]
    brought[:] = [[], ["a"], []]
    assert asyncio.run(rests(polls.Poll(poll))) == [0.1, 0.0, 0.1]


def test_what_cannot_be_encoded_is_answered_too(environment: dict[str, str], tmp_path: Path) -> None:
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=tmp_path):
        job_id = api.submit(HEALTH, s3Config={"\ud800": "x"})
        assert "s3Config" in api.result(job_id)["error"]


def test_sigterm_ends_an_open_poll_and_what_is_handed_out_later_stays_in_the_queue(
    environment: dict[str, str], tmp_path: Path
) -> None:
    with JobApi(hold=60) as api, WorkerProcess(api, env=environment, cwd=tmp_path) as worker:
        api.first_poll()
        worker.sigterm()
        assert worker.wait() == 0
        job_id = api.submit(HEALTH)
        assert api.try_result(job_id, 1) is None
        with WorkerProcess(api, env=environment | {"RUNPOD_POD_ID": "worker-2"}, cwd=tmp_path):
            assert "output" in api.result(job_id)


@pytest.mark.parametrize(
    "name",
    [
        "RUNPOD_PING_INTERVAL",
        "RUNPOD_REALTIME_PORT",
        "RUNPOD_REALTIME_CONCURRENCY",
        "RUNPOD_MIN_MEMORY_GB",
        "RUNPOD_GPU_TEST_TIMEOUT",
        "RUNPOD_NETWORK_CHECK_TIMEOUT",
        "RUNPOD_LOG_LEVEL",
        "UVICORN_LOG_LEVEL",
        "TQDM_MININTERVAL",
        "TQDM_NCOLS",
        "HF_HUB_ETAG_TIMEOUT",
    ],
)
@pytest.mark.parametrize("value", ["abc", "", "nan", "-1"])
def test_values_that_only_the_sdk_reads_are_dropped_and_told(name: str, value: str) -> None:
    variables = {name: value}
    problems = prepare_sdk_environment(variables)
    assert variables.get(name) in (None, "INFO")
    assert name in problems[0]


@pytest.mark.parametrize("name", ["PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"])
@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("junk", False),
        ("expandable_segments=True", False),
        (":", False),
        ("a:b:c", False),
        ("", True),
        ("expandable_segments:True,max_split_size_mb:128", True),
        ("roundup_power2_divisions:[256:1,>:4]", True),
    ],
)
def test_an_allocator_that_torch_cannot_read_does_not_end_the_process(name: str, value: str, kept: bool) -> None:
    variables = {name: value}
    assert (prepare_sdk_environment(variables) == []) is (name in variables) is kept


def test_every_number_the_sdk_reads_from_the_environment_is_checked() -> None:
    read = re.compile(r"(?:int|float)\(\s*os\.(?:environ\.get|getenv)\(\s*[\"'](\w+)")
    serverless = Path(runpod.__file__).parent / "serverless"
    names = {name for path in serverless.rglob("*.py") for name in read.findall(path.read_text(encoding="utf-8"))}
    assert "RUNPOD_PING_INTERVAL" in names
    assert [name for name in sorted(names) if not prepare_sdk_environment({name: "abc"})] == []


@pytest.mark.parametrize("broken", ["closed", "reader gone", "full"])
def test_a_log_that_cannot_be_written_ends_nothing(environment: dict[str, str], broken: str) -> None:
    redirect = {"closed": ">&- 2>&- <&-", "full": ">/dev/full 2>&1", "reader gone": "> >(exit 0) 2>&1"}[broken]
    command = ["bash", "-c", f'exec "{sys.executable}" handler.py {redirect}']
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=REPOSITORY, command=command) as worker:
        assert worker.result(api.submit(HEALTH))["output"]["status"]
        worker.sigterm()
        assert worker.wait() == 0


def test_a_loop_that_fails_is_started_again(environment: dict[str, str]) -> None:
    code = """
import handler
from f5_worker import loop
from f5_worker.sdk import runpod
real = runpod.serverless.start
def start(config, calls=[]):
    calls.append(1)
    if len(calls) < 3:
        raise OSError("no semaphores")
    real(config)
runpod.serverless.start = start
loop._RESTART_PAUSES = (0.01,)
handler.main()
"""
    command = [sys.executable, "-c", code]
    with JobApi() as api, WorkerProcess(api, env=environment, cwd=REPOSITORY, command=command) as worker:
        assert "output" in worker.result(api.submit(HEALTH))


def test_a_stop_before_the_job_has_begun_is_kept() -> None:
    """Through the SDK's own loops, with a fetcher that brings two jobs for one place and a stop for the second."""
    code = """
import asyncio, json
from f5_worker import loop
from f5_worker.sdk import rp_scale
ran, waiting = [], ["first", "second", "third"]
async def fetch(session, count):
    if not waiting:
        await asyncio.sleep(3600)
    job = {"id": waiting.pop(0), "input": {}}
    if job["id"] == "second":
        fetch.stopping = asyncio.ensure_future(stop_once_it_is_taken())
    return [job]
async def stop_once_it_is_taken():
    while scaler.job_progress.get("second") is None:
        await asyncio.sleep(0)
    assert await scaler.stop_job("second")
async def handle(session, config, job):
    ran.append(job["id"])
    if job["id"] == "third":
        scaler.kill_worker()
rp_scale.get_job, rp_scale.handle_job = fetch, handle
scaler = loop.Scaler({"handler": None})
async def main():
    assert not await scaler.stop_job("unknown")
    await scaler.run()
asyncio.run(main())
print(json.dumps([ran, scaler.job_progress.get_job_list()]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout.splitlines()[-1]) == [["first", "third"], None]


SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
SPEECH = {"text": "Four score and seven years ago.", "nfe_step": 1}


PATIENT = """
import handler
from f5_worker.delivery import records
records._PATIENCE = 300.0  # on a busy machine the first answer of a bucket takes longer than a job is held up for
handler.main()
"""


@pytest.mark.parametrize("restarted", [False, True])
def test_a_job_that_is_handed_out_twice_is_answered_from_what_was_made(
    environment: dict[str, str], s3_config: S3Config, restarted: bool
) -> None:
    env, command = environment | SMOKE | s3_environment(s3_config), [sys.executable, "-c", PATIENT]
    with JobApi() as api:
        with WorkerProcess(api, env=env, cwd=REPOSITORY, command=command) as worker:
            job_id = api.submit(SPEECH)
            first = worker.result(job_id)["output"]
            if not restarted:
                api.submit(SPEECH, id=job_id)
                wait_until(lambda: len(api.results(job_id)) == 2)
        with WorkerProcess(api, env=env, cwd=REPOSITORY, command=command) as worker:
            if restarted:
                api.submit(SPEECH, id=job_id)
                wait_until(lambda: len(api.results(job_id)) == 2)
            again = api.results(job_id)[1]["output"]
            assert {**again, "audio_url": ""} == {**first, "audio_url": ""}
            assert requests.get(again["audio_url"], timeout=60).content == requests.get(first["audio_url"], timeout=60).content
            other = api.submit(SPEECH | {"text": "Another text."}, id=job_id)
            wait_until(lambda: len(api.results(job_id)) == 3)
            assert api.results(other)[2]["output"]["text"] == "Another text."


def test_without_s3_long_speech_is_planned_for_what_an_answer_holds(environment: dict[str, str], tmp_path: Path) -> None:
    env = environment | SMOKE | {"MAX_INLINE_BYTES": "60000"}
    with JobApi() as api, WorkerProcess(api, env=env, cwd=tmp_path) as worker:
        answer = worker.result(api.submit(SPEECH))["output"]
        assert (answer["output_format"], answer["content_type"]) == ("ogg", "audio/ogg")
        assert len(base64.b64decode(answer["audio_base64"])) == answer["size"] <= 60_000
        assert any("ogg instead" in warning for warning in answer["warnings"])
        too_long = worker.result(api.submit(SPEECH | {"text": "word " * 1000}))
        assert "in any format" in too_long["error"]


def test_speech_has_an_upper_length(environment: dict[str, str], tmp_path: Path) -> None:
    env = environment | SMOKE | {"MAX_AUDIO_MINUTES": "0.5"}
    with JobApi() as api, WorkerProcess(api, env=env, cwd=tmp_path) as worker:
        assert "MAX_AUDIO_MINUTES" in worker.result(api.submit(SPEECH | {"text": "word " * 300}))["error"]
