"""The SDK's job loop, with what it lacks: neither a stop nor a shutdown loses a job, and a free place is filled at once.

A poll of the SDK's that is open at SIGTERM takes one more job that nobody runs; a stop that comes before its job has begun is
forgotten, or leaves a place occupied for ever; what it posts is in ``posts.py``.
"""

import asyncio
import contextvars
import functools
import mmap
import multiprocessing
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from aiohttp import ClientSession

from f5_worker import log, progress
from f5_worker.polls import Poll
from f5_worker.posts import JobPosts, post_result, send_result
from f5_worker.sdk import JobScaler, rp_http, rp_job, rp_scale, runpod, worker_state

T = TypeVar("T")

_ITEMS_AHEAD = 4
_RESTART_PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass(frozen=True, slots=True)
class StreamHandler:
    """An async generator of a job's parts, of which the last is the whole answer; what of it is posted as a part, and of all
    parts as the job's output."""

    parts: Callable[[dict[str, Any]], AsyncGenerator[dict[str, Any], None]]
    for_stream: Callable[[dict[str, Any]], dict[str, Any]]
    for_result: Callable[[list[dict[str, Any]]], Sequence[Mapping[str, Any]]]

    async def handle(self, session: ClientSession, _config: dict[str, Any], job: dict[str, Any]) -> None:
        """As the SDK's ``handle_job``, which keeps of a failure its sentence alone, and posts what is too large to be taken."""
        parts: list[dict[str, Any]] = []
        failed: dict[str, Any] | None = None
        async with aclosing(self.parts(job)) as given:
            async for part in given:
                if "error" in part:
                    failed = _failure(part)
                    break
                parts.append(part)
                await rp_job.stream_result(session, {"output": self.for_stream(part)}, job)
        await rp_job.send_result(session, failed or {"output": self.for_result(parts)}, job, is_stream=True)


def _failure(answer: Mapping[str, Any]) -> dict[str, Any]:
    """What the SDK posts of an answer with an error when there is no stream."""
    output = {name: value for name, value in answer.items() if name not in ("error", "refresh_worker")}
    return {"output": output, "error": answer["error"], **({"stopPod": True} if answer.get("refresh_worker") else {})}


