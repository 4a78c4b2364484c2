"""The worker run as users run it: one local job, the real worker loop, and the SDK's local API server.

    environment = clean_environment(tmp_path)
    run = run_once({"input": {"text": "Hello."}}, env=environment, cwd=tmp_path)

    with JobApi() as api, WorkerProcess(api, env=environment, cwd=tmp_path) as worker:
        answer = worker.result(api.submit({"text": "Hello."}))

    with ServedApi(env=environment, cwd=tmp_path) as served:
        answer = served.runsync({"text": "Hello."})

Each process gets a session of its own and ends with its ``with`` block, with all that it started: SIGTERM, then SIGKILL.
"""

import ast
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import runpod

from tests import PATIENCE, REPOSITORY
from tests.support.job_api import JobApi
from tests.support.ports import reserved_ports

HANDLER: Sequence[str] = (sys.executable, str(REPOSITORY / "handler.py"))

ANSWER = "\n{\n"
"""How the answer begins: alone in its line."""
_POLL = 0.05  # seconds between two looks at a process or a port
_LOG_TAIL = 4_000  # characters of a log that an error quotes


def clean_environment(folder: Path, **extra: str) -> dict[str, str]:
    """A minimal environment: nothing of the developer's accounts, credentials, proxies or caches gets into a test.

    ``HOME`` and ``TMPDIR`` are fresh folders under ``folder``, so that ``temporary_files`` can tell what a worker left behind.
    ``extra`` adds variables and wins.
    """
    home, temporary = folder / "home", folder / "tmp"
    home.mkdir(parents=True, exist_ok=True)
    temporary.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        **extra,
    }


def temporary_files(environment: Mapping[str, str]) -> list[str]:
    """What lies in the environment's ``TMPDIR``, relative to it."""
    folder = Path(environment["TMPDIR"])
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """One finished ``--test_input`` run: its exit code, stdout and stderr together, and how many seconds it took."""

    exit_code: int
    log: str
    seconds: float

    @property
    def answer(self) -> dict[str, Any] | None:
        """The answer that the worker prints at the end of a local job; ``None`` where there is none."""
        _, start, rest = f"\n{self.log}".rpartition(ANSWER)
        return json.JSONDecoder().raw_decode(start.strip() + rest)[0] if start else None

    @property
    def result(self) -> dict[str, Any]:
        """The result that the SDK would have posted (``{"output": ...}``).

        Raises:
            ValueError: when the log holds none, because the job failed, or because the SDK cut it (above 4,096 characters),
                for a handler that leaves local jobs to it.
        """
        if self.answer is not None and "error" not in self.answer:
            return {"output": self.answer}
        found = re.search(r"\| Job result: (\{.*\})$", self.log, re.MULTILINE)
        if found is None:
            raise ValueError(f"no whole job result in the log:\n{_tail(self.log)}")
        result = ast.literal_eval(found[1])
        assert isinstance(result, dict)
        return result

    @property
    def error(self) -> str | None:
        """The failed job's ``error``, ``None`` for a success."""
        if self.answer is not None:
            return self.answer.get("error")
        found = re.search(r"\| Job \S+ failed with error: (.*)$", self.log, re.MULTILINE)
        return found[1] if found else None


def run_once(
    job: Mapping[str, Any] | None,
    *,
    env: Mapping[str, str],
    cwd: Path,
    command: Sequence[str] = HANDLER,
    timeout: float = PATIENCE,
) -> CompletedRun:
    """Run one local job with ``--test_input``; with ``None``, the job in the ``test_input.json`` of ``cwd``.

    Use the file for a job above 128 KiB: Linux takes no longer argument.

    Raises:
        TimeoutError: when the process has not ended within ``timeout`` seconds; it is killed.
    """
    arguments = [] if job is None else ["--test_input", json.dumps(job)]
    started = time.monotonic()
    with _Process([*command, *arguments], env, cwd) as process:
        exit_code = process.wait(timeout)
        return CompletedRun(exit_code, process.log, time.monotonic() - started)


class _Process:
    """A child process with a session, and so a process group, of its own, and with its output in a nameless file."""

    grace = 10.0
    """Seconds between SIGTERM and SIGKILL when the ``with`` block ends."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.command = list(command)
        self.env = dict(env)
        self.cwd = cwd

    def __enter__(self) -> Self:
        # A file, not a pipe: nobody has to drain it, and an orphan that keeps it open blocks nobody.
        self._output = tempfile.TemporaryFile()
        try:
            self.started = time.monotonic()
            self._child = subprocess.Popen(
                self.command,
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError:
            self._output.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self._child.poll() is None:
                self._child.terminate()
                try:
                    self._child.wait(self.grace)
                except subprocess.TimeoutExpired:
                    self._child.kill()
            self.kill_group()
            self._child.wait()
        finally:
            self._output.close()

    @property
    def pid(self) -> int:
        """The process's id, which is its group's too."""
        return self._child.pid

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs, negative where a signal ended it."""
        return self._child.poll()

    @property
    def log(self) -> str:
        """Its stdout and stderr so far."""
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end and return the exit code.

        Raises:
            TimeoutError: when it still runs after ``timeout`` seconds.
        """
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"still running after {timeout:g} s; its log ends:\n{_tail(self.log)}") from None

    def wait_for_log(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until ``text`` stands in the log.

        Raises:
            TimeoutError: when it does not within ``timeout`` seconds.
            RuntimeError: when the process ended without it.
        """
        deadline = time.monotonic() + timeout
        while text not in self.log:
            if self.exit_code is not None and text not in self.log:
                self.check_running()
            if time.monotonic() > deadline:
                raise TimeoutError(f"no {text!r} within {timeout:g} s; the log ends:\n{_tail(self.log)}")
            time.sleep(_POLL)

    def sigterm(self) -> None:
        """Ask it to leave, as a container runtime does: the signal goes to the first process only."""
        self._child.terminate()

    def kill_group(self) -> None:
        """SIGKILL for it and all that it started."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # all of them have ended

    def check_running(self) -> None:
        """Raise ``RuntimeError`` with the log's end when the process is gone, so that no test waits for a dead one."""
        if self.exit_code is not None:
            raise RuntimeError(f"the process ended with exit code {self.exit_code}; its log ends:\n{_tail(self.log)}")


