"""The worker's HTTP front (``serve``) in a process of its own, on free ports."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests

from tests import PATIENCE, wait_until
from tests.support.ports import reserved_ports
from tests.support.processes import HANDLER, _Process

SMOKE = {"F5TTS_MODEL": "smoke", "F5TTS_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}


class HttpFront(_Process):
    """``url`` is its root, ``ping_url`` that of a port of its own for ``/ping``, where ``with_ping_port``.

    A session of ``requests`` would keep connections, which a server that ends waits for: each request has its own.
    """

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path,
        command: Sequence[str] = HANDLER,
        with_ping_port: bool = False,
    ) -> None:
        super().__init__([*command, "serve", *arguments], env, cwd)
        self._with_ping_port = with_ping_port

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            port, ping_port = undo.enter_context(reserved_ports(2))
            self.url, self.ping_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{ping_port}"
            self.env |= {"PORT": str(port), **({"PORT_HEALTH": str(ping_port)} if self._with_ping_port else {})}
            super().__enter__()
            undo.push(super().__exit__)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._undo.__exit__(kind, error, trace)

    def ping(self) -> int | None:
        """The status of ``/ping``; ``None`` where nobody listens."""
        self.check_running()
        try:
            return requests.get(f"{self.url}/ping", timeout=PATIENCE).status_code
        except requests.ConnectionError:
            return None

    def ready(self) -> Self:
        """Wait until ``/ping`` says 200."""
        wait_until(lambda: self.ping() == 200)
        return self

    def get(self, path: str, **more: Any) -> requests.Response:
        """One request."""
        return requests.get(self.url + path, timeout=PATIENCE, **more)

    def post(self, path: str, body: object = None, **more: Any) -> requests.Response:
        """One request, with a JSON body unless ``more`` has another."""
        if body is not None:
            more["json"] = body
        return requests.post(self.url + path, timeout=PATIENCE, **more)
