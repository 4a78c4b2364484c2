"""Variables that only Python reads: whatever their values, the worker starts, in the environment or where all packages are."""

import subprocess
import sys
from pathlib import Path

from tests import REPOSITORY
from tests.support.bootstrap_packages import World, make_python
from tests.support.start_worlds import sdk_python, start_sh, start_world, tell, telling_world

__all__ = ["sdk_python", "start_world", "telling_world"]  # fixtures that come from the helpers

NO_START = {
    "PYTHONHOME": "/nowhere",
    "PYTHONPLATLIBDIR": "lib128",
    "PYTHONEXECUTABLE": "/nowhere/python",
    "PYTHONINSPECT": "1",
    "PYTHONHASHSEED": "abc",
    "PYTHONMALLOC": "garbage",
    "PYTHONUTF8": "yes",
    "PYTHONIOENCODING": "latin-99",
    "PYTHONINTMAXSTRDIGITS": "7",
    "PYTHONTRACEMALLOC": "many",
}
STARTS = {
    "PYTHONWARNINGS": "error:::nonsense",
    "PYTHONOPTIMIZE": "2",
    "PYTHONDEVMODE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONSTARTUP": "/nowhere",
    "PYTHONUSERBASE": "/nowhere",
    "PYTHONPYCACHEPREFIX": "/proc/nowhere",
}


def a_path(folder: Path, module: str, code: str) -> str:
    """A PYTHONPATH with one module."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(code)
    return str(folder)


def test_values_with_which_python_does_not_start_are_dropped_and_told(telling: World) -> None:
    broken = {"PYTHONPATH": a_path(telling.folder / "broken", "sitecustomize", "raise SystemExit(3)")}
    wrong = NO_START | broken
    command = ["sh", "-c", 'exec "$0" 2>told', *start_sh(telling)]
    told = tell(telling, {**wrong, **STARTS}, command=command)
    assert Path(told["python"]).is_relative_to(telling.volume)
    assert {name for name in told["environment"] if name.startswith("PYTHON")} == set(STARTS)
    log = (telling.folder / "told").read_text()
    assert [name for name in wrong if f"{name} is not used" not in log] == []
    for name, value in wrong.items():  # and each of them alone
        assert Path(tell(telling, {name: value})["python"]).is_relative_to(telling.volume), name


def test_pythonpath_adds_modules_and_replaces_none(telling: World) -> None:
    for module in ("json", "typing", "signal", "dataclasses", "runpod", "aiohttp"):
        path = a_path(telling.folder / "theirs", module, "raise RuntimeError('not this one')")
    (telling.folder / "theirs" / "extra.py").write_text("")
    with (telling.project / "handler.py").open("a") as handler:
        handler.write("if __name__ == '__main__':\n    import extra, json, typing, signal, dataclasses, runpod\n")
    for command in (start_sh(telling), [telling.python, str(telling.project / "handler.py")]):
        told = tell(telling, {"PYTHONPATH": path}, command=command)
        assert (told["environment"]["PYTHONPATH"], Path(told["python"]).is_relative_to(telling.volume)) == (path, True)


def test_where_all_packages_are_there_pythonpath_cannot_break_them(tmp_path: Path) -> None:
    path = a_path(tmp_path / "theirs", "requests", "raise ImportError('of another Python')")
    job = '{"input": {"endpoint": "health"}}'
    run = subprocess.run(
        [sys.executable, str(REPOSITORY / "handler.py"), "--test_input", job],
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": path},
        cwd=tmp_path,
        capture_output=True,
        check=False,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert "PYTHONPATH is not used" in run.stderr


def test_another_pythons_executable_is_not_taken_for_this_one(telling: World) -> None:
    command = [telling.python, str(telling.project / "handler.py")]
    told = tell(telling, {"PYTHONEXECUTABLE": make_python(telling.folder / "bare")}, command=command)
    assert Path(told["python"]).is_relative_to(telling.volume)
