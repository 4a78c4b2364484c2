"""Each HTTP request as a whole: its id, its line in the log, and its end where the client leaves."""

import asyncio
import re
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from f5_worker import log
from f5_worker.errors import RequestError, RequestTooSlowError, place_of, unexpected
from f5_worker.front.statuses import error_response

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

PING = "/ping"
BODY_SECONDS = 300.0
"""In which a request's whole body must have come: the largest needs 2 Mbit/s for that."""
TAKE_SECONDS = 60.0
"""Within which a client must have room for the next piece of its answer: until then its job has the place of others."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Cut(Exception):  # noqa: N818 - what failed has been logged
    """The response cannot go on: its connection is closed, so that nobody takes what has been sent for the whole."""


class Connections:
    """An ASGI application around another. On ``ping_port`` nothing but ``/ping`` is answered.

    A client that leaves before it has its answer cancels the request's task, and with it the job, as a stop on the queue does.
    """

    def __init__(self, app: App, ping_port: int | None) -> None:
        self._app, self._ping_port = app, ping_port

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; see the ASGI specification, HTTP connection scope."""
        if scope["type"] != "http":
            return
        path, began = scope["path"], time.perf_counter()
        request_id = _request_id(scope)
        log.current_job_id.set(request_id)
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        left = False
        try:
            if path != PING and (scope.get("server") or (None, None))[1] == self._ping_port:
                missing = RequestError("On this port there is only /ping.").answer()
                await error_response(missing, path)(scope, receive, send_with_id)
            else:
                left = await self._until_left(scope, receive, send_with_id)
        except Cut:
            left = True
        except Exception as error:  # noqa: BLE001 - as for a job, in the handler: users must get an answer, and no traceback
            log.error(f"Unexpected {type(error).__name__} in {place_of(error)}")
            if not status:
                await error_response(unexpected(error).answer(), path)(scope, receive, send_with_id)
        if path != PING:
            seconds = f"{time.perf_counter() - began:.2f} s"
            log.info(f"{scope['method']} {_shown(path)}: {status or 'no answer'}{', cut off' if left else ''}, {seconds}")

    async def _until_left(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> bool:
        """Run the application; whether the client left before the end."""
        whole = asyncio.Event()  # the body has come
        complete = False
        until = asyncio.get_running_loop().time() + BODY_SECONDS

        async def send_part(message: Message) -> None:
            nonlocal complete
            complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            try:
                async with asyncio.timeout(TAKE_SECONDS):
                    await send(message)
            except TimeoutError:
                raise Cut from None

        async def receive_body() -> Message:
            if whole.is_set():
                await asyncio.Event().wait()  # for others that would look out for the client's leaving
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise RequestTooSlowError(f"The body has not come within {BODY_SECONDS:g} s; send clips as URLs.") from None
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                whole.set()
            return message

        async def leave() -> None:
            await whole.wait()
            while (await receive())["type"] != "http.disconnect":
                pass

        work = asyncio.ensure_future(self._app(scope, receive_body, send_part))
        leaving = asyncio.ensure_future(leave())
        try:
            await asyncio.wait((work, leaving), return_when=asyncio.FIRST_COMPLETED)
            left = not work.done() and not complete  # the server tells of a complete response in the same way
            if not left:
                await work
        finally:
            leaving.cancel()
            if not work.done():
                work.cancel()
                await asyncio.wait((work,))
        return left


def _request_id(scope: MutableMapping[str, Any]) -> str:
    """The caller's own, where it is one, else a new one."""
    sent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"), "")
    return sent if _ID.fullmatch(sent) else uuid.uuid4().hex


def _shown(path: str) -> str:
    """Fit for one line of a log."""
    return "".join(char if char.isprintable() else "?" for char in path[:100])
