"""Hundreds of jobs in one real worker process leave its memory, threads, files and temporary files where they were.

They come through the SDK's local API: its job loop waits for a second after each job, so it would take ten minutes.
"""

import base64
import statistics
import threading
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from f5_worker.s3_config import S3Config
from tests.support.processes import ServedApi, clean_environment, temporary_files
from tests.support.s3_server import S3Server
from tests.support.sounds import silence, sound_file, voice

JOBS = 500
# By then every kind of job has been seen several times, every cache is full, and every pool of threads has its threads.
WARM_UP_JOBS = 150
SAMPLED_JOBS = 50
# 350 jobs that each kept a clip or a result (0.1 MB and more as samples) would add 35 MB; the allocator alone moves a few.
MOST_GROWTH = 12 * 2**20
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
    """What a process holds: resident memory in bytes, threads, and open files."""

    memory: int
    threads: int
    files: int


def footprint(pid: int) -> Footprint:
    """The footprint of a running process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines())
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Footprint(int(status["VmRSS"].split()[0]) * 1024, int(status["Threads"]), files)


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
    """One round of jobs; each round's clips, seeds and names differ from those of the others, short so that it is quick."""
    fresh = voice(CLIP_SECONDS, level=0.2 + number * 1e-3)
    clip, mp3, flac = (encoded(sound_file(fresh, kind=kind)) for kind in ("wav", "mp3", "flac"))
    same = encoded(sound_file(voice(CLIP_SECONDS)))
    quick = {"text": f"Round number {number}.", "ref_text": REFERENCE_TEXT, "nfe_step": 1, "seed": number}
    cached = {**quick, "ref_audio_base64": same}
    return (
        Kind({"text": f"Round {number}.", "nfe_step": 1}),
        Kind(cached),
        Kind({**cached, "output_format": "flac"}),
        Kind({**cached, "output_format": "mp3"}),
        Kind({**cached, "output_format": "ogg", "remove_silence": True}),
        Kind({**cached, "text": LONG_TEXT if number % 3 == 0 else f"\u4f60\u597d, {number}."}),
        Kind({**quick, "ref_audio_base64": clip}),
        Kind({**quick, "ref_audio_base64": mp3}),
        Kind({"text": "Transcribed first.", "nfe_step": 1, "ref_audio_base64": flac}),
        Kind({**quick, "local_voice": f"{url}/clip-{number}"}),
        Kind({"endpoint": "upload", "voice_name": VOICE, "voice_base64": clip, "ref_text": REFERENCE_TEXT}),
        Kind({"text": "A stored voice.", "nfe_step": 1, "local_voice": VOICE}),
        Kind({"endpoint": "list_voices"}),
        Kind({"endpoint": "health"}),
        Kind({**cached, "text": "  "}, error="text"),
        Kind({**cached, "sped": 2}, error="sped"),
        Kind({**cached, "nfe_step": 0}, error="nfe_step"),
        Kind({**cached, "fix_duration": 0.5}, error="fix_duration"),
        Kind({"endpoint": "nothing"}, error="endpoint"),
        Kind({**quick, "ref_audio_base64": encoded(b"<html>" * 99)}, error="HTML"),
        Kind({**quick, "ref_audio_base64": encoded(sound_file(silence(CLIP_SECONDS)))}, error="silent"),
        Kind({**quick, "local_voice": f"{url}/missing"}, error="404"),
        Kind({**quick, "local_voice": f"nobody-{number}"}, error="nobody"),
        Kind({"endpoint": "download", "job_id": str(uuid.UUID(int=number))}, error="result"),
    )


def all_kinds(url: str) -> Iterator[Kind]:
    """Round after round."""
    for number in count():
        yield from kinds(number, url)


def run(worker: ServedApi, jobs: Iterable[Kind]) -> list[Footprint]:
    """Hand the jobs in, one after the other, and look at the worker after each."""
    looks = []
    for kind in jobs:
        answer = worker.runsync(kind.job_input)
        if kind.error is None:
            assert answer["status"] == "COMPLETED", answer
        else:
            assert answer["status"] == "FAILED", answer
            assert kind.error in answer["error"]
        looks.append(footprint(worker.pid))
    return looks


def test_hundreds_of_jobs_leave_the_worker_as_it_was(
    tmp_path: Path, s3_server: S3Server, s3_config: S3Config, tiny_whisper: Path, clip_url: str
) -> None:
    environment = clean_environment(
        tmp_path,
        F5TTS_MODEL="smoke",
        F5TTS_DEVICE="cpu",
        # How many heaps glibc makes depends on which threads happen to meet on a busy machine; that growth is not the worker's.
        MALLOC_ARENA_MAX="1",
        ASR_MODEL=str(tiny_whisper),
        REFERENCE_CACHE_ITEMS="4",
        RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS="true",
        S3_BUCKET=s3_config.bucket,
        S3_PREFIX=s3_config.prefix,
        AWS_ACCESS_KEY_ID=str(s3_config.access_key_id),
        AWS_SECRET_ACCESS_KEY=str(s3_config.secret_access_key),
        AWS_ENDPOINT_URL=s3_server.endpoint,
    )
    jobs = all_kinds(clip_url)
    with ServedApi(env=environment, cwd=tmp_path) as worker:
        run(worker, islice(jobs, WARM_UP_JOBS - SAMPLED_JOBS))
        before, files_before = run(worker, islice(jobs, SAMPLED_JOBS)), temporary_files(environment)
        run(worker, islice(jobs, JOBS - WARM_UP_JOBS - SAMPLED_JOBS))
        after, files_after = run(worker, islice(jobs, SAMPLED_JOBS)), temporary_files(environment)

        assert files_after == files_before
        assert max(look.threads for look in after) <= max(look.threads for look in before) + SLACK
        assert max(look.files for look in after) <= max(look.files for look in before) + SLACK
        growth = statistics.median(look.memory for look in after) - statistics.median(look.memory for look in before)
        assert growth < MOST_GROWTH
        done = worker.runsync({"endpoint": "health"})["output"]["jobs"]
        assert done["completed"] + done["failed"] == JOBS
