"""A local stand-in for RunPod's job API, so that tests run the real SDK's worker loop.

    with JobApi() as api:
        ...start the worker with ``api.environment()``...
        job_id = api.submit({"text": "Hello."})
        assert "output" in api.result(job_id)

The routes are those of runpod 1.12.0: ``job-take``, ``job-take-batch`` and ``job-stop`` (long polls), ``job-done`` (results and
progress updates), ``job-stream`` (parts of a generator's answer) and ``ping``. A body over the limit is refused with 400 as the
platform does, and so is one that is not strict JSON (NaN included). A job whose result never arrives stays without one.
"""

import json
import select
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

from tests import PATIENCE
from tests.support.job_api_http import Server

RUN_LIMIT = 10_000_000
"""Largest result body of a job sent to ``/run``, in bytes."""
RUNSYNC_LIMIT = 20_000_000
"""Largest result body of a job sent to ``/runsync``, in bytes."""

TAKEN = -1
"""See ``JobApi.weather``."""

_WAKE = 0.05  # how often a held poll looks whether its client is still there, in seconds

Kind = Literal["progress", "stream", "result"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Post:
    """One body that a worker posted for a job. ``at`` is ``time.monotonic()`` when it had arrived, ``size`` is in bytes."""

    job_id: str
    kind: Kind
    body: dict[str, Any]
    at: float
    size: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request that tried to post: ``status`` is the HTTP answer, ``None`` where the connection was dropped on purpose."""

    job_id: str
    status: int | None
    size: int
    at: float


@dataclass(frozen=True, slots=True)
class Ping:
    """One heartbeat: the ids of the jobs in progress, and for an unhealthy worker which check failed and why."""

    job_ids: tuple[str, ...]
    status: str | None
    check: str | None
    reason: str | None
    at: float


class JobApi:
    """The stand-in. A context manager: it serves on a free port of 127.0.0.1 until the block ends.

    ``hold`` is how long a poll without news is held open, in seconds. A worker leaves after SIGTERM only when its polls have
    ended, so a long hold makes tests slow; after each stop poll without news the SDK pauses for a second.
    """

    endpoint_id = "f5tts"
    api_key = "test-runpod-key"

    def __init__(self, *, hold: float = 0.5, max_body_bytes: int = RUN_LIMIT) -> None:
        self.hold = hold
        self.max_body_bytes = max_body_bytes
        self._changed = threading.Condition()
        self._queue: list[dict[str, Any]] = []
        self._taken: dict[str, tuple[str, float]] = {}
        self._stops: list[str] = []
        self._posts: list[Post] = []
        self._results: dict[str, list[dict[str, Any]]] = {}
        self._attempts: list[Attempt] = []
        self._pings: list[Ping] = []
        self._polls: list[float] = []
        self._breaks: list[int | None] = []
        self.weather: Callable[[str, Kind], int | None] = lambda _job_id, _kind: 200
        """Asked about every post before it is taken, in its connection's thread: the HTTP status of the answer. 200 keeps the
        post; ``None`` drops the connection and keeps nothing; ``TAKEN`` keeps the post and drops the connection."""
        self.poll_status: int | None = 200
        """The HTTP status that polls for jobs and for stops are answered with at once, where it is another than 200; ``None``
        drops their connections."""
        self._faults: list[Exception] = []
        self._closing = False
        self._server = Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_WAKE,), name="job-api")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()
        if error is None and self._faults:
            raise ExceptionGroup("the job API stand-in itself failed", self._faults)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def environment(self, *, worker_id: str = "worker-1", skip_fitness_checks: bool = False) -> dict[str, str]:
        """The variables that RunPod gives a worker. Workers that run side by side need different ``worker_id``.

        The SDK's fitness checks end the process on a small or offline machine: a worker that does not switch them off by itself
        needs ``skip_fitness_checks``.
        """
        base = f"{self.url}/v2/{self.endpoint_id}"
        variables = {
            "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_POST_STREAM": f"{base}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
            "RUNPOD_WEBHOOK_PING": f"{base}/ping/$RUNPOD_POD_ID?gpu=none",
            "RUNPOD_POD_ID": worker_id,
            "RUNPOD_AI_API_KEY": self.api_key,
            "RUNPOD_ENDPOINT_ID": self.endpoint_id,
        }
        if skip_fitness_checks:
            variables |= {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
        return variables

    # What a caller of the endpoint does

    def submit(self, job_input: object, **top_level: object) -> str:
        """Queue a job and return its id. ``top_level`` joins the job beside ``input`` (``s3Config``, ``webhook``, ``id``)."""
        job: dict[str, Any] = {"id": f"{uuid.uuid4()}-e1", "input": job_input, **top_level}
        with self._changed:
            self._queue.append(job)
            self._changed.notify_all()
        return str(job["id"])

    def stop(self, job_id: str) -> None:
        """Cancel a job: out of the queue, or as a stop signal to the worker that has it."""
        with self._changed:
            self._queue = [job for job in self._queue if job["id"] != job_id]
            self._stops.append(job_id)
            self._changed.notify_all()

    def result(self, job_id: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """The posted result (``output``, ``error``, ``stopPod``).

        Raises:
            TimeoutError: when none was accepted within ``timeout`` seconds.
        """
        found = self.try_result(job_id, timeout)
        if found is None:
            with self._changed:
                history = [f"{a.status} for {a.size} bytes" for a in self._attempts if a.job_id == job_id]
                taken = "was taken" if job_id in self._taken else "was never taken"
            raise TimeoutError(f"no result for job {job_id} within {timeout:g} s; it {taken}; posts: {history or 'none'}")
        return found

    def try_result(self, job_id: str, timeout: float = 0.0) -> dict[str, Any] | None:
        """The posted result, or ``None`` when none was accepted within ``timeout`` seconds."""
        return self._wait(timeout, lambda: next(iter(self._results.get(job_id, ())), None))

    # What a test wants to know; what waits raises ``TimeoutError`` after ``timeout`` seconds

    def posts(self, job_id: str) -> list[Post]:
        """Every accepted post of a job, in the order of arrival: progress updates, stream parts, results."""
        with self._changed:
            return [post for post in self._posts if post.job_id == job_id]

    def results(self, job_id: str) -> list[dict[str, Any]]:
        """Every result that was accepted for a job; a job that was handed out twice has two."""
        with self._changed:
            return self._results.get(job_id, [])[:]

    def was_taken(self, job_id: str) -> bool:
        """Whether a worker took the job."""
        with self._changed:
            return job_id in self._taken

    def attempts(self, job_id: str) -> list[Attempt]:
        """Every try to post for a job, the refused and the dropped ones too."""
        with self._changed:
            return [attempt for attempt in self._attempts if attempt.job_id == job_id]

    def pings(self) -> list[Ping]:
        """Every heartbeat so far."""
        with self._changed:
            return list(self._pings)

    def polls(self) -> list[float]:
        """``time.monotonic()`` of each poll for jobs, those that failed too."""
        with self._changed:
            return list(self._polls)

    def first_poll(self, timeout: float = PATIENCE, *, after: float = 0.0) -> float:
        """``time.monotonic()`` of the moment (not before ``after``) when a worker first asked for a job, and so was ready."""
        return self._expect(timeout, "poll of a worker", lambda: next((at for at in self._polls if at >= after), None))

    def taken(self, job_id: str, timeout: float = PATIENCE) -> float:
        """``time.monotonic()`` of the moment when a worker took the job."""
        return self._expect(timeout, f"worker that takes job {job_id}", lambda: self._taken.get(job_id))[1]

    def wait_for_post(self, job_id: str, kind: Kind, timeout: float = PATIENCE) -> Post:
        """The first accepted post of this kind for the job."""
        what = f"{kind} post for job {job_id}"
        return self._expect(timeout, what, lambda: next((p for p in self._posts if (p.job_id, p.kind) == (job_id, kind)), None))

    def wait_for_ping(self, job_id: str, timeout: float = PATIENCE) -> Ping:
        """The first heartbeat that names the job as in progress."""
        what = f"heartbeat that names job {job_id}"
        return self._expect(timeout, what, lambda: next((p for p in self._pings if job_id in p.job_ids), None))

    def break_posts(self, *statuses: int | None) -> None:
        """Answer the next posts with these HTTP statuses and keep nothing of them; ``None`` drops the connection unanswered."""
        with self._changed:
            self._breaks = list(statuses)

    def _expect(self, timeout: float, what: str, look: Callable[[], T | None]) -> T:
        found = self._wait(timeout, look)
        if found is None:
            raise TimeoutError(f"no {what} within {timeout:g} s")
        return found

    def _wait(self, timeout: float, look: Callable[[], T | None]) -> T | None:
        """What ``look`` finds (called with the lock held), or ``None`` after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while (found := look()) is None and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return found

    # What the worker asks for, called by the connection threads

    def take(self, worker_id: str, most: int, connection: socket.socket) -> list[dict[str, Any]]:
        """Hand out up to ``most`` jobs; hold the poll while there is none. A poll whose client went away gets none."""

        def look() -> list[dict[str, Any]]:
            jobs, self._queue = self._queue[:most], self._queue[most:]
            self._taken |= {str(job["id"]): (worker_id, time.monotonic()) for job in jobs}
            return jobs

        return self._hold(connection, look)

    def polled(self) -> None:
        """Note a poll for jobs."""
        with self._changed:
            self._polls.append(time.monotonic())
            self._changed.notify_all()

    def give_back(self, jobs: list[dict[str, Any]]) -> None:
        """Put jobs that could not be handed over at the head of the queue again."""
        with self._changed:
            for job in jobs:
                del self._taken[str(job["id"])]
            self._queue = jobs + self._queue
            self._changed.notify_all()

    def stops(self, worker_id: str, connection: socket.socket) -> list[str]:
        """Hand out the stop signals for the jobs of this worker; hold the poll while there is none."""

        def look() -> list[str]:
            mine = [job_id for job_id in self._stops if self._taken.get(job_id, ("", 0.0))[0] == worker_id]
            self._stops = [job_id for job_id in self._stops if job_id not in mine]
            return mine

        return self._hold(connection, look)

    def _hold(self, connection: socket.socket, look: Callable[[], list[T]]) -> list[T]:
        deadline = time.monotonic() + self.hold
        with self._changed:
            while not self._closing and not _hung_up(connection):
                if found := look():
                    self._changed.notify_all()
                    return found
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(min(left, _WAKE))
        return []

    def accept(self, job_id: str, kind: Kind, raw: bytes) -> int | None:
        """Judge and keep one posted body; the HTTP status of the answer, or ``None`` to drop the connection."""
        at = time.monotonic()
        body = _strict_json(raw) if len(raw) <= self.max_body_bytes else None
        if kind == "result" and body is not None and body.get("status") == "IN_PROGRESS":
            kind = "progress"
        weather = self.weather(job_id, kind)
        with self._changed:
            if self._breaks:
                status = self._breaks.pop(0)
            elif body is None:
                status = 400
            elif weather not in (200, TAKEN):
                status = weather
            else:
                status = None if weather == TAKEN else 200
                self._posts.append(Post(job_id, kind, body, at, len(raw)))
                if kind == "result":
                    self._results.setdefault(job_id, []).append(body)
            self._attempts.append(Attempt(job_id, status, len(raw), at))
            self._changed.notify_all()
        return status

    def pinged(self, query: dict[str, list[str]]) -> None:
        """Keep one heartbeat."""

        def first(name: str) -> str | None:
            return next(iter(query.get(name, [])), None)

        job_ids = tuple((first("job_id") or "").split(",")) if first("job_id") else ()
        with self._changed:
            self._pings.append(Ping(job_ids, first("status"), first("check"), first("reason"), time.monotonic()))
            self._changed.notify_all()

    def failed(self, fault: Exception) -> None:
        """Keep a fault of the stand-in itself; the end of the ``with`` block raises it."""
        with self._changed:
            self._faults.append(fault)


def _hung_up(connection: socket.socket) -> bool:
    """True when the client has closed its end. It sends nothing while it polls, so readable means closed."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _strict_json(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in ``raw``, or ``None`` where it is none."""
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
