"""What can go wrong with an environment, with real file systems, indexes and Pythons: each ends in a report."""

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bootstrap.installers import UV_VERSION
from bootstrap.report import REFRESH_AFTER
from tests import REPOSITORY, wait_until
from tests.support.bootstrap_packages import (
    BASE_PYTHON,
    Start,
    World,
    find_uv,
    hanging_index,
    make_python,
    make_wheel,
    read_only,
    tiny_world,
    tmpfs,
    value,
)

__all__ = ["tiny_world", "tmpfs"]  # fixtures that come from the helpers


def test_a_requirement_that_does_not_exist(world: World) -> None:
    world.require("tiny==9.9")
    report = world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "package", world.python)
    assert "tiny==9.9" in str(report.reason)
    assert world.builds() == []


def test_a_worker_without_an_environment_may_ask_for_a_successor_after_a_while(world: World) -> None:
    world.require("tiny==9.9")
    assert [world.start().finish().refresh_after for _ in range(2)] == [REFRESH_AFTER, REFRESH_AFTER]
    make_wheel(world.wheels, "tiny", "9.9", {"tiny.py": "value = 9\n"})
    mended = world.start().finish()
    assert (mended.status, mended.refresh_after) == ("built", None)


def test_an_index_that_hangs(world: World) -> None:
    with hanging_index() as url:
        start = world.start(UV_DEFAULT_INDEX=url, F5_BOOTSTRAP_RETRIES="1")
        report = start.finish()
    assert (report.status, report.cause) == ("failed", "network")
    assert "tiny" in str(report.reason)
    assert "Trying again in" in start.text
    assert "secret" not in start.text + report.to_json()


def test_an_index_that_hangs_for_pip(no_uv_world: World, pythons: dict[str, str]) -> None:
    no_uv_world.python = pythons["pip"]
    with hanging_index() as url:
        start = no_uv_world.start(PIP_INDEX_URL=url, PIP_RETRIES="1", PIP_DEFAULT_TIMEOUT="1", F5_BOOTSTRAP_RETRIES="0")
        report = start.finish()
    assert (report.status, report.cause) == ("failed", "network")
    assert "tiny" in str(report.reason)
    assert "secret" not in start.text + report.to_json()