def serve(handler: Callable[[dict[str, Any]], Any] | StreamHandler, *, concurrency: int, restart: bool) -> None:
    """Run the SDK until it is told to end, with up to ``concurrency`` jobs at once.

    With ``restart``, it is started again where it fails: no failure ends the worker.
    """
    config: dict[str, Any] = {"handler": handler, "concurrency_modifier": lambda _now: concurrency}
    if isinstance(handler, StreamHandler):
        config |= {"handler": handler.parts, "return_aggregate_stream": True}
        rp_scale.handle_job = handler.handle
    rp_http._transmit, rp_job.send_result = post_result, send_result
    rp_scale.JobScaler = Scaler  # the SDK makes its own, and offers no other way
    _use_a_mirror_that_works()
    pauses = iter(_RESTART_PAUSES)
    while True:
        try:
            runpod.serverless.start(config)
            return
        except Exception as error:
            if not restart:
                raise
            pause = next(pauses, _RESTART_PAUSES[-1])
            log.error(f"The job loop ended with {type(error).__name__}: {error}; it starts again in {pause:g} s")
            time.sleep(pause)


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """``function`` in a daemon thread of its own, with the context of the caller.

    ``asyncio.to_thread`` has a pool, which a few threads that wait for a slow server fill, and which an exit waits for.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is one, which may be None itself
        else:
            future.set_exception(error)

    def run() -> None:
        outcome: tuple[T | None, BaseException | None]
        try:
            outcome = context.run(function, *arguments), None
        except BaseException as error:  # noqa: BLE001 - the waiting task raises it
            outcome = None, error
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle, *outcome)

    context = contextvars.copy_context()
    threading.Thread(target=run, name="job", daemon=True).start()
    return await future


async def each_in_thread(function: Callable[..., Generator[T, None, None]], *arguments: object) -> AsyncGenerator[T, None]:
    """What the generator ``function`` gives, from a daemon thread of its own, with the context of the caller.

    The thread is a few items ahead at most. When this is closed, the thread closes the generator at its next item.
    """
    loop = asyncio.get_running_loop()
    items: asyncio.Queue[tuple[T | None, BaseException | None]] = asyncio.Queue()
    room = threading.Semaphore(_ITEMS_AHEAD)
    closed = threading.Event()

    def run() -> None:
        end: BaseException = StopAsyncIteration()
        try:
            with closing(function(*arguments)) as given:
                for item in given:
                    room.acquire()
                    if closed.is_set():
                        return
                    loop.call_soon_threadsafe(items.put_nowait, (item, None))
        except BaseException as error:  # noqa: BLE001 - the waiting task raises it
            end = error
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(items.put_nowait, (None, end))

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), name="job", daemon=True).start()
    try:
        while True:
            item, end = await items.get()
            if isinstance(end, StopAsyncIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]  # without an error there is one
            room.release()
    finally:
        closed.set()
        room.release()


class Scaler(JobScaler):  # type: ignore[misc]  # the SDK has no types
    """The SDK's loops. Shutdown ends the open poll, and what it brought in that moment is still run; early stops count."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._taking: asyncio.Future[None] | None = None
        self._stopped_early: set[str] = set()
        self._room = asyncio.Event()
        self._fetch = Poll(rp_scale.get_job)
        self._handle: Callable[..., Any] = rp_scale.handle_job
        self.jobs_fetcher, self.jobs_handler = self._fetch_until_shutdown, self._handle_unless_stopped
        # The API may repeat a stop until its job has ended, so stops are no news. After an empty answer the SDK itself rests.
        self.stop_signals_fetcher = Poll(rp_job.get_stop_signals, is_news=lambda _: False)

    async def run(self) -> None:
        """Until shutdown."""
        self._loop = asyncio.get_running_loop()
        self._taking = self._loop.create_future()
        await super().run()

    def kill_worker(self) -> None:
        """Begin the shutdown. Called by signal handlers too, which do not wake the loop by themselves."""
        super().kill_worker()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._room.set)

    async def set_scale(self) -> None:
        """As the SDK's, and wait for room: it would look again after a second, in which the worker has nothing to do."""
        await super().set_scale()
        while self.is_alive() and self.current_occupancy() >= self.current_concurrency:
            self._room.clear()
            await self._room.wait()

    async def handle_job(self, session: ClientSession, job: dict[str, Any]) -> None:
        """Run a job; then there is room for another. While it was in the queue it counted twice."""
        self._room.set()
        try:
            await super().handle_job(session, job)
        finally:
            self._room.set()

    async def get_jobs(self, session: ClientSession) -> None:
        """Take jobs until shutdown."""
        try:
            await super().get_jobs(session)
        finally:
            if self._taking is not None and not self._taking.done():
                self._taking.set_result(None)

    async def run_jobs(self, session: ClientSession) -> None:
        """Run what is taken; after the shutdown has begun, also what the last poll brought."""
        await super().run_jobs(session)
        assert self._taking is not None
        await self._taking
        await super().run_jobs(session)

    async def monitor_stop_signals(self, session: ClientSession) -> None:
        """Stop jobs as the platform says, until the shutdown begins."""
        await self._until_shutdown(super().monitor_stop_signals, session)

    async def stop_job(self, job_id: str) -> bool:
        """Stop a job that runs, or one that waits to be run."""
        await asyncio.sleep(0)  # a task that is cancelled before its first step never gives its place back
        if await super().stop_job(job_id):
            return True
        if self.job_progress.get(job_id) is None:
            return False
        self._stopped_early.add(job_id)
        return True

    async def _handle_unless_stopped(self, session: ClientSession, config: dict[str, Any], job: dict[str, Any]) -> None:
        if job["id"] in self._stopped_early:
            self._stopped_early.discard(job["id"])
            raise asyncio.CancelledError
        progress.of_job.set(stand := progress.Stand())
        async with JobPosts(session, job["id"], stand.now) as posts:
            await self._handle(session, config, job)
        if posts.refreshed:
            self.kill_worker()  # what goes on until the platform stops it would fail one job after the other

    async def _fetch_until_shutdown(self, session: ClientSession, count: int) -> list[dict[str, Any]] | None:
        jobs: list[dict[str, Any]] | None = await self._until_shutdown(self._fetch, session, count)
        return jobs

    async def _until_shutdown(self, poll: Callable[..., Any], *arguments: object) -> Any:
        """What ``poll`` brings, or nothing once the shutdown begins."""
        tasks = [asyncio.ensure_future(poll(*arguments)), asyncio.ensure_future(self._shutdown_event.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].result() if tasks[0].done() else []
        finally:
            for task in tasks:
                task.cancel()


def _use_a_mirror_that_works() -> None:
    """The SDK shows its jobs to the process that pings through semaphores, which a full or read-only /dev/shm cannot have."""
    try:
        multiprocessing.Array("c", 8)
    except OSError as error:
        log.warn(f"/dev/shm cannot be used ({error.strerror}); give the container a larger --shm-size if jobs fail")
        mirror = functools.partial(worker_state.PingJobMirror, ctx=_AnonymousMemory())
        worker_state.PingJobMirror = mirror


class _AnonymousMemory:
    """Stands for ``multiprocessing`` where ``PingJobMirror`` makes its array: shared with a forked process, and no file."""

    def Array(self, _code: str, size: int) -> "_SharedBytes":  # noqa: N802 - multiprocessing's name
        return _SharedBytes(size)


class _SharedBytes:
    """``value`` as of a ``multiprocessing`` array of characters. One process writes; the next ping mends a torn reading."""

    def __init__(self, size: int) -> None:
        self._memory = mmap.mmap(-1, size)
        self._lock = threading.Lock()

    def get_lock(self) -> threading.Lock:
        return self._lock

    @property
    def value(self) -> bytes:
        return self._memory[:].split(b"\0", 1)[0]

    @value.setter
    def value(self, data: bytes) -> None:
        self._memory[: len(data) + 1] = data + b"\0"
