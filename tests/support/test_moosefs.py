"""The MooseFS of the tests is a real one: two clients, hangs, death, and nothing left behind."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import REPOSITORY, wait_until
from tests.support.moosefs import MooseFS, Part, missing, moosefs, moosefs_cluster

__all__ = ["moosefs", "moosefs_cluster"]  # fixtures that come from the helpers


def test_two_clients_see_the_same(moosefs: MooseFS) -> None:
    folder = moosefs.folder("two clients")
    before = moosefs.packets()
    (folder / "file").write_text("from the first")
    assert moosefs.packets() > before
    other = moosefs.mount()
    assert (other / folder.name / "file").read_text() == "from the first"
    moosefs.remount()
    assert (folder / "file").read_text() == "from the first"


@pytest.mark.parametrize("part", ["mount", "master", "chunkserver"])
def test_what_is_frozen_hangs_until_it_is_thawed(moosefs: MooseFS, part: Part) -> None:
    folder = moosefs.folder(f"frozen {part}")
    with moosefs.frozen(part):
        writer = subprocess.Popen(["sh", "-c", f"echo text > '{folder}/file'"], cwd="/")
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(0.5)
    assert writer.wait() == 0
    assert (folder / "file").read_text() == "text\n"


def test_a_dead_mount(moosefs: MooseFS) -> None:
    moosefs.kill("mount")
    with pytest.raises(OSError, match="not connected"):
        list(moosefs.root.iterdir())
    moosefs.mend()
    moosefs.folder("after a death")


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_nothing_is_left_of_a_killed_run() -> None:
    code = """
        from tests.support.moosefs import MooseFS
        with MooseFS(one_way=0.001) as cluster:
            print(cluster.root.parent, flush=True)
            input()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        base = run.stdout.readline().strip()
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: not Path(base).exists())
    assert base not in Path("/proc/mounts").read_text()
