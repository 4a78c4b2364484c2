"""Small real packages, a small worker project and real processes: the bootstrap is tested quickly and without a network.

wheels = tmp_path / "wheels"
make_wheel(wheels, "tiny", "1.0", {"tiny.py": "value = 1"})
world = World.make(tmp_path, ["tiny==1.0"], imports=["tiny"])
start = world.start()
assert start.finish().status == "built"
"""

import base64
import csv
import hashlib
import io
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from bootstrap.report import Report
from tests import PATIENCE, REPOSITORY, wait_until

BASE_PYTHON = str(getattr(sys, "_base_executable", sys.executable))
FAST: Mapping[str, str] = {
    "F5_BOOTSTRAP_BEAT": "0.1",
    "F5_BOOTSTRAP_STALE": "8",
    "F5_BOOTSTRAP_POLL": "0.05",
    "F5_BOOTSTRAP_HEAD_START": "0",
    "F5_BOOTSTRAP_BACKOFF": "0.1",
    "F5_BOOTSTRAP_LIMIT": "300",
    "F5_BOOTSTRAP_NEED": "2000000",
    "F5_BOOTSTRAP_NEED_CACHE": "0",
}
"""The times and sizes of the tests: everything as in production, only sooner."""


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str | bytes]) -> Path:
    """Write a wheel with these files (by their path in site-packages); ``folder`` becomes a package index."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **files,
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for target, content in contents.items():
            raw = content.encode() if isinstance(content, str) else content
            digest = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
            rows.writerow([target, f"sha256={digest}", len(raw)])
            entry = zipfile.ZipInfo(target)
            entry.external_attr = (0o100755 if ".data/scripts/" in target else 0o100644) << 16
            wheel.writestr(entry, raw)
        rows.writerow([f"{info}/RECORD", "", ""])
        wheel.writestr(f"{info}/RECORD", record.getvalue())
    page = folder / name / "index.html"
    page.parent.mkdir(exist_ok=True)
    page.write_text("".join(f'<a href="../{wheel.name}">{wheel.name}</a>' for wheel in sorted(folder.glob(f"{name}-*.whl"))))
    return path


def many_files(name: str, count: int) -> dict[str, str]:
    """A package whose install takes a moment."""
    return {f"{name}/__init__.py": "", **{f"{name}/m{number}.py": f"value = {number}\n" for number in range(count)}}


def find_uv() -> str:
    """The uv that the tests use; requirements-dev.txt installs one beside their Python."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    assert found, "the tests need uv, from requirements-dev.txt"
    return found


def make_sdk_python(folder: Path) -> str:
    """A Python that has what the image's own has: the SDK as pinned, nothing for speech; made as Dockerfile.runpod does."""
    uv, python = find_uv(), folder / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", BASE_PYTHON, str(folder)], check=True)
    pins = ["--constraint", str(REPOSITORY / "requirements.txt")]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *pins, "runpod"], check=True)
    return str(python)


