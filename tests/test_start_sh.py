"""start.sh whole: real processes and the real SDK, against the job API stand-in. Whatever is broken, a worker answers."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from bootstrap.options import Options
from bootstrap.report import VARIABLE, Report
from f5_worker.sdk_environment import prepare_sdk_environment
from tests.bootstrap_packages import (
    REPOSITORY,
    World,
    find_uv,
    hanging_index,
    make_python,
    make_sdk_python,
    make_wheel,
    many_files,
    read_only,
    site_packages,
    tmpfs,
)
from tests.job_api import JobApi
from tests.processes import WorkerProcess, run_once

__all__ = ["tmpfs"]  # a fixture that comes from the helpers

WORKER = """
import os, sys
import runpod
from bootstrap.in_use import hold_environment
from bootstrap.report import Report

def handler(job):
    report = Report.from_environment(os.environ)
    try:
        import tiny
    except ImportError:
        return {"says": None, "report": report.public(), "python": sys.executable}
    return {"says": tiny.value, "report": report.public(), "python": sys.executable}

if __name__ == "__main__":
    hold_environment(os.environ)
    runpod.serverless.start({"handler": handler})
"""
TELLS = (
    "import json, os, sys\nprint(json.dumps({'environment': dict(os.environ), 'argv': sys.argv, 'python': sys.executable}))\n"
)


@pytest.fixture(scope="module")
def sdk_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image's own Python."""
    return make_sdk_python(tmp_path_factory.mktemp("sdk") / "image python")


@pytest.fixture
def world(tmp_path: Path, sdk_python: str) -> World:
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


def as_json(log: str) -> dict[str, Any]:
    """What the handler that tells everything has printed."""
    found = json.loads(log.splitlines()[-1])
    assert isinstance(found, dict)
    return found


# --- Whatever is broken, a worker answers ------------------------------------------------------------------------------------


def test_first_start_then_stop(world: World) -> None:
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = ask(running)
        assert (answer["says"], answer["report"]["status"]) == (1, "built")
        assert answer["python"].startswith(str(world.volume))
        command = Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")
        assert command[1].decode() == str(world.project / "handler.py"), "start.sh did not become the worker"
        running.sigterm()
        assert running.wait(20) == 0


def test_eight_at_once(world: World) -> None:
    with JobApi(hold=0.1) as api:
        running = [worker(world, api, {"RUNPOD_POD_ID": f"pod-{number}"}) for number in range(8)]
        try:
            for one in running:
                one.__enter__()
            for one in running:
                one.ready()
            answers = [api.result(job)["output"] for job in [api.submit({}) for _ in range(16)]]
        finally:
            for one in running:
                one.kill_group()
                one.__exit__(None, None, None)
    assert {answer["says"] for answer in answers} == {1}
    assert len(world.builds()) == 1


def missing_requirement(world: World) -> dict[str, str]:
    world.require("sdk==1.0", "tiny==9.9")
    return {}


def local_disk_and_volume_read_only(_: World) -> dict[str, str]:
    return {"NETWORK_VOLUME": "/proc", "F5_LOCAL_ROOT": "/proc/nothing"}


def no_pip(world: World) -> dict[str, str]:
    python = make_python(world.folder / "bare", without=["ensurepip"])
    (Path(site_packages(python)) / "sdk.pth").write_text(site_packages(world.python))
    return {"PATH": os.defpath, "F5_PYTHON": python}


def bootstrap_with_a_bug(world: World) -> dict[str, str]:
    (world.project / "bootstrap" / "build.py").write_text("raise RuntimeError('a bug')\n")
    return {}


