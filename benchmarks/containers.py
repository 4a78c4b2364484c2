"""Workers as a platform starts them, in a new container or in one that was there before, until the first speech."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bootstrap.places import base_python
from tests import REPOSITORY
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess, clean_environment

_PASSED_ON = ("SSL_CERT_FILE", "SSL_CERT_DIR", "UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES")
COMMAND = (str(REPOSITORY / "start.sh"),)
_CACHES = Path("/proc/sys/vm/drop_caches")
_LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The first speech of a worker: seconds from the process's start, processor seconds of it and all its children that have
    ended, what ``health`` says of the bootstrap, and the seconds until the first poll and of the parts of the load."""

    seconds: float
    cpu: float
    bootstrap: dict[str, Any]
    marks: dict[str, float]


class Container:
    """A container's disk, on which any number of workers may start one after the other."""

    def __init__(self, folder: Path, *, volume: Path, model: Path, nfe_step: int, device: str, limit: float) -> None:
        self.folder = folder
        self._limit = limit
        self._job = {"text": "Hello from F5-TTS.", "nfe_step": nfe_step}
        self._environment = clean_environment(
            folder,
            F5_PYTHON=base_python(),
            F5_LOCAL_ROOT=str(folder / "local"),
            NETWORK_VOLUME=str(volume),
            F5TTS_MODEL=str(model),
            F5TTS_DEVICE=device,
            **{name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            UV_CACHE_DIR=os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv"),
            PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # where uv is
        )

    @contextmanager
    def speaking(self, counted: Callable[[], None] = lambda: None) -> Iterator[tuple[WorkerProcess, Speech]]:
        """A worker that has spoken once; ``counted`` is called the moment its answer is there.

        Raises:
            TimeoutError: when it does not speak in time.
            RuntimeError: when it fails.
        """
        with JobApi(hold=0.2) as api:
            job = api.submit(self._job)
            with WorkerProcess(api, env=self._environment, cwd=self.folder, command=COMMAND) as worker:
                answer = worker.result(job, self._limit)
                counted()
                at = api.wait_for_post(job, "result").at
                if answer.get("output", {}).get("status") != "completed":
                    raise RuntimeError(f"no speech: {answer}; the log ends:\n{worker.log[-3000:]}")
                used = _processor_seconds(worker.pid)
                health = worker.result(api.submit({"endpoint": "health"}), self._limit)["output"]
                ready = api.first_poll(after=worker.started) - worker.started
                marks = {"first poll": ready, **_loading(worker.log)}
                yield worker, Speech(seconds=at - worker.started, cpu=used, bootstrap=health["bootstrap"], marks=marks)

    def wait_for(self, worker: WorkerProcess, text: str) -> str:
        """The line of the worker's log that has ``text``, once it is there.

        Raises:
            TimeoutError: when it does not come in time.
        """
        worker.wait_for_log(text, self._limit)
        found = re.search(rf"^.*{re.escape(text)}.*$", worker.log, re.MULTILINE)
        assert found is not None
        return found[0]


def forget_all() -> bool:
    """Empty this machine's page cache, with its caches of names; whether that is permitted."""
    subprocess.run(["sync"], check=True)
    try:
        _CACHES.write_text("3\n")
    except OSError:
        return False
    return True


def _loading(log: str) -> dict[str, float]:
    found = re.search(r"Model \S+ loaded on \S+: (.*)", log)
    return {name: float(seconds) for name, seconds in re.findall(r"(\w+) ([\d.]+) s", found[1] if found else "")}


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
