"""A network volume, a real MooseFS, that hangs or is dead: the worker starts, says so, and uses it when it comes back."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootstrap import apart
from bootstrap.door import leave_probe
from bootstrap.report import Failure, Report
from f5_worker.endpoints.health import machine_facts, what_is_wrong
from f5_worker.errors import EnvironmentFailedError, PackageMissingError
from f5_worker.resources import Resources
from f5_worker.settings import Settings
from tests import wait_until
from tests.support.bootstrap_packages import World, make_wheel, many_files, process_ids, tmpfs, value
from tests.support.job_api import JobApi
from tests.support.moosefs import MooseFS, Part, moosefs, moosefs_cluster
from tests.support.processes import WorkerProcess
from tests.support.start_worlds import WORKER, ask, sdk_python, start_world, worker

__all__ = ["moosefs", "moosefs_cluster", "sdk_python", "start_world", "tmpfs"]  # fixtures that come from the helpers

SILENT = "The network volume does not answer."
BUILDING = "An environment is being built"
STANDS_IN, ENDED = "Until then another process says so", "the process that stood in for the worker has ended"
COPYING = "bootstrap: copying the environment to the network volume"


@pytest.fixture(name="volume")
def empty_volume(world: World, moosefs: MooseFS) -> Iterator[Path]:
    """The world's volume, an empty one."""
    world.volume = moosefs.folder(world.folder.name)
    world.variables |= {"NETWORK_VOLUME": str(world.volume), "F5_BOOTSTRAP_STALE": "1.5", "F5_BOOTSTRAP_SILENCE": "4"}
    yield world.volume
    moosefs.mend()
    for process in publishers(world):
        os.kill(process, signal.SIGKILL)


def leave_probe_in(volume: Path) -> None:
    """As a worker does that has been there before."""
    (volume / "f5-tts-worker").mkdir()
    leave_probe(volume)


def in_the_end(running: WorkerProcess) -> dict[str, Any]:
    """The answer of the worker itself, once nobody stands in for it while it builds."""
    answers: list[dict[str, Any]] = []

    def is_its_own() -> bool:
        answers.append(ask(running))
        return BUILDING not in (answers[-1]["report"]["reason"] or "") and running.log.count(STANDS_IN) == running.log.count(
            ENDED
        )

    wait_until(is_its_own)
    return answers[-1]


def publishers(world: World) -> list[int]:
    """The processes that copy."""
    return process_ids(f"bootstrap.publish {world.volume}")


@pytest.mark.parametrize("part", ["mount", "master", "chunkserver"])
def test_frozen_at_the_start(world: World, volume: Path, moosefs: MooseFS, part: Part) -> None:
    leave_probe_in(volume)
    moosefs.remount()  # nothing of it is in a cache
    with JobApi(hold=0.1) as api, moosefs.frozen(part), worker(world, api) as running:
        answer = in_the_end(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "local")
        assert any(warning.startswith(SILENT) for warning in answer["report"]["warnings"])
        assert answer["report"]["publication"]["status"] == "waiting"
        moosefs.thaw()
        wait_until(lambda: ask(running)["report"]["publication"]["status"] == "done")
    world.variables |= {"F5_LOCAL_ROOT": str(world.folder / "another disk"), "F5_BOOTSTRAP_SILENCE": "60"}
    found = world.start().finish()
    assert (found.status, found.place, value(found.interpreter)) == ("ready", "volume", "1")


def test_storage_that_is_away_at_the_start_and_comes_back(world: World, volume: Path, moosefs: MooseFS) -> None:
    moosefs.kill("chunkserver")
    wait_until(lambda: shutil.disk_usage(volume).total == 0)  # not full: without any storage
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = in_the_end(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "local")
        wait_until(lambda: "The network volume has no storage now." in running.log)
        assert ask(running)["report"]["publication"]["status"] == "waiting"
        moosefs.start_chunkserver()
        wait_until(lambda: ask(running)["report"]["publication"]["status"] == "done")
    assert list(volume.rglob("ready.json"))


