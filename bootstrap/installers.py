"""uv, or pip where uv is not there: make an environment and install into it."""

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bootstrap.installer_errors import explain, plain
from bootstrap.places import base_python, existing
from bootstrap.report import Failure, Place, log

UV_VERSION = "0.13.9"
"""What ``with_uv`` fetches; the image and the tests have the same."""

_DIE_WITH_PARENT = Path(__file__).parent / "die_with_parent.py"
_TICK = 20.0
_OURS = (  # what would lead an installer, or the environment's Python, away from the environment
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONOPTIMIZE", "VIRTUAL_ENV", "CONDA_PREFIX"),
    *(
        "PIP_USER",
        "PIP_TARGET",
        "PIP_PREFIX",
        "PIP_REQUIRE_VIRTUALENV",
        "PIP_NO_COMPILE",
        "UV_SYSTEM_PYTHON",
        "UV_COMPILE_BYTECODE",
    ),
)


@dataclass(frozen=True, slots=True)
class Installer:
    """How to call uv or pip. ``cache`` is where downloads may stay until the build is done; ``None``: the user's own cache."""

    name: str
    uv: str | None
    environment: Mapping[str, str]
    cache: Path | None
    kind: Place

    def make(self, folder: Path, check: Callable[[], None]) -> None:
        """Make an empty virtual environment.

        Raises:
            Failure: when this Python cannot.
        """
        python = base_python()
        if self.uv:
            command = [self.uv, "venv", "--quiet", "--no-project", "--python", python, str(folder)]
        elif _own_pip():
            command = [python, "-m", "venv", "--without-pip", str(folder)]
        else:
            command = [python, "-m", "venv", str(folder)]
        code, output = run(command, self._variables(folder), check)
        if code != 0:
            failure = explain(output, self.name, self.kind)
            if failure.cause not in ("disk", "read_only"):
                failure = explain("ensurepip", self.name, self.kind)
            raise failure

    def install(self, folder: Path, requirements: Sequence[Path], check: Callable[[], None]) -> None:
        """Install exactly what is pinned, with bytecode. What the pins leave out stays out: no dependencies are added.

        Raises:
            Failure: which says what is wrong.
        """
        python = folder / "bin" / "python"
        files = [argument for path in requirements for argument in ("-r", str(path))]
        if self.uv:
            command = [self.uv, "pip", "install", "--python", str(python), "--no-deps", "--compile-bytecode", *files]
        else:
            pip = [sys.executable, "-m", "pip", "--python", str(python)] if _own_pip() else [str(python), "-m", "pip"]
            quiet = ["--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--no-color"]
            command = [*pip, "install", "--no-deps", *quiet, *files]
        code, output = run(command, self._variables(folder), check, show=True)
        if code < 0:
            raise Failure(
                "installer",
                f"{self.name} was ended by signal {-code}, as when memory runs out.",
                "Give the worker more memory, or build the environment into the image with BAKE_VENV=true.",
            )
        if code != 0:
            raise explain(output, self.name, self.kind)

    def _variables(self, folder: Path) -> dict[str, str]:
        variables = dict(self.environment)
        if self.cache is not None:
            variables |= {
                "UV_CACHE_DIR": str(self.cache / "uv"),
                "PIP_NO_CACHE_DIR": "1",
                "TMPDIR": str(_ensure_dir(self.cache / "tmp")),
            }
            if _device(self.cache) != _device(folder.parent):
                variables.setdefault("UV_LINK_MODE", "copy")
        return variables


