"""The bootstrap with real environments, processes and file systems. Packages are small, times are short (``FAST``)."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.in_use import hold_environment
from bootstrap.installers import UV_VERSION
from bootstrap.report import REFRESH_BASE, VARIABLE, Report, refresh_after
from tests.bootstrap_packages import (
    BASE_PYTHON,
    REPOSITORY,
    Start,
    World,
    find_uv,
    hanging_index,
    make_python,
    make_wheel,
    many_files,
    read_only,
    tmpfs,
)

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # killed processes leave their pipes


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A project that needs one small package, and a package folder that has it."""
    world = World.make(tmp_path, ["tiny==1.0"], ["tiny"])
    make_wheel(world.wheels, "tiny", "1.0", {"tiny.py": "value = 1\n"})
    make_wheel(world.wheels, "tiny", "2.0", {"tiny.py": "value = 2\n"})
    make_wheel(world.wheels, "tiny", "3.0", {"tiny.py": "value = 3\n"})
    return world


def value(interpreter: str) -> str:
    """What the environment's ``tiny`` says."""
    return subprocess.run(
        [interpreter, "-c", "import tiny; print(tiny.value)"], capture_output=True, check=True, text=True
    ).stdout.strip()


__all__ = ["tmpfs"]  # a fixture that comes from the helpers