def test_a_mount_that_is_dead_at_the_start_and_comes_back(world: World, volume: Path, moosefs: MooseFS) -> None:
    moosefs.kill("mount")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = in_the_end(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "local")
        assert answer["report"]["warnings"][0].startswith("The network volume fails (Transport endpoint is not connected).")
        moosefs.remount()
        wait_until(lambda: ask(running)["report"]["publication"]["status"] == "done")
    assert list(volume.rglob("ready.json"))


def test_frozen_where_nothing_can_be_built_elsewhere(world: World, volume: Path, moosefs: MooseFS) -> None:
    with JobApi(hold=0.1) as api, moosefs.frozen("mount"), worker(world, api, {"F5_BOOTSTRAP_NEED": "1e14"}) as running:
        answer = in_the_end(running)
    assert (answer["says"], answer["report"]["status"], answer["report"]["waits_for_volume"]) == (None, "failed", True)
    report = Report("failed", "none", world.python, None, "", "disk", SILENT, "Look.", refresh_after=600, waits_for_volume=True)
    resources = Resources({"F5_BOOTSTRAP_REPORT": report.to_json(), "NETWORK_VOLUME": str(volume)})
    with moosefs.frozen("mount"):
        assert not isinstance(resources.package_missing(PackageMissingError("No torch.")), EnvironmentFailedError)
    wait_until(lambda: isinstance(resources.package_missing(PackageMissingError("No torch.")), EnvironmentFailedError))


WAITS = """import pathlib, sys, time
print('importing', file=sys.stderr, flush=True)
while not pathlib.Path({!r}).exists():
    time.sleep(0.02)
"""
"""What goes on when a file is there."""


def test_frozen_at_the_start_jobs_are_answered_while_it_builds(world: World, volume: Path, moosefs: MooseFS) -> None:
    go = world.folder / "go"
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": WAITS.format(str(go))})
    world.require("sdk==1.0", "tiny==1.0", "slow==1.0")
    world.let_it_import("slow")
    leave_probe_in(volume)
    moosefs.remount()
    with JobApi(hold=0.1) as api, moosefs.frozen("master"), worker(world, api) as running:
        answer = ask(running)
        assert (answer["says"], answer["report"]["cause"], answer["python"]) == (None, "volume", world.python)
        assert answer["report"]["reason"].startswith(f"{SILENT} {BUILDING}")
        go.touch()
        answer = in_the_end(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "local")
    assert process_ids(str(world.project / "handler.py")) == []


@pytest.mark.usefixtures("volume")
@pytest.mark.parametrize("part", ["mount", "chunkserver"])
def test_frozen_while_it_is_built_on_directly(world: World, moosefs: MooseFS, tmpfs: Path, part: Part) -> None:
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(4)\n"})
    world.require("sdk==1.0", "tiny==1.0", "slow==1.0")
    world.let_it_import("slow")
    variables = {"F5_LOCAL_ROOT": str(tmpfs), "F5_BOOTSTRAP_NEED": "5e6", "F5_BOOTSTRAP_LIMIT": "200"}
    with JobApi(hold=0.1) as api:
        with worker(world, api, variables) as running:
            running.wait_for_log("checking that")
            with moosefs.frozen(part):
                answer = ask(running)
            assert "no local disk has the 5.0 MB" in running.log
        assert (answer["report"]["status"], answer["report"]["cause"], answer["report"]["reason"]) == (
            "failed",
            "volume",
            SILENT,
        )
        with worker(world, api, {**variables, "F5_BOOTSTRAP_SILENCE": "60"}) as running:
            answer = ask(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "volume")
    assert len(world.builds()) == 1


@pytest.mark.parametrize("part", ["mount", "master", "chunkserver"])
def test_frozen_while_it_is_published(world: World, volume: Path, moosefs: MooseFS, part: Part) -> None:
    make_wheel(world.wheels, "many", "1.0", many_files("many", 400))
    world.require("sdk==1.0", "tiny==1.0", "many==1.0")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        running.wait_for_log(COPYING)
        with moosefs.frozen(part):
            answer = ask(running)
            assert (answer["says"], answer["report"]["place"]) == (1, "local")
            assert answer["report"]["publication"]["status"] == "copying"
        wait_until(lambda: ask(running)["report"]["publication"]["status"] == "done")
    assert len(list(volume.rglob("many/m*.py"))) == 400


