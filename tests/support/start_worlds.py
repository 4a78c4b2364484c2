"""start.sh as the container runs it: a small worker, the real SDK, the job API stand-in."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests import REPOSITORY
from tests.support.bootstrap_packages import (
    World,
    make_sdk_python,
    make_wheel,
    site_packages,
)
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess

ENTER, _, _ = (REPOSITORY / "handler.py").read_text(encoding="utf-8").partition("import asyncio")
"""How handler.py begins."""

WORKER = f"""{ENTER}
import os
from f5_worker.loop import serve
from bootstrap.report import Report

def handler(job):
    report = Report.from_environment(os.environ)
    try:
        import tiny
    except ImportError:
        return {{"says": None, "report": report.public(), "python": sys.executable}}
    return {{"says": tiny.value, "report": report.public(), "python": sys.executable}}

if __name__ == "__main__":
    serve(handler, concurrency=1, restart=False)
"""

TELLS = f"""{ENTER}
import json, os, sys
print(json.dumps({{"environment": dict(os.environ), "argv": sys.argv, "python": sys.executable, "pid": os.getpid()}}))
"""


@pytest.fixture(scope="module")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image's own Python."""
    return make_sdk_python(tmp_path_factory.mktemp("sdk") / "image python")


@pytest.fixture(name="world")
def start_world(tmp_path: Path, sdk_python: str) -> World:
    """A worker whose environment is the SDK and one small package."""
    world = World.make(tmp_path, ["sdk==1.0", "tiny==1.0"], ["tiny"], WORKER)
    rooms = ("cli/__init__.py", "cli/arguments.py", "cli/player.py")
    ground = ("sdk.py", "streams.py", "mel.py", "formats.py", "log.py", "loop.py", "polls.py", "posts.py", "progress.py")
    for name in (*ground, *rooms):
        (world.project / "f5_worker" / name).parent.mkdir(exist_ok=True)
        shutil.copy2(REPOSITORY / "f5_worker" / name, world.project / "f5_worker" / name)
    make_wheel(world.wheels, "sdk", "1.0", {"sdk.pth": f"{site_packages(sdk_python)}\n"})
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(world.wheels, "tiny", version, {"tiny.py": f"value = {version[0]}\n"})
    world.python = sdk_python
    world.variables["F5_PYTHON"] = sdk_python
    return world


@pytest.fixture(name="telling")
def telling_world(world: World) -> World:
    """A world whose handler tells its environment and its arguments."""
    (world.project / "handler.py").write_text(TELLS)
    return world


def tell(
    world: World,
    variables: Mapping[str, str] | None = None,
    *,
    arguments: Sequence[str] = (),
    cwd: Path | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What the handler was started with."""
    with subprocess.Popen(
        [*(command or start_sh(world)), *arguments],
        env={**world.variables, "RUNPOD_WEBHOOK_GET_JOB": "http://localhost", **(variables or {})},
        cwd=cwd or world.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        told = as_json(process.communicate()[0])
        assert (process.returncode, process.pid) == (0, told["pid"])
        return told


def as_json(log: str) -> dict[str, Any]:
    """What the handler that tells everything has printed."""
    found = json.loads(log.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def start_sh(world: World) -> list[str]:
    """The container's command."""
    return [str(world.project / "start.sh")]


def worker(
    world: World, api: JobApi, variables: Mapping[str, str] | None = None, command: Sequence[str] | None = None
) -> WorkerProcess:
    """The container: start.sh against the job API, started from a folder that is not the project's."""
    env = {**world.variables, **(variables or {})}
    return WorkerProcess(api, env=env, cwd=world.folder, command=command or start_sh(world))


def ask(running: WorkerProcess) -> dict[str, Any]:
    """One job's output."""
    answer = running.result(running.api.submit({}), 60)["output"]
    assert isinstance(answer, dict)
    return answer