def wait_until(condition: Callable[[], object], timeout: float = 10.0) -> None:
    """Wait for a condition that a background process fulfils."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- Found, built, kept ------------------------------------------------------------------------------------------------------


def test_first_start_builds_and_second_finds(world: World) -> None:
    built = world.start().finish()
    assert (built.status, built.place, value(built.interpreter)) == ("built", "volume", "1")
    assert built.warnings == ()
    assert built.size is not None
    assert built.size > 0
    assert list(Path(built.interpreter).parent.parent.rglob("tiny.*.pyc")), "not compiled"
    second = world.start()
    found = second.finish()
    assert (found.status, found.interpreter) == ("ready", built.interpreter)
    assert second.log == ["INFO   | bootstrap: the environment is ready, from the network volume"]
    assert not list((world.folder / "tmp").iterdir())


def test_stdout_is_one_line(world: World) -> None:
    done = subprocess.run(
        [world.python, str(world.project / "setup_network_venv.py")],
        env=world.variables,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.count("\n") == 1
    assert value(done.stdout.strip()) == "1"


def test_a_warm_start_runs_no_subprocess_and_imports_nothing_heavy(world: World) -> None:
    world.start().finish()
    script = world.project / "setup_network_venv.py"
    code = (
        "import sys, runpy\n"
        "sys.addaudithook(lambda name, _: sys.exit(f'starts a process: {name}') if name in ('subprocess.Popen', 'os.fork', "
        "'os.posix_spawn', 'os.exec', 'os.system') else None)\n"
        f"sys.argv = [{str(script)!r}, '--launch']\nsys.path.insert(0, {str(script.parent)!r})\n"
        f"before = set(sys.modules)\nrunpy.run_path({str(script)!r}, run_name='__main__')\n"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run([world.python, "-I", "-c", code], env=world.variables, capture_output=True, text=True, check=True)
    loaded = done.stderr.splitlines()[-1].split()
    assert "bootstrap.store" in loaded
    assert not {"subprocess", "threading", "asyncio", "http", "urllib.request", "ssl", "ctypes", "bootstrap.build"} & set(
        loaded
    )


def test_check_changes_nothing_and_tells_the_state(world: World) -> None:
    def everything() -> list[tuple[str, int]]:
        paths = sorted(path for path in world.folder.rglob("*") if world.project not in path.parents)
        return [(str(path), path.stat().st_mtime_ns) for path in paths]

    before = everything()
    state = world.check()
    assert everything() == before
    assert (state["ready"], state["installer"], state["problem"]) == (False, "uv", None)
    report = world.start().finish()
    before = everything()
    state = world.check()
    assert everything() == before
    assert (state["ready"], state["interpreter"], state["fingerprint"]) == (True, report.interpreter, report.fingerprint)


@pytest.mark.parametrize("arguments", [["--no-such-thing"], ["--requirements", "no-such-file.txt"], ["--root"]])
def test_wrong_arguments_exit_with_2(world: World, arguments: list[str]) -> None:
    done = subprocess.run(
        [world.python, str(world.project / "setup_network_venv.py"), *arguments], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, b"")


def test_root_and_requirements_arguments(world: World) -> None:
    extra = world.folder / "more.txt"
    extra.write_text("tiny==2.0\n")
    root = world.folder / "a new" / "root"
    report = world.start("--root", str(root), "--requirements", str(extra)).finish()
    assert (report.status, value(report.interpreter)) == ("built", "2")
    assert Path(report.interpreter).is_relative_to(root)


def test_comments_do_not_make_a_new_environment(world: World) -> None:
    first = world.start().finish()
    world.require("# why", "tiny==1.0  # because")
    assert world.start().finish().interpreter == first.interpreter


def test_an_environment_in_the_image_comes_first(world: World) -> None:
    baked = world.start("--root", world.variables["F5_IMAGE_ROOT"]).finish()
    assert (baked.status, baked.place) == ("built", "image")
    again = world.start().finish()
    assert (again.status, again.place, again.interpreter) == ("ready", "image", baked.interpreter)
    assert world.homes() == []
    world.require("tiny==2.0")
    assert world.start().finish().place == "volume"


def test_without_a_volume_a_local_folder_is_used_with_a_warning(world: World) -> None:
    report = world.start(NETWORK_VOLUME=str(world.folder / "nothing"), RUNPOD_POD_ID="pod").finish()
    assert (report.status, report.place) == ("built", "local")
    assert "goes with this worker" in report.warnings[0]
    again = world.start(NETWORK_VOLUME=str(world.folder / "nothing"), RUNPOD_POD_ID="pod").finish()
    assert (again.status, again.warnings) == ("ready", report.warnings)
    on_a_desk = world.start(NETWORK_VOLUME=str(world.folder / "nothing")).finish()
    assert (on_a_desk.status, on_a_desk.warnings) == ("ready", ())


def test_bad_option_is_told_and_not_used(world: World) -> None:
    start = world.start(F5_BOOTSTRAP_STALE="soon")
    assert start.finish().status == "built"
    assert "F5_BOOTSTRAP_STALE='soon'" in start.text


# --- Ready means ready -------------------------------------------------------------------------------------------------------


def spoil_interpreter_gone(build: Path) -> None:
    (build / "bin" / "python").unlink()


def spoil_interpreter_dangles(build: Path) -> None:
    (build / "bin" / "python").unlink()
    (build / "bin" / "python").symlink_to("/no/such/python")


def spoil_interpreter_empty(build: Path) -> None:
    (build / "bin" / "python").unlink()
    (build / "bin" / "python").touch(0o755)


def spoil_build_gone(build: Path) -> None:
    shutil.rmtree(build)


def spoil_configuration_gone(build: Path) -> None:
    (build / "pyvenv.cfg").unlink()


def spoil_marker_half_written(build: Path) -> None:
    marker = build.parent / "ready.json"
    marker.write_bytes(marker.read_bytes()[:30])


def spoil_marker_empty(build: Path) -> None:
    (build.parent / "ready.json").write_bytes(b"")


def spoil_marker_of_other_code(build: Path) -> None:
    (build.parent / "ready.json").write_text('["something", "else"]')


def spoil_marker_gone(build: Path) -> None:
    (build.parent / "ready.json").unlink()


SPOILS: tuple[Callable[[Path], None], ...] = (
    spoil_interpreter_gone,
    spoil_interpreter_dangles,
    spoil_interpreter_empty,
    spoil_build_gone,
    spoil_configuration_gone,
    spoil_marker_half_written,
    spoil_marker_empty,
    spoil_marker_of_other_code,
    spoil_marker_gone,
)


def test_a_damaged_environment_is_built_again(world: World) -> None:
    """One after the other in one place, since each needs an environment to damage."""
    report = world.start().finish()
    for spoil in SPOILS:
        spoil(Path(report.interpreter).parent.parent)
        report = world.start().finish()
        assert (report.status, value(report.interpreter)) == ("built", "1"), spoil.__name__
        assert world.builds() == [Path(report.interpreter).parent.parent], f"{spoil.__name__}: the damaged one was left"


def test_what_does_not_import_is_not_ready(world: World) -> None:
    make_wheel(world.wheels, "broken", "1.0", {"broken.py": "import a_module_nobody_has\n"})
    world.require("tiny==1.0", "broken==1.0")
    (world.project / "f5_worker" / "late.py").write_text("def speak():\n    import broken\n")
    report = world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "import", world.python)
    assert "cannot import broken" in str(report.reason)
    assert world.builds() == []


def test_a_fault_in_the_workers_own_code_does_not_spoil_the_environment(world: World) -> None:
    (world.project / "f5_worker" / "wrong.py").write_text("1 / 0\n")
    start = world.start()
    assert start.finish().status == "built"
    assert "f5_worker.wrong of the worker itself fails: ZeroDivisionError" in start.text


# --- Many workers ------------------------------------------------------------------------------------------------------------


def test_of_eight_at_once_one_builds(world: World) -> None:
    starts = [world.start() for _ in range(8)]
    reports = [start.finish() for start in starts]
    assert {report.status for report in reports} <= {"built", "ready"}
    assert len({report.interpreter for report in reports}) == 1
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert len(world.builds()) == 1


def test_waiters_say_what_they_wait_for(world: World) -> None:
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(1.5)\n"})
    world.require("slow==1.0")
    (world.project / "f5_worker" / "speaks.py").write_text("import slow\n")
    first = world.start()
    first.wait_for("checking that")
    second = world.start()
    second.wait_for("another worker builds the environment; waiting (checking that")
    assert first.finish().interpreter == second.finish().interpreter


def test_those_who_waited_for_a_build_that_fails_do_not_try_one_after_the_other(world: World) -> None:
    make_wheel(world.wheels, "broken", "1.0", {"broken.py": "import time\ntime.sleep(1)\nraise ImportError('no')\n"})
    world.require("broken==1.0")
    (world.project / "f5_worker" / "speaks.py").write_text("import broken\n")
    first = world.start()
    first.wait_for("checking that")
    others = [world.start() for _ in range(3)]
    reports = [start.finish() for start in [first, *others]]
    assert {report.cause for report in reports} == {"import"}
    assert sum("bootstrap: making an environment" in start.text for start in [first, *others]) == 1


@pytest.fixture
def slow_world(world: World) -> World:
    """One whose builds take a second or two."""
    make_wheel(world.wheels, "many", "1.0", many_files("many", 1500))
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(0.6)\n"})
    world.require("tiny==1.0", "many==1.0", "slow==1.0")
    (world.project / "f5_worker" / "speaks.py").write_text("import tiny\nimport slow\n")
    return world


def test_kill_at_ten_moments_then_one_more_start(slow_world: World) -> None:
    moments = [
        ("free on", 0.0),
        ("making an environment", 0.0),
        ("making an environment", 0.05),
        ("installing", 0.0),
        ("installing", 0.1),
        ("Resolved", 0.0),
        ("Resolved", 0.2),
        ("installed in", 0.0),
        ("checking that", 0.0),
        ("checking that", 0.4),
    ]
    for text, delay in moments:
        victim = slow_world.start(F5_BOOTSTRAP_STALE="0.3")
        victim.wait_for(text)
        time.sleep(delay)
        victim.kill()
        assert not list(slow_world.volume.glob("*/venvs/*/ready.json"))
    last = slow_world.start(F5_BOOTSTRAP_STALE="0.3")
    report = last.finish()
    assert "has died; taking over" in last.text
    assert (report.status, value(report.interpreter)) == ("built", "1")
    assert slow_world.builds() == [Path(report.interpreter).parent.parent]
    wait_until(lambda: not (slow_world.volume / "f5-tts-worker" / "trash").exists())
    wait_until(lambda: not _processes_with(str(slow_world.volume)))  # no installer outlives its builder


def _processes_with(text: str) -> list[str]:
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            lines.append(line)
    return lines


def test_of_those_who_take_over_one_wins(slow_world: World) -> None:
    victim = slow_world.start()
    victim.wait_for("installing")
    victim.kill()
    starts = [slow_world.start(F5_BOOTSTRAP_STALE="3") for _ in range(4)]
    reports = [start.finish() for start in starts]
    assert len({report.interpreter for report in reports}) == 1
    assert {report.status for report in reports} == {"built"}
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert len(slow_world.builds()) == 1


def test_a_frozen_builder_is_taken_over_and_gives_way_when_it_wakes(slow_world: World) -> None:
    frozen = slow_world.start()
    frozen.wait_for("installing")
    frozen.process.send_signal(signal.SIGSTOP)
    try:
        report = slow_world.start(F5_BOOTSTRAP_STALE="1").finish()
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    woken = frozen.finish()
    assert "another worker has taken this build over" in frozen.text
    assert woken.interpreter == report.interpreter
    assert value(report.interpreter) == "1"
    assert len(slow_world.builds()) == 1


def test_a_stopped_builder_hands_over_at_once(slow_world: World) -> None:
    stopped = slow_world.start()
    stopped.wait_for("installing")
    waiter = slow_world.start(F5_BOOTSTRAP_STALE="50")
    waiter.wait_for("waiting")
    stopped.process.send_signal(signal.SIGTERM)
    assert stopped.process.wait(10) == 128 + signal.SIGTERM
    assert waiter.finish(40).status == "built"
    assert "has died" not in waiter.text


def test_clocks_an_hour_apart_change_nothing(slow_world: World) -> None:
    starts = [slow_world.start(clock_shift=shift) for shift in (-3600.0, 3600.0, 0.0)]
    builder = None
    deadline = time.monotonic() + 20
    while builder is None and time.monotonic() < deadline:
        builder = next((start for start in starts if "installing" in start.text), None)
        time.sleep(0.01)
    assert builder is not None
    for path in slow_world.volume.rglob("lease-*/beat"):
        os.utime(path, (time.time() - 7200, time.time() - 7200))
    reports = [start.finish() for start in starts]
    assert len({report.interpreter for report in reports}) == 1
    assert sum("bootstrap: making an environment" in start.text for start in starts) == 1
    assert not any("has died" in start.text for start in starts)


def test_a_dead_builder_with_another_clock_is_taken_over(slow_world: World) -> None:
    victim = slow_world.start(clock_shift=3600.0)
    victim.wait_for("installing")
    victim.kill()
    began = time.monotonic()
    successor = slow_world.start(F5_BOOTSTRAP_STALE="1")
    successor.wait_for("taking over")
    assert time.monotonic() - began < 10
    assert successor.finish().status == "built"


# --- New requirements, old workers -------------------------------------------------------------------------------------------


def test_an_older_environment_stays_while_it_is_used(world: World) -> None:
    reports: list[Report] = []
    for version in ("1.0", "2.0", "3.0"):
        world.require(f"tiny=={version}")
        reports.append(world.start(F5_BOOTSTRAP_STALE="2").finish())
        if version == "1.0":
            # A worker of the first release goes on and on.
            code = (
                f"import os, sys, time\nsys.path.insert(0, {str(world.project)!r})\n"
                "from bootstrap.in_use import hold_environment\nhold_environment(os.environ)\ntime.sleep(60)"
            )
            worker = Start([reports[0].interpreter, "-c", code], {**world.variables, VARIABLE: reports[0].to_json()})
    time.sleep(3.5)  # longer than the sweeper of the last start watches
    assert [value(report.interpreter) for report in reports] == ["1", "2", "3"], "an environment in use was removed"
    worker.kill()
    world.require("tiny==1.0", "# again, so that something is built")
    make_wheel(world.wheels, "tiny", "4.0", {"tiny.py": "value = 4\n"})
    world.require("tiny==4.0")
    last = world.start(F5_BOOTSTRAP_STALE="2").finish()
    wait_until(lambda: len(world.homes()) == 2)
    assert (value(last.interpreter), value(reports[2].interpreter)) == ("4", "3"), "one is kept for a rollback"
    world.require("tiny==3.0")
    assert world.start().finish().status == "ready"


def test_holding_without_a_report_does_nothing() -> None:
    hold_environment({})
    hold_environment({VARIABLE: "no json"})


# --- What can go wrong -------------------------------------------------------------------------------------------------------


def test_a_requirement_that_does_not_exist(world: World) -> None:
    world.require("tiny==9.9")
    report = world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "package", world.python)
    assert "tiny==9.9" in str(report.reason)
    assert world.builds() == []


def test_failures_are_counted_and_stretch_the_wait_for_a_new_worker(world: World) -> None:
    world.require("tiny==9.9")
    waits = []
    for attempt in (1, 2, 3):
        report = world.start().finish()
        assert report.attempts == attempt
        waits.append(report.refresh_after)
    assert waits == [REFRESH_BASE, 2 * REFRESH_BASE, 4 * REFRESH_BASE]
    make_wheel(world.wheels, "tiny", "9.9", {"tiny.py": "value = 9\n"})
    mended = world.start().finish()
    assert (mended.status, mended.attempts, mended.refresh_after) == ("built", 0, None)


def test_refresh_after_is_bounded() -> None:
    assert refresh_after(0) == refresh_after(1) == REFRESH_BASE
    assert refresh_after(10**6) == 1800


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
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(30)\n"})
    world.require("slow==1.0")
    (world.project / "f5_worker" / "speaks.py").write_text("import slow\n")
    began = time.monotonic()
    report = world.start(F5_BOOTSTRAP_LIMIT="1.5").finish()
    assert time.monotonic() - began < 15
    assert (report.status, report.cause) == ("failed", "time")
    assert "RUNPOD_INIT_TIMEOUT" in str(report.mend)


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
    make_wheel(no_uv_world.wheels, "uv", UV_VERSION, {script: f'#!/bin/sh\nexec {find_uv()} "$@"\n'})
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
    assert "Neither uv nor pip" in str(report.reason)


def test_a_python_that_cannot_make_environments(no_uv_world: World, pythons: dict[str, str]) -> None:
    """As on a Debian without python3-venv: there is a ``venv``, and it fails."""
    no_uv_world.python = pythons["venv fails"]
    report = no_uv_world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "interpreter", pythons["venv fails"])
    assert "python3-venv" in str(report.mend)


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


def test_the_report_hides_paths_where_it_is_shown(world: World) -> None:
    report = world.start().finish()
    assert str(world.folder) not in json.dumps(report.public())
    assert str(world.folder) in report.to_json()
    assert Report.from_environment({}) is None
    assert Report.from_environment({VARIABLE: '{"status": "ready"}'}) is None


def test_nothing_but_the_standard_library_is_imported() -> None:
    names = ", ".join(f"bootstrap.{path.stem}" for path in sorted((REPOSITORY / "bootstrap").glob("[a-z]*.py")))
    code = (
        f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); import setup_network_venv, {names}\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names - set(sys.builtin_module_names))"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True, text=True)
    assert set(done.stdout.split()) <= {"bootstrap", "setup_network_venv", "__main__"}
