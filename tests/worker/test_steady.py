"""Hundreds of jobs in one real worker process leave its memory, threads, files and temporary files where they were.

They come through the SDK's local API: its job loop waits for a second after each job, so it would take ten minutes.
"""

import base64
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from f5_worker.s3_config import S3Config
from tests import REPOSITORY
from tests.support.measured_worker import COUNTED, GAUGE, LEAK, read_gauge
from tests.support.processes import ServedApi, clean_environment, temporary_files
from tests.support.s3_server import s3_environment
from tests.support.sounds import silence, sound_file, voice

MEASURED: Sequence[str] = (sys.executable, "-m", "tests.support.measured_worker")
ROUNDS = 3
"""Rounds until every kind of job has filled its caches; the verdict compares the worker then and after three times as many."""
MOST_GROWTH = 2 * 2**20  # bytes
LEAK_PER_JOB = 20_000  # bytes
# What comes and goes by itself while jobs run: connections to S3 and from callers, and the threads that wait for them.
SLACK = 3

VOICE = "steady.wav"
REFERENCE_TEXT = "A voice that speaks in a test."
CLIP_SECONDS = 1.2
LONG_TEXT = " ".join(f"This is sentence number {number} of a text that needs more than one chunk." for number in range(8))
"""Two chunks."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of job, and what its error must name (``None``: it must succeed)."""

    job_input: dict[str, Any]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds after a round: bytes allocated, the most threads and open files seen, and temporary files."""

    heap: int
    threads: int
    files: int
    temporary_files: Sequence[str]


@pytest.fixture
def clip_url() -> Iterator[str]:
    """A server that has one clip for every path but ``/missing``."""
    clip = sound_file(voice(CLIP_SECONDS))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            missing = self.path == "/missing"
            self.send_response(404 if missing else 200)
            self.send_header("Content-Length", "0" if missing else str(len(clip)))
            self.end_headers()
            if not missing:
                self.wfile.write(clip)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def encoded(data: bytes) -> str:
    """Bytes as a job carries them."""
    return base64.b64encode(data).decode("ascii")


def kinds(number: int, url: str) -> Sequence[Kind]:
    """A round of jobs, short so that it is quick.

    Each round's clips, seeds and names differ from those of the others but not in length, so no cache by shape grows.
    """
    fresh = voice(CLIP_SECONDS, level=0.2 + number * 1e-3)
    clip, mp3, flac = (encoded(sound_file(fresh, kind=kind)) for kind in ("wav", "mp3", "flac"))
    same = encoded(sound_file(voice(CLIP_SECONDS)))
    quick = {"text": f"Round number {number:03}.", "ref_text": REFERENCE_TEXT, "nfe_step": 1, "seed": 1000 + number}
    cached = {**quick, "ref_audio_base64": same}
    return (
        Kind({"text": f"Round {number:03}.", "nfe_step": 1}),
        Kind(cached),
        Kind({**cached, "output_format": "flac"}),
        Kind({**cached, "output_format": "mp3"}),
        Kind({**cached, "output_format": "ogg", "remove_silence": True}),
        Kind({**cached, "text": LONG_TEXT}),
        Kind({**cached, "text": f"\u4f60\u597d, {number:03}."}),
        Kind({**quick, "ref_audio_base64": clip}),
        Kind({**quick, "ref_audio_base64": mp3}),
        Kind({"text": "Transcribed first.", "nfe_step": 1, "ref_audio_base64": flac}),
        Kind({**quick, "local_voice": f"{url}/clip-{number:03}"}),
        Kind({"endpoint": "upload", "voice_name": VOICE, "voice_base64": clip, "ref_text": REFERENCE_TEXT}),
        Kind({"text": "A stored voice.", "nfe_step": 1, "local_voice": VOICE}),
        Kind({"endpoint": "list_voices"}),
        Kind({"endpoint": "health"}),
        Kind({**cached, "text": "  "}, error="text"),
        Kind({**cached, "sped": 2}, error="sped"),
        Kind({**cached, "nfe_step": 0}, error="nfe_step"),
        Kind({**cached, "fix_duration": 0.5}, error="fix_duration"),
        REFUSED,
        Kind({**quick, "ref_audio_base64": encoded(b"<html>" * 99)}, error="HTML"),
        Kind({**quick, "ref_audio_base64": encoded(sound_file(silence(CLIP_SECONDS)))}, error="silent"),
        Kind({**quick, "local_voice": f"{url}/missing"}, error="404"),
        Kind({**quick, "local_voice": f"nobody-{number:03}"}, error="nobody"),
        Kind({"endpoint": "download", "job_id": str(uuid.UUID(int=number))}, error="result"),
    )


REFUSED = Kind({"endpoint": "nothing"}, error="endpoint")


def threads_and_files(pid: int) -> tuple[int, int]:
    """How many threads and how many open files a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())), len(list(Path(f"/proc/{pid}/fd").iterdir()))


