"""What a caller of an endpoint sees of RunPod, in front of a ``JobApi``: ``/run``, ``/runsync`` and ``/status/ID``.

with JobApi() as api, WorkerProcess(api, ...), endpoint_api(api) as url:
    requests.post(f"{url}/run", json={"input": {"text": "Hello."}}, headers={"Authorization": f"Bearer {api.api_key}"})
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import PATIENCE
from tests.support.job_api import JobApi


@contextmanager
def endpoint_api(api: JobApi) -> Iterator[str]:
    """The endpoint's URL, as ``https://api.runpod.ai/v2/ENDPOINT_ID`` is one."""

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            route, _, job_id = self._route().partition("/")
            self._send(_status(api, job_id) if route == "status" else None)

        def do_POST(self) -> None:
            job: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            route = self._route()
            job_id = api.submit(job.pop("input"), **job) if route in ("run", "runsync") else ""
            if route == "runsync":
                api.result(job_id, PATIENCE)
            self._send(_status(api, job_id) if job_id else None)

        def _route(self) -> str:
            known = self.headers["Authorization"] == f"Bearer {api.api_key}"
            return self.path.removeprefix(f"/v2/{api.endpoint_id}/") if known else ""

        def _send(self, answer: dict[str, Any] | None) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(200 if answer else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    with ThreadingHTTPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v2/{api.endpoint_id}"
        finally:
            server.shutdown()
            thread.join()


def _status(api: JobApi, job_id: str) -> dict[str, Any]:
    posted = api.try_result(job_id)
    if posted is None:
        return {"id": job_id, "status": "IN_QUEUE"}
    state = "FAILED" if "error" in posted else "COMPLETED"
    result: dict[str, Any] = {name: posted[name] for name in ("error", "output") if name in posted}
    return {"id": job_id, "status": state, "delayTime": 0, "executionTime": 0, **result}
