"""What is posted to the platform for a job: its progress now and then, and its result, which arrives, and arrives last.

The SDK tries a post again after a 5xx alone, so a dropped connection costs the answer; and its updates on the progress come
from a thread each, of which a late one turns a job that is done into one that runs.
"""

import asyncio
import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Self

from aiohttp import ClientError, ClientSession, ClientTimeout

from f5_worker import log
from f5_worker.sdk import rp_http

_HEADERS = {"charset": "utf-8", "Content-Type": "application/x-www-form-urlencoded"}  # as the SDK sends them
_TRY_AGAIN = {408, 425, 429}
_POST_SECONDS = 60.0
_POST_TRIES = 12
_REFUSED_TRIES = 3  # of a 4xx: it may be a gateway's hiccup, but a body that is refused stays so
_UPDATE_EVERY = 1.0
_UPDATE_SECONDS = 30.0  # that one may be on its way, and the result waits for it


class JobPosts:
    """The posts for one job. Within the block ``now`` is asked once a second, and what it says is posted if it is new."""

    current: ContextVar["JobPosts | None"] = ContextVar("f5_worker_posts", default=None)

    def __init__(self, session: ClientSession, job_id: str, now: Callable[[], dict[str, Any] | None]) -> None:
        self.refreshed = False
        """Whether the result asked for a new worker."""
        self._session, self._job_id, self._now = session, job_id, now
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.current.set(self)
        self._updates = asyncio.create_task(self._update())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._updates.cancel()  # those of a job that was stopped; others have ended

    async def end_updates(self) -> None:
        """Let no update follow; returns when none is on its way any more."""
        self._over.set()
        await asyncio.wait([self._updates])

    async def _update(self) -> None:
        posted = None
        while not await self._is_over(_UPDATE_EVERY):
            if (state := self._now()) is not None and state != posted:
                posted = state
                await self._post({"status": "IN_PROGRESS", "output": state})

    async def _is_over(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def _post(self, update: Mapping[str, Any]) -> None:
        url = f"{rp_http.JOB_DONE_URL.replace('$ID', self._job_id)}&isStream=false"
        headers, timeout = {**_HEADERS, "X-Request-ID": self._job_id}, ClientTimeout(total=_UPDATE_SECONDS)
        try:
            async with self._session.post(url, data=json.dumps(update), headers=headers, timeout=timeout) as response:
                await response.read()
        except (ClientError, OSError, TimeoutError) as error:
            log.warn(f"An update on the progress was not taken ({type(error).__name__})")


async def send_result(session: ClientSession, result: dict[str, Any], job: dict[str, Any], is_stream: bool = False) -> None:
    """As the SDK's, once no update on the job's progress is on its way any more."""
    if (posts := JobPosts.current.get()) is not None:
        posts.refreshed = bool(result.get("stopPod"))
        await posts.end_updates()
    await rp_http.send_result(session, result, job, is_stream=is_stream)


async def post_result(session: ClientSession, url: str, body: str) -> None:
    """Post until the platform has it: a dozen tries in a minute, after any broken connection, 408, 425, 429 and 5xx.

    Raises:
        aiohttp.ClientError: the last one, when the platform never took it.
    """
    data, deadline = body.encode(), time.monotonic() + _POST_SECONDS
    headers = {**_HEADERS, "X-Request-ID": session.headers.get("X-Request-ID", "")}  # the session has that of the last job
    for attempt, pause in enumerate(_pauses(), 1):
        try:
            timeout = ClientTimeout(total=max(5.0, deadline - time.monotonic()))
            async with session.post(url, data=data, headers=headers, timeout=timeout) as response:
                response.raise_for_status()
                return  # its body says nothing
        except (ClientError, OSError, TimeoutError) as error:
            status = getattr(error, "status", None)
            refused = status is not None and status < 500 and status not in _TRY_AGAIN
            if attempt >= (_REFUSED_TRIES if refused else _POST_TRIES) or time.monotonic() + pause > deadline:
                if isinstance(error, ClientError):
                    raise
                raise ClientError(f"{type(error).__name__} while the result was posted") from error
            log.warn(f"The result was not taken ({status or type(error).__name__}); it is posted again in {pause:.1f} s")
        await asyncio.sleep(pause)


def _pauses() -> Iterator[float]:
    pause = 0.25
    while True:
        yield pause * random.uniform(0.8, 1.2)
        pause = min(pause * 2, 8.0)