def bootstrap_that_dies(world: World) -> dict[str, str]:
    (world.project / "setup_network_venv.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    return {}


def bootstrap_that_names_a_python_that_is_not_there(world: World) -> dict[str, str]:
    report = '{"status": "ready", "place": "volume", "interpreter": "/no/python", "folder": null, "fingerprint": ""}'
    (world.project / "setup_network_venv.py").write_text(f"print('/no/python')\nprint()\nprint({report!r})\n")
    return {}


@pytest.mark.parametrize(
    ("breakage", "cause"),
    [
        (missing_requirement, "package"),
        (local_disk_and_volume_read_only, "read_only"),
        (no_pip, "installer"),
        (bootstrap_with_a_bug, "crash"),
        (bootstrap_that_dies, "crash"),
        (bootstrap_that_names_a_python_that_is_not_there, "interpreter"),
    ],
)
def test_a_start_without_an_environment(world: World, breakage: Callable[[World], dict[str, str]], cause: str) -> None:
    variables = breakage(world)
    with JobApi(hold=0.1) as api, worker(world, api, variables) as running:
        answer = ask(running)
    assert (answer["says"], answer["report"]["status"], answer["report"]["cause"]) == (None, "failed", cause)
    assert answer["report"]["reason"]
    assert answer["report"]["mend"]
    assert answer["report"]["refresh_after"] >= 60


def test_an_index_that_hangs(world: World) -> None:
    with hanging_index() as url, JobApi(hold=0.1) as api:
        variables = {"UV_DEFAULT_INDEX": url, "F5_BOOTSTRAP_RETRIES": "0"}
        running = worker(world, api, variables)
        with running:
            answer = ask(running)
    assert (answer["report"]["status"], answer["report"]["cause"]) == ("failed", "network")


def test_a_full_disk(world: World, tmpfs: Path) -> None:
    make_wheel(world.wheels, "large", "1.0", {"large.bin": os.urandom(5_000_000)})
    world.require("sdk==1.0", "large==1.0")
    with JobApi(hold=0.1) as api, worker(world, api, {"NETWORK_VOLUME": str(tmpfs)}) as running:
        answer = ask(running)
    assert (answer["report"]["status"], answer["report"]["cause"]) == ("failed", "disk")


def test_a_read_only_root(world: World) -> None:
    command = read_only(start_sh(world), Path("/"))
    with JobApi(hold=0.1) as api, worker(world, api, command=command) as running:
        answer = ask(running)
    assert (answer["report"]["status"], answer["report"]["cause"]) == ("failed", "read_only")


def test_a_killed_builder_and_damaged_environments(world: World) -> None:
    """Each start repairs what the one before it left behind."""
    make_wheel(world.wheels, "many", "1.0", many_files("many", 800))
    world.require("sdk==1.0", "tiny==1.0", "many==1.0")
    victim = world.start(F5_BOOTSTRAP_STALE="0.5")
    victim.wait_for("installing")
    victim.kill()

    def nothing_more() -> None:
        """The half-made environment is enough."""

    def interpreter_gone() -> None:
        (world.builds()[0] / "bin" / "python").unlink()

    def marker_half_written() -> None:
        marker = world.builds()[0].parent / "ready.json"
        marker.write_bytes(marker.read_bytes()[:20])

    for spoil in (nothing_more, interpreter_gone, marker_half_written):
        spoil()
        with JobApi(hold=0.1) as api, worker(world, api, {"F5_BOOTSTRAP_STALE": "0.5"}) as running:
            answer = ask(running)
        assert (answer["says"], answer["report"]["status"]) == (1, "built"), spoil.__name__
        assert len(world.builds()) == 1


def test_new_requirements_while_an_old_worker_runs_with_clocks_an_hour_apart(world: World) -> None:
    with JobApi(hold=0.1) as api, worker(world, api) as old:
        assert ask(old)["says"] == 1
        for version, shift in (("2", "3600"), ("3", "-3600")):
            world.require("sdk==1.0", f"tiny=={version}.0")
            site = world.site(f"import time\n_time = time.time\ntime.time = lambda: _time() + {shift}\n")
            with JobApi(hold=0.1) as other, worker(world, other, {"PYTHONPATH": site, "F5_BOOTSTRAP_STALE": "2"}) as new:
                assert ask(new)["says"] == int(version)
        time.sleep(3.5)  # longer than the sweeper of the last start watches
        python = ask(old)["python"]
        assert subprocess.run([python, "-c", "import tiny"], check=False).returncode == 0, "removed under a running worker"


def test_an_older_environment_speaks_when_the_new_one_cannot_be_had(world: World) -> None:
    world.start().finish()
    world.require("sdk==1.0", "tiny==9.9")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = ask(running)
    assert (answer["says"], answer["report"]["status"], answer["report"]["cause"]) == (1, "fallback", "package")


def test_a_stop_while_the_environment_is_built(world: World) -> None:
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(30)\n"})
    world.require("sdk==1.0", "slow==1.0")
    (world.project / "f5_worker" / "speaks.py").write_text("import slow\n")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        running.wait_for_log("checking that")
        running.sigterm()
        assert running.wait(10) == 128 + signal.SIGTERM
    assert world.builds() == []
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": ""})
    shutil.rmtree(world.folder / "home" / ".cache")
    with JobApi(hold=0.1) as api, worker(world, api, {"F5_BOOTSTRAP_STALE": "50"}) as running:
        assert ask(running)["report"]["status"] == "built"


# --- The real worker ---------------------------------------------------------------------------------------------------------

SPEECH = {"text": "Hello from F5-TTS.", "nfe_step": 2}


@pytest.fixture
def real_world(world: World) -> World:
    """The repository's worker; its environment leads to the packages that the tests themselves run with."""
    world.take_the_real_worker()
    make_wheel(world.wheels, "everything", "1.0", {"everything.pth": f"{site_packages(sys.executable)}\n"})
    world.require("everything==1.0")
    world.variables |= {"F5TTS_MODEL": "smoke", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    return world


def test_the_real_worker_speaks_from_the_environment(real_world: World) -> None:
    run = run_once({"input": SPEECH}, env=real_world.variables, cwd=real_world.folder, command=start_sh(real_world))
    assert run.exit_code == 0, run.log
    answer = run.result["output"]
    assert (real_world.folder / answer["audio_path"]).is_file()
    with JobApi(hold=0.1) as api, worker(real_world, api) as running:
        health = running.result(api.submit({"endpoint": "health"}))["output"]
    assert (health["bootstrap"]["status"], health["bootstrap"]["place"]) == ("ready", "volume")
    assert str(real_world.folder) not in json.dumps(health)


def test_the_real_worker_says_why_it_cannot_speak(real_world: World) -> None:
    real_world.require("everything==2.0")
    with JobApi(hold=0.1) as api, worker(real_world, api) as running:
        health = running.result(api.submit({"endpoint": "health"}))["output"]
        speech = running.result(api.submit(SPEECH))
    assert (health["bootstrap"]["status"], health["bootstrap"]["cause"]) == ("failed", "package")
    assert health["bootstrap"]["reason"] in speech["error"]
    assert health["bootstrap"]["mend"] in speech["error"]
    assert "stopPod" not in speech, "a new worker at once would be a tight loop"


def test_a_new_worker_is_asked_for_when_its_time_has_come(real_world: World, sdk_python: str) -> None:
    report = Report("failed", "none", sdk_python, None, "", "network", "No index.", "Wait.", attempts=1, refresh_after=0.0)
    variables = {VARIABLE: report.to_json()}
    command = [sdk_python, str(real_world.project / "handler.py")]
    with JobApi(hold=0.1) as api, worker(real_world, api, variables, command) as running:
        speech = running.result(api.submit(SPEECH))
    assert "No index. Wait." in speech["error"]
    assert speech["stopPod"] is True


@pytest.mark.skipif(
    os.environ.get("F5_TEST_TRUE_ENVIRONMENT") != "1", reason="installs 8 GB, a minute or two: F5_TEST_TRUE_ENVIRONMENT=1"
)
def test_the_true_environment_speaks(real_world: World) -> None:
    """From requirements.txt, as the container does it; downloads come from this user's cache where they are in it."""
    shutil.copy(REPOSITORY / "requirements.txt", real_world.project)
    cache = subprocess.run([find_uv(), "cache", "dir"], capture_output=True, check=True, text=True).stdout.strip()
    kept = {name: text for name, text in os.environ.items() if name.startswith("SSL_CERT")}
    for name in ("UV_DEFAULT_INDEX", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "F5_BOOTSTRAP_NEED", "F5_BOOTSTRAP_LIMIT"):
        del real_world.variables[name]
    real_world.variables |= {"UV_CACHE_DIR": cache, "UV_LINK_MODE": "copy", **kept}
    try:
        run = run_once(
            {"input": SPEECH}, env=real_world.variables, cwd=real_world.folder, command=start_sh(real_world), timeout=900
        )
        assert run.exit_code == 0, run.log
        assert (real_world.folder / run.result["output"]["audio_path"]).is_file()
        files = (path.lstat() for path in real_world.builds()[0].rglob("*"))
        size = sum(status.st_blocks * 512 for status in files)
        assert 0.8 * Options().need < size < Options().need, f"{size} bytes"
        python = real_world.builds()[0] / "bin" / "python"
        command = [find_uv(), "pip", "list", "--python", str(python), "--format=freeze"]
        listed = subprocess.run(command, capture_output=True, check=True, text=True)
        pins = {line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if "==" in line}
        assert {line.lower() for line in listed.stdout.split()} == {line.lower() for line in pins}
    finally:
        shutil.rmtree(real_world.volume)


# --- The front door ----------------------------------------------------------------------------------------------------------


def test_one_local_job(world: World) -> None:
    run = run_once({"input": {}}, env=world.variables, cwd=world.folder, command=start_sh(world))
    assert run.exit_code == 0, run.log
    assert run.result["output"]["says"] == 1


@pytest.fixture
def telling(world: World) -> World:
    """A world whose handler tells its environment and its arguments."""
    (world.project / "handler.py").write_text(TELLS)
    return world


def tell(
    world: World,
    variables: Mapping[str, str] | None = None,
    *,
    arguments: Sequence[str] = (),
    cwd: Path | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """What the handler was started with."""
    done = subprocess.run(
        [*(command or start_sh(world)), *arguments],
        env={**world.variables, **(variables or {})},
        cwd=cwd or world.folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
    )
    return as_json(done.stdout)


def test_arguments_and_folders(telling: World) -> None:
    arguments = ["--test_input", '{"input": {"text": "Two  words, \\"quoted\\" and $HOME"}}', "", "*"]
    elsewhere = telling.folder / "else where"
    elsewhere.mkdir()
    link = elsewhere / "worker"
    link.symlink_to(telling.project / "start.sh")
    assert tell(telling, arguments=arguments, cwd=elsewhere)["argv"][1:] == arguments
    assert tell(telling, arguments=arguments, cwd=Path("/"), command=[str(link)])["argv"][1:] == arguments
    assert tell(telling, cwd=telling.project, command=["bash", "start.sh"])["argv"][1:] == []
    assert stat.S_IMODE((REPOSITORY / "start.sh").stat().st_mode) & 0o111 == 0o111


def test_what_it_sets(telling: World) -> None:
    told = tell(telling, {"PYTHONDONTWRITEBYTECODE": "1"})["environment"]
    sdk: dict[str, str] = {}
    prepare_sdk_environment(sdk)
    assert {name: told[name] for name in sdk} == sdk, "start.sh and handler.py disagree"
    assert "PYTHONDONTWRITEBYTECODE" not in told
    caches = telling.volume / "f5-tts-worker"
    assert (told["HF_HOME"], told["TORCH_HOME"]) == (str(caches / "huggingface"), str(caches / "torch"))
    assert json.loads(told[VARIABLE])["status"] == "built"
    assert "F5TTS_MODEL" not in told


def test_what_the_user_has_set_wins(telling: World) -> None:
    mine = {
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "false",
        "RUNPOD_SKIP_GPU_CHECK": "false",
        "RUNPOD_DEBUG_LEVEL": "ERROR",
        "HF_HOME": "/mine",
        "TORCH_HOME": "/mine too",
        "F5TTS_MODEL": "E2TTS_Base",
    }
    (telling.folder / "image" / "f5-tts-worker" / "model").mkdir(parents=True)
    told = tell(telling, mine)["environment"]
    assert {name: told[name] for name in mine} == mine
    assert "RUNPOD_LOG_LEVEL" not in told


def test_without_a_volume_the_caches_stay_where_they_are(telling: World) -> None:
    told = tell(telling, {"NETWORK_VOLUME": str(telling.folder / "nothing")})["environment"]
    assert not {"HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"} & set(told)


def test_weights_in_the_image_are_used(telling: World) -> None:
    model = telling.folder / "image" / "f5-tts-worker" / "model"
    model.mkdir(parents=True)
    assert tell(telling)["environment"]["F5TTS_MODEL"] == str(model)


def test_a_python_that_is_too_old_is_not_taken(telling: World) -> None:
    old = telling.folder / "bin" / "python3.11"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    shutil.copy(old, telling.folder / "bin" / "python3.12")
    (telling.folder / "bin" / "python3.13").symlink_to(sys.executable)
    run = subprocess.run(
        start_sh(telling), env={**telling.variables, "F5_PYTHON": str(old)}, capture_output=True, check=True, text=True
    )
    assert "F5_PYTHON does not name a Python 3.11 or newer" in run.stderr
    assert as_json(run.stdout)["environment"][VARIABLE]


def test_no_python_at_all(telling: World) -> None:
    tools = telling.folder / "tools"
    tools.mkdir()
    for name in ("bash", "env", "dirname", "readlink"):
        (tools / name).symlink_to(str(shutil.which(name)))
    run = subprocess.run(start_sh(telling), env={"PATH": str(tools)}, capture_output=True, check=False, text=True)
    assert run.returncode == 127
    assert "There is no Python 3.11 or newer here" in run.stderr


def test_no_environment_and_no_sdk(telling: World) -> None:
    """On a desk, where there is no image: it says why and ends."""
    telling.require("tiny==9.9")
    python = make_python(telling.folder / "bare")
    run = subprocess.run(
        start_sh(telling), env={**telling.variables, "F5_PYTHON": python}, capture_output=True, check=False, text=True
    )
    assert run.returncode == 1
    assert "tiny==9.9" in run.stderr
    assert "has no RunPod SDK" in run.stderr


def test_another_user(telling: World) -> None:
    """Not root, in folders that root owns."""
    python = shutil.which("python3", path="/usr/local/bin:/usr/bin")
    setpriv = shutil.which("setpriv")
    if os.getuid() != 0 or python is None or setpriv is None:
        pytest.skip("needs root, setpriv and a system Python")
    if subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False).returncode:
        pytest.skip("needs a system Python 3.11")
    telling.require("tiny==1.0")
    shared = Path("/tmp") / f"f5 another user {os.getpid()}"
    try:
        shutil.copytree(telling.folder, shared, symlinks=True, ignore=shutil.ignore_patterns("bin"))
        for path in (shared / "tmp", shared / "home"):
            path.chmod(0o777)
        shared.chmod(0o755)
        variables = {name: text.replace(str(telling.folder), str(shared)) for name, text in telling.variables.items()}
        variables |= {"PATH": os.defpath, "F5_PYTHON": python, "RUNPOD_POD_ID": "pod"}
        del variables["F5_LOCAL_ROOT"]
        command = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", str(shared / "the project" / "start.sh")]
        run = subprocess.run(command, env=variables, cwd="/", capture_output=True, check=True, text=True)
        told = as_json(run.stdout)
        report = json.loads(told["environment"][VARIABLE])
        assert (report["status"], report["place"]) == ("built", "local")
        assert "Permission denied" in report["warnings"][0]
        assert told["python"].startswith(str(shared / "home" / ".cache"))
    finally:
        shutil.rmtree(shared)


def test_shellcheck() -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    subprocess.run([str(checker if checker.exists() else "shellcheck"), str(REPOSITORY / "start.sh")], check=True)
