"""An empty network volume, and it is a real MooseFS: workers speak from their own disks, and one of them fills it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bootstrap import lease as leases
from bootstrap.report import Report
from tests import wait_until
from tests.support.bootstrap_packages import Start, World, make_wheel, many_files, process_ids, tiny_world, tmpfs, value
from tests.support.moosefs import MooseFS, moosefs, moosefs_cluster

__all__ = ["moosefs", "moosefs_cluster", "tiny_world", "tmpfs"]  # fixtures that come from the helpers

LARGE = 9 << 20
"""Bytes of a file that the next worker takes over."""
COPYING = "bootstrap: copying the environment to the network volume"
THERE = "bootstrap: the environment is on the network volume"


@pytest.fixture(name="volume")
def empty_volume(world: World, moosefs: MooseFS) -> Iterator[Path]:
    """The world's volume, an empty one; its environment has a script, a large file and some hundred small ones."""
    many = {f"many{number}/{name}": text for number in range(3) for name, text in many_files("m", 20).items()}
    make_wheel(world.wheels, "many", "1.0", {**many, "many.bin": b"F5" * (LARGE // 2)})
    script = {
        "said.py": "def main():\n    print('said')\n",
        "said-1.0.dist-info/entry_points.txt": "[console_scripts]\nsaid = said:main\n",
    }
    make_wheel(world.wheels, "said", "1.0", script)
    world.require("tiny==1.0", "many==1.0", "said==1.0")
    world.volume = moosefs.folder(world.folder.name)
    world.variables["NETWORK_VOLUME"] = str(world.volume)
    yield world.volume
    moosefs.mend()
    for process in publishers(world):
        os.kill(process, signal.SIGKILL)


def publishers(world: World) -> list[int]:
    """The processes that copy."""
    return process_ids(f"bootstrap.publish {world.volume}")


def elsewhere(world: World, name: str, volume: Path | None = None, dies_at: str = "") -> Start:
    """A start in another container, with a disk of its own."""
    disk = world.folder / f"disk of {name}"
    volume = volume or world.volume
    return world.start(F5_LOCAL_ROOT=str(disk), RUNPOD_POD_ID=name, NETWORK_VOLUME=str(volume), DIES_AT=dies_at)


def whole(world: World) -> Path | None:
    """The build that the volume's marker names, which must be whole; ``None`` without a marker."""
    markers = list(world.volume.glob("f5-tts-worker/venvs/*/ready.json"))
    if not markers:
        return None
    build: Path = markers[0].parent / json.loads(markers[0].read_bytes())["build"]
    assert value(str(build / "bin" / "python")) == "1"
    packages = next(build.glob("lib/python3*/site-packages"))
    assert (packages / "many.bin").stat().st_size == LARGE
    assert len(list(packages.glob("many*/m/m*.py"))) == len(list(packages.glob("many*/m/__pycache__/m*.pyc"))) == 60
    return build


def after_copying(world: World, report: Report) -> Report:
    """The report's state once the copy is done."""
    wait_until(lambda: not publishers(world))
    publication = report.public()["publication"]
    assert publication is not None
    assert publication["status"] == "done", publication
    return report


def test_the_first_speaks_from_its_own_disk_and_the_next_from_the_volume(world: World, volume: Path) -> None:
    start = world.start()
    first = start.finish()
    assert (first.status, first.place, value(first.interpreter), first.warnings) == ("built", "local", "1", ())
    publication = after_copying(world, first).public()["publication"]
    build = whole(world)
    assert build is not None
    assert publication["files"] == sum(path.is_file() and not path.is_symlink() for path in build.rglob("[!.]*"))
    assert "and take" in start.text or "which take" in start.text
    assert start.text.count(THERE) == 1

    second = elsewhere(world, "second").finish()
    assert (second.status, second.place, second.public()["publication"]) == ("ready", "volume", None)
    assert Path(second.interpreter).is_relative_to(volume)
    told = subprocess.run([second.interpreter, "-v", "-c", "import many1.m.m7"], capture_output=True, check=True, text=True)
    assert f"m7.cpython-{''.join(map(str, sys.version_info[:2]))}.pyc matches" in told.stderr
    said = subprocess.run([build / "bin" / "said"], capture_output=True, check=True, text=True)
    assert said.stdout == "said\n"
    assert str(first.interpreter).encode() not in (build / "bin" / "said").read_bytes()

    again = world.start().finish()
    assert again.place == "volume", "a copy of one's own is not kept when the volume has one"


def test_of_eight_workers_on_two_hosts_each_speaks_and_one_publishes(world: World, volume: Path, moosefs: MooseFS) -> None:
    other = moosefs.mount() / volume.name
    starts = [elsewhere(world, f"pod-{number}", other if number % 2 else volume) for number in range(8)]
    reports = [start.finish() for start in starts]
    assert [value(report.interpreter) for report in reports] == ["1"] * 8
    wait_until(lambda: not process_ids(f"/{volume.name} "))
    assert sum(COPYING in start.text for start in starts) == 1
    assert whole(world)
    assert len(world.builds()) == 1
    assert sorted(path.name for path in other.rglob("ready.json")) == ["ready.json"]


def test_a_lease_holds_on_every_host(moosefs: MooseFS) -> None:
    here, there = moosefs.folder("lease"), moosefs.mount() / "lease"
    watch = leases.Watch(stale=30.0)
    assert leases.current(there) is None
    first = leases.take(here, 0, "first", 0.05)
    assert first is not None
    assert leases.take(there, 0, "second", 0.05) is None
    with first:
        first.announce("copying")
        seen: set[tuple[bytes, str]] = set()
        while len(seen) < 20:  # heartbeats, which are written in place and are all of one length
            lease = leases.current(there)
            assert lease is not None
            assert not watch.is_dead(lease)
            seen.add((lease.beat, lease.doing))
        assert "copying" in {doing for _, doing in seen}
        first.finish({"status": "stopped"})
        wait_until(lambda: (found := leases.current(there)) and found.outcome == {"status": "stopped"})
        assert not first.lost
        second = leases.take(there, 1, "second", 0.05)
        assert second is not None
        with second:
            wait_until(lambda: first.lost)
            assert not second.lost
            lease = leases.current(here)
            assert lease is not None
            assert lease.number == 2


def test_of_many_on_two_hosts_one_takes_the_lease(moosefs: MooseFS) -> None:
    homes = [moosefs.folder("race"), moosefs.mount() / "race"]
    for number in range(10):
        with ThreadPoolExecutor(8) as pool:
            ready = threading.Barrier(8)

            def take(worker: int, number: int = number, ready: threading.Barrier = ready) -> bool:
                ready.wait()
                return leases.take(homes[worker % 2], number, str(worker), 1.0) is not None

            assert sum(pool.map(take, range(8))) == 1


DIES = """
import os, signal, sys
_event, _text, _left = (os.environ.get("DIES_AT") or " : :0").split(":")
_left = int(_left)
def _count(name, arguments):
    global _left
    if name == _event and any(str(argument).startswith(sys.argv[1]) and _text in str(argument) for argument in arguments):
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(_count)
"""
"""Goes before publish.py: kill -9 before a call that changes the volume."""
MOMENTS = (
    *("os.mkdir::3", "os.mkdir::9", "open::2", "open::30", "open::80", "open::140", "os.utime::20", "os.symlink::1"),
    *("os.rename:many.bin:1", "os.rename:ready.json:1"),
)


@pytest.mark.usefixtures("volume")
def test_kill_at_ten_moments_of_publishing(world: World) -> None:
    world.variables["F5_BOOTSTRAP_STALE"] = "0.5"
    code = world.project / "bootstrap" / "publish.py"
    code.write_text(DIES + code.read_text())
    for moment in MOMENTS:
        report = world.start(DIES_AT=moment).finish()
        wait_until(lambda: not publishers(world))
        assert (report.place, value(report.interpreter), whole(world)) == ("local", "1", None), moment
        assert report.public()["publication"]["status"] == "failed", moment
        assert "the next worker" in report.public()["warnings"][-1]
    last = elsewhere(world, "last", dies_at="os.rename:outcome:1")
    assert last.finish().place == "local"
    wait_until(lambda: whole(world) and not publishers(world))
    assert "1 large files (9.4 MB) were there already" in last.text
    assert elsewhere(world, "one more").finish().place == "volume"
    assert world.builds() == [whole(world)]


def test_a_volume_that_is_too_small_is_told_while_the_worker_speaks(world: World, volume: Path, moosefs: MooseFS) -> None:
    moosefs.limit(volume, 5 << 20)
    start = world.start()
    report = start.finish()
    assert (report.place, value(report.interpreter)) == ("local", "1")
    wait_until(lambda: report.public()["publication"]["status"] == "failed")
    shown = report.public()
    assert "no space left on the network volume" in shown["warnings"][-1]
    assert "make it larger" in shown["warnings"][-1]
    assert not list(volume.glob("f5-tts-worker/*/*/build-*")), "what was copied keeps the volume full"
    wait_until(lambda: not publishers(world))
    assert start.text.count("was not copied to the network volume") == 3, "storage that comes back is full for a moment"
    assert report.public()["publication"]["status"] == "failed"


@pytest.mark.usefixtures("volume")
def test_an_environment_is_built_on_the_volume_where_the_local_disk_is_too_small(world: World, tmpfs: Path) -> None:
    report = world.start(F5_LOCAL_ROOT=str(tmpfs), F5_BOOTSTRAP_NEED="12e6").finish()
    assert (report.status, report.place, value(report.interpreter)) == ("built", "volume", "1")
    assert whole(world) == Path(report.interpreter).parent.parent


def test_by_hand_it_is_complete_when_the_command_ends(world: World, volume: Path) -> None:
    script = [world.python, str(world.project / "setup_network_venv.py"), "--require", "--root", str(volume)]
    done = subprocess.run(script, env=world.variables, capture_output=True, check=True, text=True)
    assert whole(world) == Path(done.stdout.strip()).parent.parent
    assert not publishers(world)


def test_a_container_that_starts_again_goes_on_with_its_own(world: World, volume: Path) -> None:
    world.variables["F5_BOOTSTRAP_STALE"] = "0.5"
    (world.project / "bootstrap" / "publish.py").write_text(DIES + (world.project / "bootstrap" / "publish.py").read_text())
    first = world.start(DIES_AT="os.mkdir::3").finish()
    wait_until(lambda: not publishers(world))
    again = world.start().finish()
    assert (again.status, again.interpreter) == ("ready", first.interpreter)
    after_copying(world, again)
    assert whole(world)
    assert list(volume.rglob("ready.json"))
