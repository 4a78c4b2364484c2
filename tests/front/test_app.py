"""What no real job does on demand: a failure in mid-stream, one that the process cannot survive, a full queue."""

import asyncio
import base64
import socket
import threading
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

import pytest
import requests
import uvicorn

from f5_worker import errors
from f5_worker.errors import CudaBrokenError, SynthesisError, TooManyRequestsError, WorkerError
from f5_worker.front import connection
from f5_worker.front.app import Front
from f5_worker.front.connection import Connections
from f5_worker.front.gate import WAITING_PER_PLACE, Gate
from f5_worker.front.readiness import Readiness
from f5_worker.front.statuses import status_of
from f5_worker.resources import Resources
from f5_worker.settings import Settings
from tests import PATIENCE, wait_until
from tests.support.ports import reserved_ports

SAMPLES = base64.b64encode(bytes(48_000)).decode()
PART = {"part": 0, "text": "Hello.", "start": 0.0, "end": 1.0, "audio_base64": SAMPLES, "format": "pcm", "sample_rate": 24_000}


class FailingWorker:
    """Jobs that give a part and then the error; a server around them, on ``url``. ``ended``: it asked for the process's end."""

    def __init__(self, error: WorkerError) -> None:
        self.error, self.ended = error, threading.Event()
        self.streams = self._failing_stream
        self.resources = Resources({"F5TTS_MODEL": "smoke"})
        self.readiness = Readiness(self.resources)

    async def handler(self, _job: Mapping[str, Any]) -> dict[str, Any]:
        return self.error.answer()

    async def stream_handler(self, job: Mapping[str, Any], settings: Settings) -> AsyncGenerator[dict[str, Any], None]:
        async with aclosing(self.streams(job, settings)) as parts:
            async for part in parts:
                yield part

    async def _failing_stream(self, _job: Mapping[str, Any], _settings: Settings) -> AsyncGenerator[dict[str, Any], None]:
        yield PART
        yield self.error.answer()

    def serve(self) -> Iterator[str]:
        front = Front(self.handler, self.stream_handler, self.resources, self.readiness, self.ended.set)
        with reserved_ports(1) as (port,):
            config = uvicorn.Config(Connections(front.app, None), port=port, log_config=None, lifespan="off", ws="none")
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run)
            thread.start()
            wait_until(lambda: server.started)
            yield f"http://127.0.0.1:{port}"
            server.should_exit = True
            thread.join()


@pytest.fixture
def worker() -> FailingWorker:
    return FailingWorker(SynthesisError("The model made no sound."))


@pytest.fixture
def url(worker: FailingWorker) -> Iterator[str]:
    yield from worker.serve()


def test_a_failure_after_the_first_byte_cuts_the_connection(url: str) -> None:
    body = {"input": "Hello."}
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.post(f"{url}/v1/audio/speech", json=body | {"response_format": "pcm"}, timeout=PATIENCE)
    events = requests.post(f"{url}/v1/audio/speech", json=body | {"stream_format": "sse"}, timeout=PATIENCE).text
    assert '{"type": "error", "error": {"message": "The model made no sound."' in events
    assert "speech.audio.done" not in events
    lines = requests.post(f"{url}/tts", json={"text": "Hello."}, headers={"Accept": "application/x-ndjson"}, timeout=PATIENCE)
    assert '"error": "The model made no sound."' in lines.text.splitlines()[-1]


def test_what_the_process_cannot_survive_is_told_to_the_platform_and_ends_it(worker: FailingWorker, url: str) -> None:
    worker.resources.model.value = object()  # type: ignore[assignment]  # loaded
    assert requests.get(f"{url}/ping", timeout=PATIENCE).status_code == 200
    worker.error = CudaBrokenError("The GPU's context is broken.")
    answer = requests.post(f"{url}/tts", json={"text": "Hello."}, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["error_type"]) == (503, "CudaBrokenError")
    assert "retry-after" not in answer.headers
    ping = requests.get(f"{url}/ping", timeout=PATIENCE)
    assert (ping.status_code, ping.json()["error"]) == (503, "The GPU's context is broken.")
    assert worker.ended.is_set()


def test_a_body_that_does_not_come_in_time_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BODY_SECONDS", 0.2)
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
        head = "POST /tts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        client.sendall(head.encode() + b'{"text"')
        answer = b"".join(iter(lambda: client.recv(65_536), b""))  # until the server closes
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"error_type":"RequestTooSlowError"' in answer.replace(b": ", b":")


def test_who_takes_nothing_of_a_stream_leaves_the_place_to_others(
    worker: FailingWorker, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TAKE_SECONDS", 0.2)
    closed = threading.Event()

    async def endless(_job: Mapping[str, Any], _settings: Settings) -> AsyncGenerator[dict[str, Any], None]:
        try:
            while True:
                yield PART
        finally:
            closed.set()

    worker.streams = endless
    response = requests.post(f"{url}/v1/audio/speech", json={"input": "Hello."}, timeout=PATIENCE, stream=True)
    assert closed.wait(PATIENCE)
    answer = requests.post(f"{url}/tts", json={"text": "Hello."}, timeout=PATIENCE)  # in the only place
    assert answer.json()["error"] == worker.error.message
    response.close()


def test_every_error_has_a_status() -> None:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, WorkerError)]
    found = {each.__name__: status_of(each("What is wrong.").answer()) for each in classes}
    assert all(400 <= status < 600 for status in found.values())
    own = {
        "KeyRefusedError": 401,
        "NotFoundError": 404,
        "TooManyRequestsError": 429,
        "HubUnreachableError": 503,
        "WorkerError": 500,
    }
    assert found | own == found


def test_the_gate_lets_some_in_some_wait_and_turns_the_others_away() -> None:
    async def rush() -> None:
        gate, release, inside = Gate(2), asyncio.Event(), 0

        async def job() -> None:
            nonlocal inside
            async with gate:
                inside += 1
                await release.wait()

        jobs = [asyncio.ensure_future(job()) for _ in range(2 + 2 * WAITING_PER_PLACE + 3)]
        await asyncio.sleep(0)
        assert inside == 2
        assert [type(job.exception()) for job in jobs if job.done()] == [TooManyRequestsError] * 3
        jobs[3].cancel()  # who leaves the queue makes room in it
        await asyncio.wait([jobs[3]])
        jobs.append(asyncio.ensure_future(job()))
        release.set()
        await asyncio.gather(*jobs, return_exceptions=True)
        assert inside == 2 + 2 * WAITING_PER_PLACE

    asyncio.run(rush())
