"""start.sh as the front door: arguments, folders, users, what it sets and what the user has set."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.report import VARIABLE
from tests import REPOSITORY
from tests.support.bootstrap_packages import World, make_python
from tests.support.processes import run_once
from tests.support.start_worlds import as_json, sdk_python, start_sh, start_world, tell, telling_world

__all__ = ["sdk_python", "start_world", "telling_world"]  # fixtures that come from the helpers


def test_one_local_job(world: World) -> None:
    run = run_once({"input": {}}, env=world.variables, cwd=world.folder, command=start_sh(world))
    assert run.exit_code == 0, run.log
    assert run.result["output"]["says"] == 1


def test_arguments_and_folders(telling: World) -> None:
    arguments = ["speak", 'Two  words, "quoted" and $HOME', "", "*"]
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
    assert "PYTHONDONTWRITEBYTECODE" not in told
    caches = telling.volume / "f5-tts-worker"
    assert (told["HF_HOME"], told["TORCH_HOME"]) == (str(caches / "huggingface"), str(caches / "torch"))
    assert json.loads(told[VARIABLE])["status"] == "built"
    assert "F5TTS_MODEL" not in told


def test_what_the_user_has_set_wins(telling: World) -> None:
    mine = {
        "HF_HOME": "/mine",
        "TORCH_HOME": "/mine too",
        "F5TTS_MODEL": "E2TTS_Base",
    }
    (telling.folder / "image" / "f5-tts-worker" / "model").mkdir(parents=True)
    told = tell(telling, mine)["environment"]
    assert {name: told[name] for name in mine} == mine


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
    for name in ("sdk.py", "log.py", "loop.py", "polls.py", "posts.py", "progress.py"):  # all that needs the SDK
        (telling.project / "f5_worker" / name).unlink()
    shared = Path("/tmp") / f"f5 another user {os.getpid()}"
    try:
        shutil.copytree(telling.folder, shared, symlinks=True, ignore=shutil.ignore_patterns("bin"))
        for path in (shared / "tmp", shared / "home"):
            path.chmod(0o777)
        shared.chmod(0o755)
        variables = {name: text.replace(str(telling.folder), str(shared)) for name, text in telling.variables.items()}
        variables |= {"PATH": os.defpath, "F5_PYTHON": python, "RUNPOD_POD_ID": "pod"}
        variables["RUNPOD_WEBHOOK_GET_JOB"] = "http://localhost"
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