class WorkerProcess(_Process):
    """The real worker loop against a ``JobApi``: ``env`` joins ``api.environment()`` and wins over it."""

    def __init__(
        self,
        api: JobApi,
        *,
        env: Mapping[str, str],
        cwd: Path,
        command: Sequence[str] = HANDLER,
        skip_fitness_checks: bool = False,
    ) -> None:
        super().__init__(command, {**api.environment(skip_fitness_checks=skip_fitness_checks), **env}, cwd)
        self.api = api

    def ready(self, timeout: float = PATIENCE) -> float:
        """Wait until it asks for jobs; returns the seconds from its start to that moment.

        Raises:
            TimeoutError: when it has not asked within ``timeout`` seconds.
            RuntimeError: when it ended instead.
        """
        deadline = time.monotonic() + timeout
        while True:
            try:
                return self.api.first_poll(_POLL, after=self.started) - self.started
            except TimeoutError:
                self.check_running()
                if time.monotonic() > deadline:
                    raise TimeoutError(f"no poll within {timeout:g} s; the log ends:\n{_tail(self.log)}") from None

    def wait_for_start(self, job_id: str, timeout: float = PATIENCE) -> None:
        """Wait until the handler has the job. A stop signal before that is lost: the SDK takes a job up to 0.1 s earlier.

        Raises:
            TimeoutError: when it has not got it within ``timeout`` seconds.
            RuntimeError: when the worker ended instead.
        """
        self.wait_for_log(f'"requestId": "{job_id}", "message": "Started."', timeout)

    def result(self, job_id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The job's posted result.

        Raises:
            TimeoutError: when none was accepted within ``timeout`` seconds.
            RuntimeError: when the worker ended without it.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended = self.exit_code is not None
            if (found := self.api.try_result(job_id, _POLL)) is not None:
                return found
            if ended:
                self.check_running()
        raise TimeoutError(f"no result for job {job_id} within {timeout:g} s; the log ends:\n{_tail(self.log)}")


class ServedApi(_Process):
    """The SDK's local API server (``--rp_serve_api``), asked through the SDK's own client.

    A caller who sets ``RUNPOD_ENDPOINT_BASE_URL`` to ``url`` reaches it as ``runpod.Endpoint(".")``: the client puts the
    endpoint's id before each route, and the server's routes stand at the root.
    """

    def __init__(
        self, *, env: Mapping[str, str], cwd: Path, command: Sequence[str] = HANDLER, start_timeout: float = PATIENCE
    ) -> None:
        self.start_timeout = start_timeout
        super().__init__([*command, "--rp_serve_api", "--rp_api_host", "127.0.0.1"], env, cwd)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            (self.port,) = undo.enter_context(reserved_ports(1))
            self.command += ["--rp_api_port", str(self.port)]
            super().__enter__()
            undo.push(super().__exit__)
            self._wait_for_port()
            self._undo = undo.pop_all()
        self.endpoint = runpod.Endpoint(".", api_key="local")
        self.endpoint.rp_client.endpoint_url_base = self.url
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.endpoint.rp_client.rp_session.close()
        self._undo.__exit__(kind, error, trace)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.port}"

    def runsync(self, job_input: Mapping[str, Any], timeout: float = PATIENCE) -> dict[str, Any]:
        """Run a job at once: ``{"id", "status", "output"}``, or ``{"id", "status": "FAILED", "error"}``.

        ``endpoint.run_sync`` is what callers use; it returns the output alone, and ``None`` for a failed job.
        """
        return self._post("runsync", {"input": dict(job_input)}, timeout)

    def run(self, job_input: Mapping[str, Any]) -> str:
        """Hand in a job and return its id. The server runs it when ``status`` is asked for."""
        return str(self._post("run", {"input": dict(job_input)}, 10.0)["id"])

    def status(self, job_id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Run a job that was handed in; the answer is shaped as that of ``runsync``.

        It is a POST: the client's own ``Job.status()`` sends GET, as the platform wants, and the local server answers 405.
        """
        return self._post(f"status/{job_id}", {}, timeout)

    def stream(self, job_id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Run a job that was handed in to a generator handler: ``{"id", "status", "stream": [{"output": ...}, ...]}``."""
        return self._post(f"stream/{job_id}", {}, timeout)

    def _post(self, route: str, body: Mapping[str, Any], timeout: float) -> dict[str, Any]:
        answer = self.endpoint.rp_client.post(f"{self.endpoint.endpoint_id}/{route}", body, timeout=timeout)
        assert isinstance(answer, dict)
        return answer

    def _wait_for_port(self) -> None:
        deadline = time.monotonic() + self.start_timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
                return
            except ConnectionRefusedError:
                self.check_running()
                if time.monotonic() > deadline:
                    raise TimeoutError(
                        f"port {self.port} not open after {self.start_timeout:g} s; the log ends:\n{_tail(self.log)}"
                    ) from None
                time.sleep(_POLL)


@pytest.fixture
def job_api() -> Iterator[JobApi]:
    """A fresh stand-in for RunPod's job API."""
    with JobApi() as api:
        yield api


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """``clean_environment`` in the test's own folder."""
    return clean_environment(tmp_path)


def _tail(log: str) -> str:
    return log[-_LOG_TAIL:]
