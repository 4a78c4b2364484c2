"""Environments that break after they were marked ready: they are left, and built anew, whatever breaks in them."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bootstrap import trust
from bootstrap.report import VARIABLE, Report
from tests import REPOSITORY
from tests.support.bootstrap_packages import World, make_wheel, site_packages
from tests.support.job_api import JobApi
from tests.support.processes import WorkerProcess
from tests.support.start_worlds import ask, sdk_python, start_world, worker

__all__ = ["sdk_python", "start_world"]  # fixtures that come from the helpers

SPEECH = {"text": "Hello from F5-TTS.", "nfe_step": 1}
DIES = "import os, signal\nos.kill(os.getpid(), signal.SIGBUS)\n"
"""What a library does whose file was cut short."""


def breaks(world: World, module: str, code: str) -> None:
    """From now on the environment's ``module`` is this code."""
    (Path(site_packages(str(world.builds()[0] / "bin" / "python"))) / f"{module}.py").write_text(code)


@contextmanager
def running(world: World, **variables: str) -> Iterator[WorkerProcess]:
    with JobApi(hold=0.1) as api, worker(world, api, variables) as process:
        yield process


# What a note says


def use(build: Path, how: str, status: str = "ready", **variables: str) -> "subprocess.Popen[str]":
    """A process that runs from ``build``; within the trial it ends (``die``), waits, or goes on to speak."""
    report = Report(status, "volume", str(build / "bin" / "python"), None, "")  # type: ignore[arg-type]
    does = {"die": "os.kill(os.getpid(), signal.SIGSEGV)", "wait": "time.sleep(600)", "speak": "pass"}[how]
    trial = f"with trust.trial(last={how == 'speak'}):\n print(1, flush=True)\n {does}"
    code = f"import os, signal, time\nfrom bootstrap import trust\n{trial}"
    environment = {**os.environ, VARIABLE: report.to_json(), **variables}
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    if how != "wait":
        process.communicate()
    return process


@pytest.mark.parametrize(
    ("uses", "broken"),
    [
        (["die"], False),
        (["die", "die"], True),
        (["die", "speak", "die"], False),
        (["die", "speak", "die", "die"], True),
    ],
)
@pytest.mark.parametrize("writable", [True, False], ids=["writable", "read-only"])
def test_two_deaths_without_a_word_between_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uses: Sequence[str], broken: bool, writable: bool
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    build = tmp_path / ("build" if writable else "file/build")
    (tmp_path / "file").touch()
    (tmp_path / "build").mkdir()
    for number, how in enumerate(uses):
        use(build, how, RUNPOD_POD_ID=f"pod-{number}")
    assert trust.is_broken(build) is broken
    assert bool(list((tmp_path / "build").iterdir())) is (writable and uses[-1] == "die")


def test_who_lives_or_ran_something_else_is_no_reason(tmp_path: Path) -> None:
    alive = [use(tmp_path, "wait"), use(tmp_path, "wait")]
    try:
        use(tmp_path, "die")
        use(tmp_path, "die", status="fallback")
        assert not trust.is_broken(tmp_path)
    finally:
        for process in alive:
            process.kill()
            process.communicate()
    assert trust.is_broken(tmp_path)


@pytest.mark.parametrize(("worker", "age", "dead"), [("other", 60, False), ("other", 7200, True), ("own", 0, True)])
def test_notes_of_other_machines_die_of_age_and_those_of_an_earlier_container_at_once(
    tmp_path: Path, worker: str, age: int, dead: bool
) -> None:
    whose = trust._worker() if worker == "own" else "0badcafe"
    for number in range(2):
        note = tmp_path / f"trying-{whose}-elsewhere-{number}-77"
        note.touch()
        os.utime(note, (time.time() - age, time.time() - age))
    assert trust.is_broken(tmp_path) is dead


# Whole starts


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("aiohttp", "raise ModuleNotFoundError('gone', name='aiohttp')"),
        ("runpod", ""),
    ],
)
def test_an_sdk_that_does_not_import_is_answered_on_the_images_python_and_built_anew(
    world: World, module: str, code: str
) -> None:
    with running(world) as first:
        assert ask(first)["report"]["status"] == "built"
    breaks(world, module, code)
    with running(world) as second:
        answer = ask(second)
        assert (answer["says"], answer["python"]) == (None, world.python)
        assert (answer["report"]["status"], answer["report"]["cause"]) == ("failed", "import")
        assert "cannot be imported any more" in answer["report"]["reason"]
        second.sigterm()
        assert second.wait() == 0
    with running(world) as third:
        answer = ask(third)
        assert (answer["says"], answer["report"]["status"]) == (1, "built")
    assert len(world.builds()) == 1


@pytest.fixture
def real_world(world: World) -> World:
    """The repository's worker; its environment leads to the packages that the tests themselves run with."""
    world.take_the_real_worker()
    world.let_it_import("runpod", "torch", "soundfile")  # what is proved: all others would take half a minute
    make_wheel(world.wheels, "everything", "1.0", {"everything.pth": f"{site_packages(sys.executable)}\n"})
    world.require("everything==1.0")
    world.variables |= {"F5TTS_MODEL": "smoke", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return world


def test_a_library_that_kills_two_workers_or_is_gone_is_given_up(real_world: World) -> None:
    real_world.start().finish()
    breaks(real_world, "torchaudio", DIES)
    for pod in ("pod-a", "pod-b"):
        with running(real_world, RUNPOD_POD_ID=pod) as process:
            process.api.submit(SPEECH)
            assert process.wait() == -signal.SIGBUS
    with running(real_world) as third:
        assert third.result(third.api.submit(SPEECH))["output"]["status"] == "completed"
    (build,) = real_world.builds()
    assert trust._notes(build) == []
    breaks(real_world, "soundfile", "raise ModuleNotFoundError('no soundfile', name='soundfile')")
    with running(real_world) as fourth:
        result = fourth.result(fourth.api.submit(SPEECH))
        assert result["output"]["error_type"] == "EnvironmentFailedError"
        assert "The Python package soundfile is not installed any more" in result["error"]
        assert result["stopPod"] is True
    assert trust.is_broken(build)
