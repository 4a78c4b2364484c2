"""start.sh whole: real processes and the real SDK, against the job API stand-in. Whatever is broken, a worker answers."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bootstrap.options import Options
from bootstrap.report import REFRESH_AFTER, VARIABLE, Report
from tests import REPOSITORY
from tests.support.bootstrap_packages import (
    World,
    find_uv,
    hanging_index,
    make_python,
    make_wheel,
    many_files,
    read_only,
    site_packages,
    tmpfs,
)
from tests.support.job_api import JobApi
from tests.support.processes import run_once
from tests.support.start_worlds import ask, sdk_python, start_sh, start_world, worker

__all__ = ["sdk_python", "start_world", "tmpfs"]  # fixtures that come from the helpers


def test_first_start_then_stop(world: World) -> None:
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = ask(running)
        assert (answer["says"], answer["report"]["status"]) == (1, "built")
        assert answer["python"].startswith(str(world.volume))
        command = Path(f"/proc/{running.pid}/cmdline").read_bytes().split(b"\0")
        assert command[1].decode() == str(world.project / "handler.py"), "start.sh did not become the worker"
        running.sigterm()
        assert running.wait() == 0


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


def bootstrap_that_cannot_be_imported(world: World) -> dict[str, str]:
    (world.project / "bootstrap" / "choose.py").write_text("class Start(:\n")
    return {}


def bootstrap_that_names_a_python_that_is_not_there(world: World) -> dict[str, str]:
    with (world.project / "bootstrap" / "choose.py").open("a") as choose:
        choose.write('Start.report = lambda _: Report("ready", "volume", "/no/python", None, "")\n')
    return {}


@pytest.mark.parametrize(
    ("breakage", "cause"),
    [
        (missing_requirement, "package"),
        (local_disk_and_volume_read_only, "read_only"),
        (no_pip, "installer"),
        (bootstrap_with_a_bug, "crash"),
        (bootstrap_that_cannot_be_imported, "crash"),
        (bootstrap_that_names_a_python_that_is_not_there, "interpreter"),
    ],
)
def test_a_start_without_an_environment(world: World, breakage: Callable[[World], dict[str, str]], cause: str) -> None:
    variables = breakage(world)
    with JobApi(hold=0.1) as api, worker(world, api, variables) as running:
        answer = ask(running)
    assert (answer["says"], answer["report"]["status"], answer["report"]["cause"]) == (None, "failed", cause)
    assert answer["report"]["reason"]
    assert answer["report"]["fix"]
    assert answer["report"]["refresh_after"] == REFRESH_AFTER


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
        for version, shift in (("2", "-3600"), ("3", "3600")):
            world.require("sdk==1.0", f"tiny=={version}.0")
            site = world.site(f"import time\n_time = time.time\ntime.time = lambda: _time() + {shift}\n")
            with JobApi(hold=0.1) as other, worker(world, other, {"PYTHONPATH": site}) as new:
                assert ask(new)["says"] == int(version)
        world.wait_for_sweepers()
        python = ask(old)["python"]
        assert subprocess.run([python, "-c", "import tiny"], check=False).returncode == 0, "removed under a running worker"


def test_an_older_environment_speaks_when_the_new_one_cannot_be_had(world: World) -> None:
    world.start().finish()
    world.require("sdk==1.0", "tiny==9.9")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        answer = ask(running)
    assert (answer["says"], answer["report"]["status"], answer["report"]["cause"]) == (1, "fallback", "package")


def test_a_stop_while_the_environment_is_built(world: World) -> None:
    make_wheel(world.wheels, "slow", "1.0", {"slow.py": "import time\ntime.sleep(600)\n"})
    world.require("sdk==1.0", "slow==1.0")
    world.let_it_import("slow")
    with JobApi(hold=0.1) as api, worker(world, api) as running:
        running.wait_for_log("checking that")
        running.sigterm()
        assert running.wait() == 128 + signal.SIGTERM
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
    assert health["bootstrap"]["fix"] in speech["error"]
    assert "stopPod" not in speech, "a new worker at once would be a tight loop"


def test_a_new_worker_is_asked_for_when_its_time_has_come(real_world: World, sdk_python: str) -> None:
    report = Report("failed", "none", sdk_python, None, "", "network", "No index.", "Wait.", refresh_after=0.0)
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
    real_world.variables |= {"UV_CACHE_DIR": cache, "UV_LINK_MODE": "copy", "F5TTS_MODEL": "demo", **kept}
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
