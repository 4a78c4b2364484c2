"""The handler in this process: ``fresh_worker`` is one without a model, and with settings, folders and a log of its own.

    answer = fresh_worker.ask({"text": "Hello."})
    assert sound(answer).duration == answer["duration"]

Every ``ask`` also checks what holds for every job: the answer can be posted, no file is left, nothing private is said.
"""

import asyncio
import base64
import io
import json
import os
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import handler
from f5_worker.delivery import workspace
from f5_worker.resources import Resources
from f5_worker.s3_config import S3Config
from tests import REPOSITORY
from tests.support.processes import ANSWER, clean_environment
from tests.support.s3_server import s3_environment
from tests.support.sounds import read_raw

QUICK = {"text": "Hello.", "nfe_step": 1}
"""A job that takes the smoke model a few milliseconds."""

LONG_TEXT = " ".join(f"This is sentence number {n} of a text that needs more than one chunk to be spoken." for n in range(9))
"""Five chunks in the built-in voice."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """A decoded result: mono samples [n] at ``rate`` Hz, and the bytes of its file."""

    samples: NDArray[np.float32]
    rate: int
    container: str
    data: bytes

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.rate


def sound(answer: dict[str, Any], cwd: Path | None = None) -> Sound:
    """The speech of an answer, wherever it is: behind the URL, inline, or in a file (relative to ``cwd``)."""
    if "audio_url" in answer:
        with urllib.request.urlopen(answer["audio_url"], timeout=60) as response:
            assert response.headers["Content-Type"] == answer["content_type"]
            data = response.read()
    elif "audio_base64" in answer:
        data = base64.b64decode(answer["audio_base64"], validate=True)
    else:
        data = ((cwd or Path()) / answer["audio_path"]).read_bytes()
    assert len(data) == answer["size"]
    if (kind := answer.get("output_format")) in ("pcm", "ulaw", "alaw"):
        return Sound(read_raw(data, kind), answer["sample_rate"], f"RAW/{kind}", data)
    with soundfile.SoundFile(io.BytesIO(data)) as file:
        assert (file.channels, file.samplerate) == (1, answer.get("sample_rate", file.samplerate))
        return Sound(file.read(dtype="float32"), file.samplerate, f"{file.format}/{file.subtype}", data)


def said_in(log: str, *private: str) -> list[str]:
    """Which of these the worker itself said. Not its words: the answer that follows a local job."""
    ours, _, _ = f"\n{log}".partition(ANSWER)
    return [
        f"{word} in: {line}"
        for line in ours.splitlines()
        for word in (*private, str(REPOSITORY), sys.prefix, "X-Amz-")
        if word in line
    ]


def base64_of(data: bytes) -> str:
    """``data`` as a job sends it."""
    return base64.b64encode(data).decode("ascii")


class FreshWorker:
    """The handler with resources of its own, to which jobs are handed as the SDK does it: each as a task of an event loop."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self.folder = folder
        self.log = ""
        self.private = {str(folder), str(REPOSITORY), sys.prefix, "X-Amz-", "Traceback"}
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.memory = folder / "memory"
        self.memory.mkdir()
        environment = clean_environment(folder, F5TTS_MODEL="smoke", F5TTS_DEVICE="cpu")
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "torch")  # transformers' import makes it, in TMPDIR if not told
        for name in os.environ.keys() - environment.keys():
            monkeypatch.delenv(name)
        self.set(**environment)
        monkeypatch.chdir(folder)
        self.use_as_temporary(folder / "tmp")
        monkeypatch.setattr(workspace, "MEMORY_FOLDER", self.memory)
        self.now: float | None = None
        self._monkeypatch.setattr(handler, "resources", self._resources())

    def _resources(self) -> Resources:
        return Resources(os.environ, lambda: time.monotonic() if self.now is None else self.now)

    def set(self, **environment: str | Path | float) -> None:
        """Set variables of the environment; a worker that is up does not see them (``restart``)."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, str(value))

    def restart(self, **environment: str | Path | float) -> None:
        """A worker without a model, under changed settings."""
        self.set(**environment)
        self._monkeypatch.setattr(handler, "resources", self._resources())

    def use_s3(self, config: S3Config) -> None:
        """``restart`` with the bucket as the endpoint's."""
        self.restart(**s3_environment(config), S3_TIMEOUT=config.timeout)
        self.private |= {str(config.secret_access_key), str(config.access_key_id)}

    def use_as_temporary(self, folder: Path) -> None:
        """Temporary files go here from now on."""
        folder.mkdir(exist_ok=True)
        self.temporary = folder
        self._monkeypatch.setattr(tempfile, "tempdir", str(folder))

    def ask(self, job_input: object, **top_level: object) -> dict[str, Any]:
        """One job's answer, as it would be posted."""
        answer = asyncio.run(handler.handler({"id": "job-1", "input": job_input, **top_level}))
        posted: dict[str, Any] = json.loads(json.dumps(answer, allow_nan=False).encode("utf-8"))
        assert posted == answer
        said = self.heard() + (json.dumps(answer, ensure_ascii=False) if "error" in answer else "")
        text = job_input.get("text") if isinstance(job_input, dict) else None
        private = self.private | ({text} if isinstance(text, str) and len(text.strip()) > 8 else set())  # "7" is in any log
        assert [secret for secret in private if secret in said] == []
        assert self.left_behind() == []
        return answer

    def speaks(self) -> dict[str, Any]:
        """The answer to one good job, which proves that the worker goes on."""
        answer = self.ask(QUICK)
        assert answer.get("status") == "completed", answer
        return answer

    def health(self) -> dict[str, Any]:
        """What ``health`` answers."""
        return self.ask({"endpoint": "health"})

    def heard(self) -> str:
        """What was logged since the last job; ``log`` keeps all of it."""
        new = self._capsys.readouterr().out
        self.log += new
        return new

    def left_behind(self) -> list[str]:
        """Files and folders of jobs that are still there."""
        return sorted(str(path) for folder in (self.temporary, self.memory) for path in folder.rglob("*"))


@pytest.fixture
def fresh_worker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> FreshWorker:
    """A worker without a model; ``F5TTS_MODEL`` is ``smoke``, on the CPU, nothing else is set."""
    return FreshWorker(monkeypatch, capsys, tmp_path)
