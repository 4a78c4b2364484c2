"""Calls that a server holds up end in time or with the job, and leave neither a thread nor a connection."""

import gc
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
import requests

import s3_utils
from f5_worker.delivery.records import Records
from f5_worker.errors import JobStopped, StorageDeniedError, StorageError, StorageUnreachableError
from f5_worker.job.context import Job, Stop
from f5_worker.network import NotPublicError, in_time, stopping
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from tests import PATIENCE, wait_until
from tests.support.s3_server import listener

HEAD = b"HTTP/1.1 200 OK\r\nX-Slow: "


@contextmanager
def trickling(start: bytes) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that sends ``start`` and then a byte every 50 ms, to all who come, until they hang up."""
    open_connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        open_connections.append(connection)
        try:
            connection.recv(65_536)
            connection.sendall(start)
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            open_connections.remove(connection)

    with listener(serve) as port:
        yield f"http://127.0.0.1:{port}", open_connections


@pytest.fixture
def network_threads() -> Callable[[], list[threading.Thread]]:
    """The threads of calls that this test has made; others of the same process may still wait for theirs."""
    before = set(threading.enumerate())
    return lambda: [thread for thread in threading.enumerate() if thread.name == "network" and thread not in before]


Threads = Callable[[], list[threading.Thread]]


@pytest.mark.parametrize("start", [HEAD, b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n"], ids=["head", "body"])
def test_a_server_that_trickles_is_given_up_and_hung_up_on(start: bytes, network_threads: "Threads") -> None:
    with trickling(start) as (url, connections):
        with pytest.raises(TimeoutError):
            in_time(lambda: requests.get(url, timeout=30).content, 0.5)
        wait_until(lambda: not connections and not network_threads())


def test_a_stopped_job_waits_for_nobody(network_threads: "Threads") -> None:
    stop = Stop()
    token = stopping.set(stop)
    try:
        with trickling(HEAD) as (url, connections):

            def stop_once_connected() -> None:
                wait_until(lambda: connections)
                stop.set()

            threading.Thread(target=stop_once_connected).start()
            with pytest.raises(JobStopped):
                in_time(lambda: requests.get(url, timeout=30), 300)
            wait_until(lambda: not connections and not network_threads())
    finally:
        stopping.reset(token)


def test_the_look_for_an_earlier_answer_ends_with_its_job(s3_config: S3Config, network_threads: "Threads") -> None:
    stop = Stop()
    token = stopping.set(stop)
    try:
        with trickling(HEAD) as (url, connections):
            slow = replace(s3_config, endpoint_url=url, timeout=300)
            found = Records().look(Job(Settings(on_runpod=True), slow, stop, id="job-1", digest="digest"))
            wait_until(lambda: connections)
            stop.set()
            assert found.result(PATIENCE) is None
            wait_until(lambda: not connections and not network_threads())
    finally:
        stopping.reset(token)


@pytest.mark.parametrize(
    "call",
    [
        s3_utils.check,
        lambda s3: list(s3_utils.list_objects(s3, "")),
        lambda s3: s3_utils.get_bytes(s3, "key", 10),
        lambda s3: s3_utils.head(s3, "key"),
        lambda s3: s3_utils.put_bytes(s3, "key", b"data", "text/plain"),
        lambda s3: s3_utils.delete(s3, "key"),
    ],
    ids=["check", "list", "get", "head", "put", "delete"],
)
def test_no_s3_call_is_held_up(
    s3_config: S3Config,
    call: Callable[[S3Config], object],
    monkeypatch: pytest.MonkeyPatch,
    network_threads: "Threads",
) -> None:
    monkeypatch.setattr(s3_utils, "_BACK_OFF_SECONDS", 0.0)
    with trickling(HEAD) as (url, connections):
        slow = replace(s3_config, endpoint_url=url, timeout=0.3)
        with pytest.raises(StorageUnreachableError):
            call(slow)
        wait_until(lambda: not connections and not network_threads())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\nConnection: close\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nffffff\r\n" + b"x" * 100_000,
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 307 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<a>b</a>\n",
        b"nonsense\r\n\r\n",
        b"",
    ],
    ids=["no length", "cut", "negative", "no number", "cut chunks", "redirect", "redirect away", "xml", "nonsense", "nothing"],
)
# botocore leaves a response that it cannot parse to the garbage collector, which here runs before the next test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_answers_that_lie_are_typed_errors(s3_config: S3Config, answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(answer)
        connection.close()

    with listener(serve) as port:
        liar = replace(s3_config, endpoint_url=f"http://127.0.0.1:{port}", timeout=5)
        for call in (
            lambda: s3_utils.get_bytes(liar, "key", 4),
            lambda: s3_utils.head(liar, "key"),
            lambda: list(s3_utils.list_objects(liar, "")),
            lambda: s3_utils.put_bytes(liar, "key", b"data", "text/plain"),
        ):
            with pytest.raises(StorageError):
                call()
    gc.collect()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.0.0.1", "2130706433"])
def test_a_jobs_own_s3_reaches_public_addresses_only(s3_config: S3Config, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.delenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", raising=False)
    connected: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda *to: connected.append(to))
    guarded = replace(s3_config, endpoint_url=f"http://{host}:9000", guarded=True)
    with pytest.raises(StorageDeniedError, match="not a public address"):
        s3_utils.get_bytes(guarded, "key", 10)
    assert connected == []


def test_a_name_that_turns_private_is_refused_before_a_byte_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RUNPOD_ALLOW_PRIVATE_DOWNLOAD_URLS", raising=False)
    heard: list[bytes] = []
    with listener(lambda connection: heard.append(connection.recv(100))) as port, pytest.raises(NotPublicError):
        in_time(lambda: requests.get(f"http://127.0.0.1:{port}/", timeout=5), 30, public_only=True)
    assert b"".join(heard) == b""


def test_a_web_server_that_says_yes_to_everything_stores_nothing(s3_config: S3Config) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nETag: W/"2-vyGp6PvFo4RvsFtPoIWeCReyIC8"\r\nContent-Length: 0\r\n\r\n')
        connection.close()

    with listener(serve) as port:
        web = replace(s3_config, endpoint_url=f"http://127.0.0.1:{port}", timeout=5)
        with pytest.raises(StorageError, match="does not answer like an S3 server"):
            s3_utils.put_bytes(web, "key", b"data", "text/plain")