def test_an_index_that_refuses_connections_with_an_older_environment(world: World) -> None:
    old = world.start().finish()
    world.require("tiny==2.0")
    start = world.start(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple")
    report = start.finish()
    assert (report.status, report.interpreter, report.cause) == ("fallback", old.interpreter, "network")
    assert report.speech
    assert "older environment" in report.warnings[-1]
    assert "Trying again" not in start.text, "every start would wait for a dead index"
    assert world.start().finish().status == "built"


def test_the_time_that_the_platform_gives(world: World) -> None:
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(600)\n"})
    world.require("slow==1.0")
    world.let_it_import("slow")
    report = world.start(F5_BOOTSTRAP_LIMIT="1.5").finish()
    assert (report.status, report.cause) == ("failed", "time")
    assert "RUNPOD_INIT_TIMEOUT" in str(report.fix)


def test_too_little_space_is_told_before_anything_is_installed(world: World) -> None:
    report = world.start(F5_BOOTSTRAP_NEED="1e14").finish()
    assert (report.status, report.cause) == ("failed", "disk")
    assert "100000.0 GB" in str(report.reason)
    assert world.builds() == []


def test_a_disk_that_fills_up_meanwhile(world: World, tmpfs: Path) -> None:
    make_wheel(world.wheels, "large", "1.0", {"large.bin": os.urandom(5_000_000)})
    world.require("tiny==1.0", "large==1.0")
    report = world.start("--root", str(tmpfs)).finish()
    assert (report.status, report.cause) == ("failed", "disk")
    assert "no space left on the network volume" in str(report.reason)
    assert world.builds(tmpfs) == []
    wait_until(lambda: not (tmpfs / "f5-tts-worker" / "trash").exists())
    world.require("tiny==1.0")
    assert world.start("--root", str(tmpfs), F5_BOOTSTRAP_NEED="0").finish().status == "built", "the half-made one was left"


def test_downloads_stay_off_the_volume(world: World, tmpfs: Path) -> None:
    """The volume is another disk than the home folder, as on RunPod."""
    start = world.start("--root", str(tmpfs), F5_BOOTSTRAP_NEED="0")
    assert start.finish().status == "built"
    assert "go to the volume" not in start.text
    assert (world.folder / "tmp").is_dir()
    wait_until(lambda: not list((world.folder / "tmp").iterdir()))


def test_downloads_go_to_the_volume_where_the_container_disk_is_too_small(world: World, tmpfs: Path) -> None:
    start = world.start("--root", str(tmpfs), F5_BOOTSTRAP_NEED="0", F5_BOOTSTRAP_NEED_CACHE="1e14")
    assert start.finish().status == "built"
    assert "downloads go to the volume meanwhile" in start.text
    assert len(world.builds(tmpfs)) == 1, "the downloads were left"
    assert not list((world.folder / "tmp").iterdir())


def test_a_disk_that_is_full(world: World, tmpfs: Path) -> None:
    world.require("tiny==1.0")
    old = world.start("--root", str(tmpfs)).finish()
    assert old.status == "built"
    with (tmpfs / "filler").open("wb", buffering=0) as filler:
        os.posix_fallocate(filler.fileno(), 0, shutil.disk_usage(tmpfs).free)
    assert shutil.disk_usage(tmpfs).free == 0
    assert world.start("--root", str(tmpfs)).finish().status == "ready"
    world.require("tiny==2.0")
    report = world.start("--root", str(tmpfs)).finish()
    assert (report.status, report.cause, report.interpreter) == ("fallback", "disk", old.interpreter)


def test_a_read_only_volume(world: World) -> None:
    start = world.start()
    command, start = list(start.command), start
    assert start.finish().status == "built"
    found = Start(read_only(command, world.volume), world.variables).finish()
    assert (found.status, found.place) == ("ready", "volume"), "what is there can be used"
    world.require("tiny==2.0")
    report = Start(read_only(command, world.volume), world.variables).finish()
    assert (report.status, report.place) == ("built", "local")
    report = Start(read_only(command, world.volume), {**world.variables, "RUNPOD_POD_ID": "pod"}).finish()
    assert "cannot be written (Read-only file system)" in report.warnings[0]


def test_a_read_only_root(world: World) -> None:
    command = [world.python, str(world.project / "setup_network_venv.py"), "--launch"]
    report = Start(read_only(command, Path("/")), world.variables).finish()
    assert (report.status, report.cause, report.place) == ("failed", "read_only", "none")
    assert world.start().finish().status == "built"
    assert Start(read_only(command, Path("/")), world.variables).finish().status == "ready"


def test_a_read_only_root_with_a_writable_volume(world: World, tmpfs: Path) -> None:
    script = world.project / "setup_network_venv.py"
    command = read_only([world.python, str(script), "--launch", "--root", str(tmpfs)], Path("/"))
    at = next(i for i, part in enumerate(command) if "chroot" in part)
    command[at] = command[at].replace("&& exec chroot", f"&& mount --bind '{tmpfs}' '/mnt{tmpfs}' && exec chroot")
    report = Start(command, {**world.variables, "F5_BOOTSTRAP_NEED": "0"}).finish()
    assert (report.status, report.place) == ("built", "volume"), report


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pythons without uv: with a pip, with one that ``ensurepip`` can install, with none, and with a ``venv`` that fails."""
    folder = tmp_path_factory.mktemp("pythons")
    subprocess.run([BASE_PYTHON, "-m", "venv", str(folder / "pip")], check=True)
    fails = "raise SystemExit('The virtual environment was not created successfully because ensurepip is not available.')"
    return {
        "pip": str(folder / "pip" / "bin" / "python"),
        "ensurepip": make_python(folder / "ensurepip"),
        "nothing": make_python(folder / "nothing", without=["ensurepip"]),
        "venv fails": make_python(folder / "fails", replaced={"venv": fails}),
    }


@pytest.fixture
def no_uv_world(world: World) -> World:
    """One whose PATH has no uv."""
    world.variables["PATH"] = os.defpath
    if shutil.which("uv", path=os.defpath):
        pytest.skip("uv is in the system's own folders here")
    return world


@pytest.mark.parametrize("pip", ["pip", "ensurepip"])
def test_no_uv(no_uv_world: World, pythons: dict[str, str], pip: str) -> None:
    no_uv_world.python = pythons[pip]
    start = no_uv_world.start()
    report = start.finish()
    assert (report.status, value(report.interpreter)) == ("built", "1"), start.text
    assert "with pip" in start.text
    assert list(Path(report.interpreter).parent.parent.rglob("tiny.*.pyc")), "not compiled"
    assert no_uv_world.start().finish().status == "ready"


@pytest.mark.parametrize("pip", ["pip", "ensurepip"])
def test_uv_is_fetched_with_pip(no_uv_world: World, pythons: dict[str, str], pip: str) -> None:
    """From an index that has a package with uv in it."""
    no_uv_world.python = pythons[pip]
    script = f"uv-{UV_VERSION}.data/scripts/uv"
    make_wheel(no_uv_world.wheels, "uv", UV_VERSION, {script: f'#!/bin/sh\nexec {shlex.quote(str(find_uv()))} "$@"\n'})
    start = no_uv_world.start()
    report = start.finish()
    assert (report.status, value(report.interpreter)) == ("built", "1"), start.text
    assert "fetched uv with pip" in start.text
    assert "on the network volume with uv" in start.text
    assert no_uv_world.builds() == [Path(report.interpreter).parent.parent], "the fetched uv was left"


def test_neither_uv_nor_pip(no_uv_world: World, pythons: dict[str, str]) -> None:
    no_uv_world.python = pythons["nothing"]
    report = no_uv_world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "installer", pythons["nothing"])
    assert "neither uv nor pip" in str(report.reason)


def test_a_python_that_cannot_make_environments(no_uv_world: World, pythons: dict[str, str]) -> None:
    """As on a Debian without python3-venv: there is a ``venv``, and it fails."""
    no_uv_world.python = pythons["venv fails"]
    report = no_uv_world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "interpreter", pythons["venv fails"])
    assert "python3-venv" in str(report.fix)


def test_requirements_that_cannot_be_read(world: World) -> None:
    (world.project / "requirements.txt").unlink()
    report = world.start().finish()
    assert (report.status, report.cause) == ("failed", "package")


def test_a_fault_of_the_bootstrap_itself(world: World) -> None:
    (world.project / "bootstrap" / "build.py").write_text("raise RuntimeError('a bug')\n")
    start = world.start()
    report = start.finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "crash", world.python)
    assert "RuntimeError: a bug" in start.text
    shutil.copy(REPOSITORY / "bootstrap" / "build.py", world.project / "bootstrap" / "build.py")
    old = world.start().finish()
    world.require("tiny==2.0")
    (world.project / "bootstrap" / "build.py").write_text("raise RuntimeError('a bug')\n")
    report = world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("fallback", "crash", old.interpreter)


def test_another_user(world: World) -> None:
    """Not root, on a volume that root owns: a local folder is used."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    runuser = shutil.which("setpriv")
    if os.getuid() != 0 or python is None or runuser is None or _version(python) < (3, 11):
        pytest.skip("needs root, setpriv and a system Python 3.11")
    shared = Path("/tmp") / f"f5-another-user-{os.getpid()}"
    try:
        shutil.copytree(world.folder, shared)
        for path in (shared, shared / "tmp", shared / "home"):
            path.chmod(0o777)
        variables = {name: text.replace(str(world.folder), str(shared)) for name, text in world.variables.items()}
        variables.update(PATH=os.defpath, F5_LOCAL_ROOT=str(shared / "home" / "env"))
        script = shared / "the project" / "setup_network_venv.py"
        command = [runuser, "--reuid=65534", "--regid=65534", "--clear-groups", python, str(script), "--launch"]
        report = Start(command, {**variables, "RUNPOD_POD_ID": "pod"}).finish()
        assert (report.status, report.place) == ("built", "local"), report
        assert "Permission denied" in report.warnings[0]
    finally:
        shutil.rmtree(shared)


def _version(python: str) -> tuple[int, ...]:
    found = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=True, text=True
    )
    return tuple(int(part) for part in found.stdout.split())