SPEAKS = WORKER.replace("    try:\n", "    if job['input']:\n        publication.may_begin()\n    try:\n").replace(
    "from bootstrap.report", "from bootstrap import publication\nfrom bootstrap.report"
)
"""A job with any input is one that it speaks."""


@pytest.mark.usefixtures("volume")
def test_nothing_is_published_before_the_first_speech(world: World) -> None:
    (world.project / "handler.py").write_text(SPEAKS)
    with JobApi(hold=0.1) as api, worker(world, api, {"F5_BOOTSTRAP_HEAD_START": "10000"}) as running:
        assert ask(running)["report"]["publication"]["status"] == "waiting"
        assert COPYING not in running.log
        assert running.result(api.submit({"text": "Hello."}), 60)["output"]["says"] == 1
        wait_until(lambda: ask(running)["report"]["publication"]["status"] == "done")


LATE = WORKER.replace(
    "from f5_worker.loop", "import contextlib\nwith contextlib.suppress(ImportError):\n    import early\nfrom f5_worker.loop"
).replace("    serve(", "    from bootstrap import guard\n    guard.dismiss()\n    serve(")
"""It is at its job loop after a long import."""


def test_frozen_in_the_imports_of_an_environment_on_the_volume(world: World, volume: Path, moosefs: MooseFS) -> None:
    go = world.folder / "go"
    early = f"{WAITS.format(str(go))}import late.part\n"
    make_wheel(world.wheels, "early", "1.0", {"early.py": early, "late/part/__init__.py": ""})
    world.require("sdk==1.0", "tiny==1.0", "early==1.0")
    assert world.start("--root", str(volume)).finish().place == "local"
    wait_until(lambda: list(volume.rglob("ready.json")) and not publishers(world))
    (world.project / "handler.py").write_text(LATE)
    world.variables["F5_LOCAL_ROOT"] = str(world.folder / "another disk")
    moosefs.remount()
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        running.wait_for_log("importing")
        with moosefs.frozen("chunkserver"):
            go.touch()
            answer = ask(running)
            assert (answer["says"], answer["report"]["cause"], answer["python"]) == (None, "volume", world.python)
        wait_until(lambda: ask(running)["says"] == 1)
        wait_until(lambda: ENDED in running.log)
        answer = ask(running)
        assert (answer["says"], answer["report"]["place"]) == (1, "volume")


def test_health_while_a_volume_dies_hangs_and_comes_back(moosefs: MooseFS, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("F5_BOOTSTRAP_SILENCE", "3")
    folder = moosefs.folder("health")
    leave_probe_in(folder)
    settings = Settings(network_volume=folder)

    def told() -> list[str]:
        return what_is_wrong({**machine_facts(settings), "s3": {}})

    wait_until(lambda: told() == [])
    moosefs.kill("mount")
    wait_until(lambda: told() == ["The network volume fails (Transport endpoint is not connected)."])
    moosefs.remount()
    wait_until(lambda: told() == [])
    with moosefs.frozen("chunkserver"):
        wait_until(lambda: told() == [SILENT])
    wait_until(lambda: told() == [])


def test_what_hangs_is_left_behind(moosefs: MooseFS) -> None:
    folder = moosefs.folder("left behind")
    assert apart.on_volume(folder, lambda: [path.name for path in folder.parent.glob("left*")], apart.within(60)) == [
        "left behind"
    ]
    with moosefs.frozen("mount"), pytest.raises(Failure, match="does not answer"):
        apart.on_volume(folder, (folder / "new").touch, apart.within(0.5))

    def fails() -> None:
        raise Failure("disk", "Full.", "Free some.")

    with pytest.raises(Failure, match=r"Full\."):
        apart.on_volume(folder, fails, apart.within(60))
