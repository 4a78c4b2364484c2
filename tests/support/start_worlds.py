"""start.sh as the container runs it: a small worker, the real SDK, the job API stand-in."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.bootstrap_packages import (
    World,
    make_sdk_python,
    make_wheel,
    site_packages,
)
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess

WORKER = """
import os, sys
import runpod
from bootstrap.report import Report

def handler(job):
    report = Report.from_environment(os.environ)
    try:
        import tiny
    except ImportError:
        return {"says": None, "report": report.public(), "python": sys.executable}
    return {"says": tiny.value, "report": report.public(), "python": sys.executable}

if __name__ == "__main__":
    runpod.serverless.start({"handler": handler})
"""


@pytest.fixture(scope="module")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image's own Python."""
    return make_sdk_python(tmp_path_factory.mktemp("sdk") / "image python")


@pytest.fixture(name="world")
def start_world(tmp_path: Path, sdk_python: str) -> World:
    """A worker whose environment is the SDK and one small package."""
    world = World.make(tmp_path, ["sdk==1.0", "tiny==1.0"], ["tiny"], WORKER)
    make_wheel(world.wheels, "sdk", "1.0", {"sdk.pth": f"{site_packages(sdk_python)}\n"})
    for version in ("1.0", "2.0", "3.0"):
        make_wheel(world.wheels, "tiny", version, {"tiny.py": f"value = {version[0]}\n"})
    world.python = sdk_python
    world.variables["F5_PYTHON"] = sdk_python
    return world


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