def find_installer(environment: Mapping[str, str], cache: Path | None, kind: Place) -> Installer:
    """uv if it is there, else pip.

    Raises:
        Failure: when neither is.
    """
    variables = {name: value for name, value in environment.items() if name not in _OURS}
    variables |= {"NO_COLOR": "1", "UV_PYTHON_DOWNLOADS": "never", "PYTHONUNBUFFERED": "1"}
    # A dead index must be told as such within the time of a start; build.py repeats what may be worth it.
    variables = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "2", "PIP_RETRIES": "2", **variables}
    uv = shutil.which("uv", path=environment.get("PATH", os.defpath))
    beside = Path(sys.executable).with_name("uv")
    if uv is None and os.access(beside, os.X_OK):
        uv = str(beside)  # a virtual environment that is not activated
    if uv and subprocess.run([uv, "--version"], capture_output=True, env=variables, check=False).returncode == 0:
        return Installer("uv", uv, variables, cache, kind)
    if _own_pip() or importlib.util.find_spec("ensurepip"):
        return Installer("pip", None, variables, cache, kind)
    raise Failure(
        "installer",
        "There is neither uv nor pip to install the packages with.",
        "Install uv, or your system's python3-pip or python3-venv package.",
    )


def with_uv(installer: Installer, tools: Path, check: Callable[[], None]) -> Installer:
    """The installer, or in pip's place a uv that pip has fetched into ``tools``: it needs a third of the time."""
    if installer.uv is not None:
        return installer
    quick = ["--quiet", "--no-input", "--disable-pip-version-check", "--retries", "0", "--timeout", "10", f"uv=={UV_VERSION}"]
    if _own_pip():
        command = [sys.executable, "-m", "pip", "install", "--target", str(tools), *quick]
    else:
        if run([base_python(), "-m", "venv", str(tools)], installer.environment, check)[0] != 0:
            return installer
        command = [str(tools / "bin" / "python"), "-m", "pip", "install", *quick]
    uv = tools / "bin" / "uv"
    code, output = run(command, installer.environment, check)
    if code != 0 or not os.access(uv, os.X_OK):
        reason = explain(output, "pip", installer.kind).reason
        log(f"pip could not fetch uv and installs by itself, which takes longer ({reason})")
        return installer
    log("fetched uv with pip")
    return replace(installer, name="uv", uv=str(uv))


def _own_pip() -> bool:
    """Whether this Python has a pip that can install into another environment (``--python``, since 22.3)."""
    if importlib.util.find_spec("pip") is None:
        return False
    try:
        version = importlib.metadata.version("pip")
    except importlib.metadata.PackageNotFoundError:
        return False
    numbers = [int(part) for part in re.findall(r"\d+", version)[:2]]
    return numbers >= [22, 3]


def _device(path: Path) -> int:
    return existing(path).stat().st_dev


def _ensure_dir(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def _written(process: int) -> str:
    """What a process has written so far, for people; nothing where the kernel does not tell. Others may fill the same disk."""
    try:
        counters = Path(f"/proc/{process}/io").read_text()
    except OSError:
        return ""
    return f", {int(counters.split('wchar: ')[1].split()[0]) / 1e9:.1f} GB written"


def run(
    command: Sequence[str], environment: Mapping[str, str], check: Callable[[], None], *, show: bool = False
) -> tuple[int, str]:
    """Run a command to its end; returns its exit code and what it printed. It dies with this process.

    ``check`` is called several times a second; what it raises ends the command. With ``show`` the lines are logged as they
    come, and now and then the time and how much the command itself has written.
    """
    tied = [sys.executable, "-I", "-S", str(_DIE_WITH_PARENT), str(os.getpid()), *command]
    lines: list[str] = []

    def collect() -> None:
        assert process.stdout is not None
        for raw in process.stdout:
            line = raw.decode(errors="replace").rstrip()
            lines.append(line)
            if show and line and not re.match(r" [+~-] ", line):  # not the list of all packages
                log(plain(line.strip()))

    started = ticked = time.monotonic()
    with subprocess.Popen(
        tied,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
    ) as process:
        reader = threading.Thread(target=collect, daemon=True)
        reader.start()
        try:
            while True:
                check()
                try:
                    process.wait(0.2)
                    break
                except subprocess.TimeoutExpired:
                    if show and time.monotonic() - ticked >= _TICK:
                        ticked = time.monotonic()
                        log(f"still at it after {ticked - started:.0f} s{_written(process.pid)}")
        except BaseException:
            process.kill()
            raise
        finally:
            reader.join(5)
    return process.returncode, "\n".join(lines)
