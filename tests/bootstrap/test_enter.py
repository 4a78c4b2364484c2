"""handler.py run by hand, on a Python without the worker's packages, in every way that Python can be started."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.packages import PACKAGES
from bootstrap.report import VARIABLE
from tests import REPOSITORY
from tests.support.bootstrap_packages import World
from tests.support.imports import imported
from tests.support.start_worlds import sdk_python, start_world, tell, telling_world

__all__ = ["sdk_python", "start_world", "telling_world"]  # fixtures that come from the helpers

ARGUMENTS = ["--test_input", '{"input": {"text": "Two  words and *"}}']


def test_however_it_is_started_it_goes_on_in_the_environment(telling: World) -> None:
    python, project = telling.python, telling.project
    link = telling.folder / "link.py"
    link.symlink_to(project / "handler.py")
    ways: list[tuple[list[str], Path, dict[str, str]]] = [
        ([python, "handler.py"], project, {}),
        ([python, "-m", "handler"], project, {}),
        ([python, "the project/handler.py"], telling.folder, {"PYTHONSAFEPATH": "1"}),
        ([python, "-I", str(project / "handler.py")], Path("/"), {}),
        ([python, "-u", "-X", "dev", str(link)], Path("/"), {"PYTHONDONTWRITEBYTECODE": "1"}),
        ([python, "-c", "import runpy; runpy.run_path('handler.py', run_name='__main__')", *ARGUMENTS], project, {}),
    ]
    for command, cwd, variables in ways:
        told = tell(telling, variables, arguments=ARGUMENTS, cwd=cwd, command=command)
        assert Path(told["python"]).is_relative_to(telling.volume), command
        assert told["argv"][-len(ARGUMENTS) :] == ARGUMENTS
        assert json.loads(told["environment"][VARIABLE])["status"] in ("built", "ready")
        assert "PYTHONDONTWRITEBYTECODE" not in told["environment"]
    assert len(telling.builds()) == 1


def test_where_all_packages_are_there_it_runs_as_it_is(telling: World) -> None:
    telling.let_it_import("json", "pytest")
    command = [sys.executable, str(telling.project / "handler.py")]
    told = tell(telling, command=command)
    assert told["python"] == sys.executable
    assert VARIABLE not in told["environment"]
    assert told["environment"]["HF_HOME"].startswith(str(telling.volume))
    assert telling.builds() == []


@pytest.mark.parametrize("report", ["", "not JSON"])
def test_what_has_been_seen_to_is_not_done_again(telling: World, report: str) -> None:
    told = tell(telling, {VARIABLE: report}, command=[telling.python, str(telling.project / "handler.py")])
    assert told["python"] == telling.python
    assert telling.builds() == []


def test_an_import_builds_nothing(world: World) -> None:
    world.take_the_real_worker()
    code = "import handler"
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=world.project, env=world.variables, capture_output=True, check=False, text=True
    )
    assert "ModuleNotFoundError" in run.stderr
    assert world.builds() == []


def test_an_old_python_is_left_for_a_newer_one(telling: World) -> None:
    """As Python 3.10 sees it: the front of handler.py needs nothing newer, and start.sh finds one."""
    code = (
        "import sys, runpy; version = sys.version_info; sys.version_info = (3, 10, 0)\n"
        f"sys.argv = ['handler.py', 'argument']\nrunpy.run_path({str(telling.project / 'handler.py')!r}, run_name='__main__')"
    )
    told = tell(telling, command=[sys.executable, "-c", code])
    assert told["argv"] == [str(telling.project / "handler.py"), "argument"]
    assert Path(told["python"]).is_relative_to(telling.volume)


def test_the_list_of_packages_is_what_the_worker_imports() -> None:
    files = [*REPOSITORY.glob("*.py"), *REPOSITORY.glob("f5_worker/**/*.py")]
    own = {"bootstrap", "f5_worker", *(path.stem for path in files)} | set(sys.stdlib_module_names)
    assert sorted(PACKAGES) == sorted({name for path in files for name in imported(path.read_text(encoding="utf-8"))} - own)