def site_packages(python: str) -> str:
    """Where a Python's packages lie."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return subprocess.run([python, "-c", code], capture_output=True, check=True, text=True).stdout.strip()


def make_python(folder: Path, without: Sequence[str] = (), replaced: Mapping[str, str] | None = None) -> str:
    """A Python of its own with no packages, uv or pip, linked together from this one's standard library.

    ``without`` names parts of the library that it lacks, ``replaced`` modules that have this code instead.
    """
    library = Path(os.__file__).parent
    ours = folder / "lib" / library.name
    ours.mkdir(parents=True)
    replaced = replaced or {}
    for entry in library.iterdir():
        if entry.name not in ("site-packages", "dist-packages", *without) and entry.stem not in replaced:
            (ours / entry.name).symlink_to(entry)
    for name, code in replaced.items():
        (ours / f"{name}.py").write_text(code)
    (ours / "site-packages").mkdir()
    python = folder / "bin" / library.name
    python.parent.mkdir()
    shutil.copy2(os.path.realpath(BASE_PYTHON), python)
    return str(python)


@dataclass
class World:
    """A copy of the start-up code with its own requirements, a volume, a local folder, a package folder, and an environment."""

    folder: Path
    project: Path
    wheels: Path
    volume: Path
    variables: dict[str, str]
    python: str = sys.executable

    @classmethod
    def make(cls, folder: Path, requirements: Sequence[str], imports: Sequence[str] = (), handler: str = "") -> "World":
        """Lay everything out under ``folder``. ``imports`` is what the worker's code imports."""
        project = folder / "the project"  # with a space, as people's folders have
        project.mkdir(parents=True)
        shutil.copytree(REPOSITORY / "bootstrap", project / "bootstrap", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("setup_network_venv.py", "start.sh"):
            shutil.copy2(REPOSITORY / name, project / name)
        (project / "handler.py").write_text(handler)
        (project / "f5_worker").mkdir()
        (project / "f5_worker" / "__init__.py").write_text("")
        for name in ("home", "tmp", "volume", "bin"):
            (folder / name).mkdir()
        (folder / "bin" / "uv").symlink_to(find_uv())
        world = cls(folder, project, folder / "wheels", folder / "volume", {})
        world.wheels.mkdir(exist_ok=True)
        world.require(*requirements)
        world.let_it_import(*imports)
        world.variables = {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
            "NETWORK_VOLUME": str(world.volume),
            "F5_LOCAL_ROOT": str(folder / "local"),
            "F5_IMAGE_ROOT": str(folder / "image"),
            "UV_NO_CONFIG": "1",
            "UV_DEFAULT_INDEX": world.wheels.as_uri(),
            "UV_HTTP_RETRIES": "0",
            "UV_HTTP_TIMEOUT": "1",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": world.wheels.as_uri(),
            **FAST,
        }
        return world

    def take_the_real_worker(self) -> None:
        """Put the repository's own worker into the project, in place of the small one."""
        shutil.rmtree(self.project / "f5_worker")
        shutil.copy2(REPOSITORY / "bootstrap" / "packages.py", self.project / "bootstrap")
        shutil.copytree(REPOSITORY / "f5_worker", self.project / "f5_worker", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("handler.py", "s3_utils.py"):
            shutil.copy2(REPOSITORY / name, self.project / name)

    def let_it_import(self, *packages: str) -> None:
        """Write the list of the packages that the worker imports."""
        (self.project / "bootstrap" / "packages.py").write_text(f"PACKAGES = {packages!r}\n")

    def require(self, *lines: str) -> None:
        """Write ``requirements.txt``."""
        (self.project / "requirements.txt").write_text("\n".join([*lines, ""]))

    def start(self, *arguments: str, clock_shift: float = 0.0, **variables: str) -> "Start":
        """Start a bootstrap. ``clock_shift`` is how many seconds its host's clock is wrong."""
        environment = {**self.variables, **variables}
        if clock_shift:
            environment["PYTHONPATH"] = str(self._wrong_clock(clock_shift))
        return Start([self.python, str(self.project / "setup_network_venv.py"), "--launch", *arguments], environment)

    def check(self) -> dict[str, object]:
        """What ``--check`` prints."""
        done = subprocess.run(
            [self.python, str(self.project / "setup_network_venv.py"), "--check"],
            env=self.variables,
            capture_output=True,
            check=True,
            text=True,
        )
        state = json.loads(done.stdout)
        assert isinstance(state, dict)
        return state

    def site(self, code: str) -> str:
        """A ``PYTHONPATH`` that makes every Python run this code at its start."""
        folder = self.folder / f"site-{hashlib.sha256(code.encode()).hexdigest()[:8]}"
        folder.mkdir(exist_ok=True)
        (folder / "sitecustomize.py").write_text(code)
        return str(folder)

    def _wrong_clock(self, shift: float) -> str:
        return self.site(
            f"import time\n_time, _ns = time.time, time.time_ns\ntime.time = lambda: _time() + {shift}\n"
            f"time.time_ns = lambda: _ns() + {int(shift * 1e9)}\n"
        )

    def homes(self, root: Path | None = None) -> list[Path]:
        """The folders of all fingerprints in a place (the volume)."""
        return sorted((root or self.volume).glob("f5-tts-worker/venvs/*"))

    def wait_for_sweepers(self) -> None:
        """Wait until nobody removes anything from the volume any more."""
        wait_until(lambda: not any("bootstrap.sweep" in line for line in processes_with(str(self.volume))))

    def builds(self, root: Path | None = None) -> list[Path]:
        """All builds in a place, whole or not."""
        return sorted((root or self.volume).glob("f5-tts-worker/venvs/*/build-*"))


def processes_with(text: str) -> list[str]:
    """The command lines of all processes that have ``text`` in theirs."""
    return list(_processes_with(text).values())


def process_ids(text: str) -> list[int]:
    """The ids of all processes that have ``text`` in their command lines, where arguments are parted by a space."""
    return list(_processes_with(text))


def _processes_with(text: str) -> dict[int, str]:
    lines = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended
        if text in line:
            lines[int(path.parent.name)] = line
    return lines


@dataclass
class Start:
    """A running bootstrap, with its log as it comes."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            self.command,
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.log.append(line.rstrip())
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def text(self) -> str:
        """The log so far."""
        return "\n".join(self.log)

    def wait_for(self, text: str, timeout: float = PATIENCE) -> None:
        """Wait until the log holds ``text``."""
        with self._news:
            found = self._news.wait_for(lambda: self._ended or text in self.text, timeout)
            assert found, f"no {text!r} within {timeout} s:\n{self.text}"
            assert text in self.text, f"ended without {text!r}:\n{self.text}"

    def kill(self) -> None:
        """SIGKILL for the bootstrap alone, as when the kernel runs out of memory."""
        self.process.kill()
        self.process.wait()
        self._close()

    def stop(self) -> int:
        """SIGTERM, as the platform sends it; returns the exit code."""
        self.process.terminate()
        code = self.process.wait(PATIENCE)
        self._close()
        return code

    def finish(self, timeout: float = PATIENCE) -> Report:
        """Wait for its end and return the report. Checks what holds for every start."""
        assert self.process.stdout is not None
        output = _read_all(self.process.stdout, timeout)
        code = self.process.wait(PATIENCE)
        self._close()
        assert code == 0, self.text
        interpreter, _, report = output.splitlines()
        found = Report.from_environment({"F5_BOOTSTRAP_REPORT": report})
        assert found is not None, report
        assert found.interpreter == interpreter
        assert subprocess.run([interpreter, "-c", "pass"], check=False).returncode == 0, "the interpreter does not run"
        return found

    def _close(self) -> None:
        self._reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None and not stream.closed:
                stream.close()


def _read_all(stream: IO[str], timeout: float) -> str:
    deadline, parts = time.monotonic() + timeout, b""
    while True:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError(f"no end within {timeout} s")
        part = os.read(stream.fileno(), 65536)
        if not part:
            return parts.decode()
        parts += part


@contextmanager
def hanging_index() -> Iterator[str]:
    """The URL of a package index that accepts every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://someone:secret@127.0.0.1:{server.getsockname()[1]}/simple"


def value(interpreter: str) -> str:
    """What the environment's ``tiny`` says."""
    return subprocess.run(
        [interpreter, "-c", "import tiny; print(tiny.value)"], capture_output=True, check=True, text=True
    ).stdout.strip()


def read_only(command: list[str], *folders: Path) -> list[str]:
    """The command in a mount namespace where the folders are read-only. ``/`` stands for the whole root."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        pytest.skip("mount namespaces are not permitted here")
    steps = [
        f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'" for folder in folders if str(folder) != "/"
    ]
    root = ""
    if Path("/") in folders:
        steps += ["mount --bind / /mnt", "mount --rbind /dev /mnt/dev", "mount -t proc proc /mnt/proc"]
        steps += ["mount -o remount,ro,bind /mnt"]
        root = "chroot /mnt "
    return ["unshare", "--mount", "sh", "-c", f'{" && ".join(steps)} && exec {root}"$@"', "sh", *command]


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(name="world")
def tiny_world(tmp_path: Path) -> World:
    """A project that needs one small package, and a package folder that has it."""
    world = World.make(tmp_path, ["tiny==1.0"], ["tiny"])
    make_wheel(world.wheels, "tiny", "1.0", {"tiny.py": "value = 1\n"})
    make_wheel(world.wheels, "tiny", "2.0", {"tiny.py": "value = 2\n"})
    make_wheel(world.wheels, "tiny", "3.0", {"tiny.py": "value = 3\n"})
    return world
