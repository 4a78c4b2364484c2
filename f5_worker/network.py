"""Calls to servers that nobody vouches for: they end in time, and with the job; where asked, they reach public addresses only.

A read's time limit starts anew with every byte, so a server that sends one a second holds a thread for ever. Here the caller
goes on when the time is up or the job is stopped, and the connections that the call has open are shut, which ends its thread.
"""

import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar, copy_context
from typing import Any, Generic, Protocol, TypeVar

from f5_worker.errors import JobStopped
from f5_worker.sdk import SSRFError, resolve_and_validate, ssrf_protection_enabled

T = TypeVar("T")


class Stoppable(Protocol):
    """A job that may be stopped; see ``job.context.Stop``."""

    def is_set(self) -> bool: ...

    def wakes(self, callback: Callable[[], None]) -> AbstractContextManager[None]: ...


stopping: ContextVar[Stoppable | None] = ContextVar("f5_worker_stop", default=None)
"""The stop of the job that the current context works for."""


class NotPublicError(Exception):
    """The server's address is not one of the public internet."""


def in_time(function: Callable[[], T], seconds: float, *, public_only: bool = False) -> T:
    """The result of ``function``, called in a thread of its own.

    Args:
        public_only: refuse connections to addresses that are not public, unless RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS is set. What
            the name resolves to is asked of the connection itself, before a byte is sent.

    Raises:
        TimeoutError: it took longer than ``seconds``.
        JobStopped: the current job was stopped.
        NotPublicError: see ``public_only``.
        Exception: whatever ``function`` raises.
    """
    _watch_connections()
    call: _Call[T] = _Call(function, public_only and ssrf_protection_enabled())
    threading.Thread(target=call.run, name="network", daemon=True).start()
    stop = stopping.get()
    with stop.wakes(call.woken.set) if stop is not None else nullcontext():
        call.woken.wait(seconds)
    return call.outcome(stop is not None and stop.is_set())


class _Call(Generic[T]):
    """One call, and the connection that its thread has in use: one before it may be another call's by now."""

    def __init__(self, function: Callable[[], T], public_only: bool) -> None:
        self.woken = threading.Event()
        self.public_only = public_only
        self._function, self._context = function, copy_context()
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._copy: socket.socket | None = None
        self._results: list[T] = []
        self._error: BaseException | None = None
        self._refused = self._abandoned = self._ended = False

    def run(self) -> None:
        _thread.call = self
        try:
            self._results.append(self._context.run(self._function))
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            self._error = error
        with self._lock:
            self._ended = True
            self._let_go()
        self.woken.set()

    def outcome(self, stopped: bool) -> T:
        with self._lock:
            if not self._ended:
                self._abandoned = True
                for connection in (self._connection, self._copy):
                    _shut(connection)
                raise JobStopped if stopped else TimeoutError
        if self._refused:
            raise NotPublicError
        if self._error is not None:
            raise self._error
        return self._results[0]

    def connected(self, connection: socket.socket, *, through_proxy: bool) -> None:
        """Note a new connection, and refuse one to where the call must not go.

        A copy is kept: TLS takes the socket itself over.
        """
        if self.public_only and not through_proxy:
            self.check_public(connection.getpeername()[0])
        with self._lock:
            self._let_go()
            self._copy = connection.dup()
            if self._abandoned:
                _shut(self._copy)

    def used(self, connection: socket.socket) -> None:
        """Note a connection that another call may have opened, before a request goes out on it."""
        with self._lock:
            self._let_go()
            self._connection = connection
            if self._abandoned:
                _shut(connection)

    def _let_go(self) -> None:
        if self._copy is not None:
            self._copy.close()
        self._connection = self._copy = None

    def check_public(self, host: str) -> None:
        try:
            resolve_and_validate(host, 0)
        except SSRFError as error:
            self._refused = True
            raise ConnectionRefusedError("not a public address") from error


class _Thread(threading.local):
    call: _Call[Any] | None = None


_thread = _Thread()
_watch_lock = threading.Lock()
_watched = False


def check_public(host: str) -> None:
    """Within ``in_time(..., public_only=True)``: refuse a host before it is connected to.

    Raises:
        OSError: it is not public, or unknown.
    """
    if (call := _thread.call) is not None and call.public_only:
        call.check_public(host)


def _watch_connections() -> None:
    """Let urllib3 tell the current call of its connections: neither requests nor botocore gives them out."""
    global _watched
    with _watch_lock:
        if _watched:
            return
        from urllib3.connection import HTTPConnection

        connect, request = HTTPConnection._new_conn, HTTPConnection.putrequest

        def new_connection(self: HTTPConnection) -> socket.socket:
            connection = connect(self)
            if (call := _thread.call) is not None:
                try:
                    call.connected(connection, through_proxy=self.proxy is not None)
                except OSError:
                    connection.close()
                    raise
            return connection

        def new_request(self: HTTPConnection, *arguments: Any, **options: Any) -> None:
            if (call := _thread.call) is not None and self.sock is not None:
                call.used(self.sock)
            request(self, *arguments, **options)

        HTTPConnection._new_conn, HTTPConnection.putrequest = new_connection, new_request  # type: ignore[method-assign]
        _watched = True


def _shut(connection: socket.socket | None) -> None:
    with suppress(OSError):  # it has ended by itself
        if connection is not None:
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # TLS's own would wait for the other side