@dataclass(frozen=True, slots=True)
class SteadyWorker:
    """A worker process that tells what it holds."""

    served: ServedApi
    clip_url: str

    def round(self, jobs: Sequence[Kind]) -> Footprint:
        """Hand a round of jobs in, one after the other, and look at the worker."""
        looks = []
        for kind in jobs:
            answer = self.served.runsync(kind.job_input)
            if kind.error is None:
                assert answer["status"] == "COMPLETED", answer
            else:
                assert answer["status"] == "FAILED", answer
                assert kind.error in answer["error"]
            looks.append(threads_and_files(self.served.pid))
        threads, files = zip(*looks, strict=True)
        heap = read_gauge(Path(self.served.env[GAUGE]))
        return Footprint(heap, max(threads), max(files), temporary_files(self.served.env))

    def rounds(self, *, refused: bool = False) -> tuple[Footprint, Footprint]:
        """The footprints after round ``ROUNDS`` and after round ``3 * ROUNDS``, ``refused``: of jobs that cost nothing."""
        rounds = (kinds(number, self.clip_url) for number in range(1, 3 * ROUNDS + 1))
        footprints = [self.round([REFUSED] * len(jobs) if refused else jobs) for jobs in rounds]
        return footprints[ROUNDS - 1], footprints[-1]


StartWorker: TypeAlias = Callable[[int], AbstractContextManager[SteadyWorker]]


@pytest.fixture
def start_worker(tmp_path: Path, s3_config: S3Config, tiny_whisper: Path, clip_url: str) -> StartWorker:
    """Starts a worker that leaks so many bytes a job."""

    @contextmanager
    def start(leak: int) -> Iterator[SteadyWorker]:
        environment = {
            **clean_environment(tmp_path),
            **COUNTED,
            GAUGE: str(tmp_path / "gauge"),
            LEAK: str(leak),
            "PYTHONPATH": str(REPOSITORY),
            "F5TTS_MODEL": "smoke",
            "F5TTS_DEVICE": "cpu",
            "ASR_MODEL": str(tiny_whisper),
            "REFERENCE_CACHE_ITEMS": "4",
            "RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS": "true",
            **s3_environment(s3_config),
        }
        with ServedApi(env=environment, cwd=tmp_path, command=MEASURED) as served:
            yield SteadyWorker(served, clip_url)

    return start


def test_hundreds_of_jobs_leave_the_worker_as_it_was(start_worker: StartWorker) -> None:
    with start_worker(0) as worker:
        before, after = worker.rounds()
        done = worker.served.runsync({"endpoint": "health"})["output"]["jobs"]
    assert after.heap - before.heap < MOST_GROWTH
    assert after.threads <= before.threads + SLACK
    assert after.files <= before.files + SLACK
    assert after.temporary_files == before.temporary_files
    assert done["completed"] + done["failed"] == 3 * ROUNDS * len(kinds(0, ""))


def test_a_leak_of_20_kb_a_job_is_found(start_worker: StartWorker) -> None:
    with start_worker(LEAK_PER_JOB) as worker:
        before, after = worker.rounds(refused=True)
    assert after.heap - before.heap > MOST_GROWTH
