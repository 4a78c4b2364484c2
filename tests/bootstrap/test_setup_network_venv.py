"""The bootstrap with real environments, processes and file systems. Packages are small, times are short (``FAST``)."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.report import VARIABLE, Report
from tests import REPOSITORY
from tests.support.bootstrap_packages import World, make_wheel, tiny_world, value

__all__ = ["tiny_world"]  # fixtures that come from the helpers


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


def test_require_makes_a_missing_environment_an_error(world: World) -> None:
    def exit_code() -> int:
        command = [world.python, str(world.project / "setup_network_venv.py"), "--require"]
        return subprocess.run(command, env=world.variables, capture_output=True, check=False).returncode

    world.require("tiny==9.9")
    assert exit_code() == 1
    world.require("tiny==1.0")
    assert [exit_code(), exit_code()] == [0, 0], "built, then found"
    world.require("tiny==9.9")
    assert exit_code() == 1, "an older environment is not the one that is required"


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
    assert "is lost with this worker" in report.warnings[0]
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
        assert Path(report.interpreter).is_relative_to(world.volume), "never damage the Python of the tests"
        spoil(Path(report.interpreter).parent.parent)
        report = world.start().finish()
        assert (report.status, value(report.interpreter)) == ("built", "1"), spoil.__name__
        assert world.builds() == [Path(report.interpreter).parent.parent], f"{spoil.__name__}: the damaged one was left"


def test_what_does_not_import_is_not_ready(world: World) -> None:
    make_wheel(world.wheels, "broken", "1.0", {"broken.py": "import a_module_nobody_has\n"})
    world.require("tiny==1.0", "broken==1.0")
    world.let_it_import("broken")
    report = world.start().finish()
    assert (report.status, report.cause, report.interpreter) == ("failed", "import", world.python)
    assert "cannot import broken" in str(report.reason)
    assert world.builds() == []


def test_a_fault_in_the_workers_own_code_does_not_spoil_the_environment(world: World) -> None:
    (world.project / "f5_worker" / "wrong.py").write_text("1 / 0\n")
    start = world.start()
    assert start.finish().status == "built"
    assert "f5_worker.wrong of the worker itself fails: ZeroDivisionError" in start.text


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
