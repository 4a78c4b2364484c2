"""HTTP before the server can start, and where it cannot: the platform asks while the environment is built.

Of the standard library, so that any Python can.

The sockets close when the process becomes another Python, which then listens itself.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NoReturn

from bootstrap.report import VARIABLE, Report
from f5_worker.settings import FrontSettings, front_settings

if TYPE_CHECKING:
    from f5_worker.front.app import Handler, StreamHandler
    from f5_worker.resources import Resources

_RETRY_SECONDS = 10
_MOST_BODY = 100_000_000


class _Answers(BaseHTTPRequestHandler):
    """204 to ``/ping`` while ``server.reason`` is unknown; else, and to all others, 503 and the reason."""

    protocol_version = "HTTP/1.1"
    timeout = 30.0
    server: "_Server"

    def handle_one_request(self) -> None:
        """Any method, with or without a body."""
        self.raw_requestline = self.rfile.readline(65_537)
        self.close_connection = True
        if not self.raw_requestline or not self.parse_request():
            return
        length = self.headers.get("Content-Length", "")
        self.rfile.read(min(int(length), _MOST_BODY) if length.isdecimal() else 0)  # or the client may not get to the answer
        if self.path.partition("?")[0] == "/ping" and self.server.reason is None:
            self.send_response(204)
            self.end_headers()
            return
        reason = self.server.reason or "The worker builds its environment, which takes minutes the first time; ask again."
        body = json.dumps({"error": reason, "error_type": "PackageMissingError"}).encode()
        self.send_response(503)
        headers = {"Content-Type": "application/json", "Content-Length": len(body), "Retry-After": _RETRY_SECONDS}
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The bootstrap says in the log what goes on."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    reason: str | None = None


@contextmanager
def answering(host: str | None, port: int | None, environment: Mapping[str, str]) -> Iterator[None]:
    """Answer within the block, which finds the Python to go on with; where it ends the process instead, go on answering why."""
    settings = front_settings(environment).at(host, port)
    servers = [] if VARIABLE in environment else _started(settings)  # else it has been found, and is here at once
    try:
        yield
    except SystemExit as end:
        if end.code:
            report = Report.from_environment(os.environ)
            known = f"{report.reason or ''} {report.fix or ''}" if report else str(end.code)
            _tell(servers or _started(settings), f"The worker cannot start. {known}".strip())
        raise
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()


def serve(settings: FrontSettings, handler: "Handler", stream_handler: "StreamHandler", resources: "Resources") -> int:
    """Run the server; see ``server.run``. Where its packages are missing, answer everything with that until SIGTERM."""
    try:
        from f5_worker.front.server import run
    except ImportError as error:
        from f5_worker import log

        failure = resources.package_missing(error)
        log.error(failure.message)
        _tell(_started(settings), failure.message)
    return run(settings, handler, stream_handler, resources)


def _tell(servers: "list[_Server]", reason: str) -> NoReturn:
    """Answer with the reason until SIGTERM or SIGINT, which ends the process with 0."""
    for server in servers:
        server.reason = reason
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
    sys.exit(0)


def _started(settings: FrontSettings) -> "list[_Server]":
    servers = []
    for port in dict.fromkeys((settings.port, settings.port_health or settings.port)):
        try:
            server = _Server((settings.host, port), _Answers)
        except OSError:
            continue  # the server that follows says so
        threading.Thread(target=server.serve_forever, name="meanwhile", daemon=True).start()
        servers.append(server)
    return servers
