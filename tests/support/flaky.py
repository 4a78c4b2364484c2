"""A way to an HTTP server that fails now and then."""

import http.client
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@contextmanager
def flaky_proxy(port: int, share: float, rng: random.Random) -> Iterator[str]:
    """An endpoint that passes requests on to the server at ``port``; of ``share`` of them it answers 503, or hangs up."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with lock:
                fault = rng.choice((503, None)) if rng.random() < share else 200
            if fault is None:
                self.close_connection = True
                return
            if fault != 200:
                self.answer(fault, [("Content-Length", "0")], b"")
                return
            server = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    server.putheader(name, value)
                server.endheaders(body)
                response = server.getresponse()
                data = response.read()
                kept = [(name, value) for name, value in response.getheaders() if name.lower() not in ("connection",)]
                if response.getheader("Content-Length") is None and response.status != 204:
                    kept = [(name, value) for name, value in kept if name.lower() != "transfer-encoding"]
                    kept.append(("Content-Length", str(len(data))))
                self.answer(response.status, kept, data)
            finally:
                server.close()

        def answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            with suppress(ConnectionError):  # a stopped job has hung up
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    for method in ("GET", "PUT", "HEAD", "DELETE", "POST"):
        setattr(Handler, f"do_{method}", Handler.pass_on)

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that is killed resets its connections."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
