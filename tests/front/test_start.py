"""The platform asks, whatever is broken: while the environment is built, without it, and without the packages of the server."""

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import REPOSITORY, wait_until
from tests.support.bare_python import handler_with
from tests.support.bootstrap_packages import hanging_index
from tests.support.fresh_worker import QUICK
from tests.support.http_front import SMOKE, HttpFront

BARE: Sequence[str] = (sys.executable, "-S", str(REPOSITORY / "handler.py"))
"""A Python without any package, which has to build its environment."""


def test_while_the_environment_is_built_ping_says_starting(environment: dict[str, str], tmp_path: Path) -> None:
    with hanging_index() as index:
        environment |= {"UV_DEFAULT_INDEX": index, "PIP_INDEX_URL": index, "F5_LOCAL_ROOT": str(tmp_path / "local")}
        with HttpFront(env=environment, cwd=tmp_path, command=BARE, with_ping_port=True) as server:
            wait_until(lambda: server.ping() == 204)
            speech = server.post("/tts", QUICK)
            assert (speech.status_code, speech.json()["error_type"]) == (503, "PackageMissingError")
            assert "builds its environment" in speech.json()["error"]
            assert int(speech.headers["retry-after"]) > 0


def test_a_python_that_can_have_no_environment_says_why(environment: dict[str, str], tmp_path: Path) -> None:
    environment |= {"NETWORK_VOLUME": "/proc", "F5_LOCAL_ROOT": "/proc/nothing", "TMPDIR": "/proc"}
    with HttpFront(env=environment, cwd=tmp_path, command=BARE) as server:
        wait_until(lambda: server.ping() == 503)
        assert server.get("/ping").json()["error"].startswith("The worker cannot start.")
        assert server.post("/v1/audio/speech", {"input": "Hello."}).status_code == 503
        server.sigterm()
        assert server.wait() == 0


@pytest.mark.parametrize(("but", "package"), [((), "torch"), (("uvicorn",), "uvicorn")])
def test_with_the_sdk_alone_it_says_what_is_missing(
    environment: dict[str, str], tmp_path: Path, but: tuple[str, ...], package: str
) -> None:
    command = handler_with(tmp_path / "packages", "runpod", but=but)
    with HttpFront(env=environment | SMOKE, cwd=tmp_path, command=command) as server:
        wait_until(lambda: server.ping() == 503)
        assert f"package {package} is not installed" in server.get("/ping").json()["error"]
        speech = server.post("/tts", QUICK)
        assert (speech.status_code, speech.json()["error_type"]) == (503, "PackageMissingError")
        server.sigterm()
        assert server.wait() == 0
