"""A stand-in for the model hub, for ``HF_ENDPOINT``: huggingface_hub's own client downloads from it.

It serves files from memory as the hub does (``/OWNER/NAME/resolve/REVISION/FILE`` with commit, ETag and ranges), lists them
(``/api/models/OWNER/NAME``), and can answer with the faults of the real one. Not there: the content-addressed storage behind
large files, which clients may do without.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer(ThreadingHTTPServer):
    """``files`` are bytes by ``OWNER/NAME/FILE``. Set ``pace`` to slow every response down to that many bytes a second."""

    daemon_threads = True

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.pace: float | None = None
        self.status: int | None = None
        """Answer everything with this HTTP status instead."""
        self.requests: list[str] = []
        """What was asked for: ``GET OWNER/NAME/FILE`` or ``LIST OWNER/NAME``, in order."""
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def hub_server(files: Mapping[str, bytes]) -> Iterator[HubServer]:
    """A server that runs as long as the block."""
    with HubServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *_: object, **__: object) -> None:
        """Nothing: ``requests`` has it."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        if listing := re.fullmatch(r"/api/models/([^/]+/[^/]+)", urlsplit(self.path).path):
            self._list(listing[1])
            return
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", unquote(urlsplit(self.path).path))
        name = f"{match[1]}/{match[2]}" if match else self.path
        self.server.requests.append(f"{self.command} {name}")
        if self.server.status is not None:
            self._head(self.server.status, 0)
            return
        data = self.server.files.get(name)
        if match is None or data is None:
            known = match is not None and any(other.startswith(f"{match[1]}/") for other in self.server.files)
            self._head(404 if known else 401, 0, {"X-Error-Code": "EntryNotFound" if known else "RepoNotFound"})
            return
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        body = data[int(start[1]) :] if start else data
        more = {"Content-Range": f"bytes {start[1]}-{len(data) - 1}/{len(data)}"} if start else {}
        etag = hashlib.sha256(data).hexdigest()
        self._head(206 if start else 200, len(body), {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, **more})
        if with_body:
            self._send(body)

    def _list(self, repo: str) -> None:
        files = [name.removeprefix(f"{repo}/") for name in self.server.files if name.startswith(f"{repo}/")]
        self.server.requests.append(f"LIST {repo}")
        status = self.server.status or (200 if files else 401)
        model = {"_id": "0", "id": repo, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
        body = json.dumps(model).encode() if status == 200 else b""
        headers = {"Content-Type": "application/json"} if body else {"X-Error-Code": "RepoNotFound"}
        self._head(status, len(body), headers)
        self._send(body)

    def _head(self, status: int, size: int, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(size), "Accept-Ranges": "bytes", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, body: bytes) -> None:
        step = 64 * 1024
        for start in range(0, len(body), step):
            if self.server.pace:
                time.sleep(step / self.server.pace)
            try:
                self.wfile.write(body[start : start + step])
            except ConnectionError:
                self.close_connection = True
                return
