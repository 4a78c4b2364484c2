"""The HTTP side of ``JobApi``: connections and routes."""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from tests.support.job_api import JobApi


class Server(ThreadingHTTPServer):
    """Knows its connections, so that it can end those that wait for a next request."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, api: "JobApi") -> None:
        self.api = api
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), Connection)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the client was quicker

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature is socketserver's
        fault = sys.exception()
        if isinstance(fault, Exception) and not isinstance(fault, ConnectionError):  # a killed worker resets its connections
            self.api.failed(fault)


class Connection(BaseHTTPRequestHandler):
    """One kept-alive connection of a worker: routes its requests to the ``JobApi``."""

    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    server: Server

    def log_message(self, *_: object, **__: object) -> None:
        """Nothing: the tests ask the ``JobApi``."""

    def do_GET(self) -> None:
        api = self.server.api
        route, worker_id, *_ = self._path()
        query = parse_qs(urlsplit(self.path).query)
        if not self._authorized():
            return
        if route.startswith("job-take"):
            api.polled()
        if route.startswith("job-") and api.poll_status != 200:
            self._answer_or_drop(api.poll_status)
        elif route == "job-take":
            self._hand_out(worker_id, 1)
        elif route == "job-take-batch":
            self._hand_out(worker_id, int(query["batch_size"][0]), as_list=True)
        elif route == "job-stop":
            if job_ids := api.stops(worker_id, self.connection):
                self._answer(200, {"jobsToStop": job_ids})
            else:
                self._answer(204)
        elif route == "ping":
            api.pinged(query)
            self._answer(200, {})
        else:
            self._answer(404, {"error": f"no route {route}"})

    def do_POST(self) -> None:
        route, _, job_id, *_rest = [*self._path(), ""]
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if not self._authorized():
            return
        if route not in ("job-done", "job-stream"):
            self._answer(404, {"error": f"no route {route}"})
            return
        self._answer_or_drop(self.server.api.accept(job_id, "result" if route == "job-done" else "stream", raw))

    def _answer_or_drop(self, status: int | None) -> None:
        if status is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._answer(status, None if status == 204 else {})

    def _path(self) -> list[str]:
        """``[route, worker id, job id]`` of ``/v2/ENDPOINT/ROUTE/WORKER[/JOB]``."""
        parts = urlsplit(self.path).path.strip("/").split("/")[2:]
        return parts + [""] * (2 - len(parts))

    def _authorized(self) -> bool:
        if self.headers.get("Authorization") == self.server.api.api_key:
            return True
        self._answer(401, {"error": "unauthorized"})
        return False

    def _hand_out(self, worker_id: str, most: int, *, as_list: bool = False) -> None:
        jobs = self.server.api.take(worker_id, most, self.connection)
        if not jobs:
            self._answer(204)
            return
        try:
            self._answer(200, jobs if as_list else jobs[0])
        except ConnectionError:
            self.server.api.give_back(jobs)
            raise

    def _answer(self, status: int, body: object = None) -> None:
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if raw:
            self.send_header("Content-Type", "application/json")
        if status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
        self.wfile.flush()
