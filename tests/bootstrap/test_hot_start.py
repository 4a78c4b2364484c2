"""The hot start, and the reading of weights, on a real MooseFS: few round trips, and nothing that hangs with it."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from bootstrap import hot
from bootstrap.hot import device_of, pack_path, warm
from bootstrap.pack import ORIGIN
from bootstrap.places import Location
from bootstrap.report import Failure
from bootstrap.store import KEEP_SECONDS, Environment
from f5_worker.model import load
from f5_worker.model.files import DEMO_FOLDER, ModelFiles, locate_model
from f5_worker.settings import Settings
from tests import PATIENCE
from tests.bootstrap.test_pack import SITE, make_environment, make_pack
from tests.support.fresh_worker import QUICK, FreshWorker
from tests.support.moosefs import MooseFS, Part, moosefs, moosefs_cluster

__all__ = ["moosefs", "moosefs_cluster"]


class Packed:
    """An environment on the volume with its pack, and a local disk."""

    def __init__(self, cluster: MooseFS, tmp_path: Path) -> None:
        self.volume = cluster.root
        home = cluster.folder(tmp_path.name)
        self.source = make_environment(home)
        self.pack = make_pack(self.source)
        self.pack = self.pack.rename(pack_path(self.source, device_of({})))
        self.environment = Environment("volume", home, self.source / "bin" / "python", 1, None, {}, self.source)
        self.local = Location("local", tmp_path / "local", create=True)

    def warm(self) -> tuple[Environment, str | None]:
        """One start."""
        return warm(self.environment, self.volume, [self.local], {})

    def left_behind(self) -> list[str]:
        """What is on the local disk."""
        folder = self.local.base / "hot"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def packed(moosefs: MooseFS, tmp_path: Path) -> Packed:
    return Packed(moosefs, tmp_path)


def test_a_start_runs_from_the_local_disk(packed: Packed, moosefs: MooseFS) -> None:
    moosefs.remount()
    before = moosefs.packets()
    first, state = packed.warm()
    assert state == "used"
    assert moosefs.packets() - before < 40
    assert first.interpreter.is_relative_to(packed.local.base)
    assert (first.interpreter.parents[1] / SITE / "spoken.py").read_text() == "value = 7\n"
    before = moosefs.packets()
    assert packed.warm() == (first, "used")
    assert moosefs.packets() - before < 20
    assert len(packed.left_behind()) == 1


def test_what_is_wrong_leaves_the_environment_as_it_lies(packed: Packed, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = packed.pack.read_bytes()
    packed.pack.write_bytes(whole[:-1])
    assert packed.warm() == (packed.environment, "damaged")
    packed.pack.write_bytes(whole)
    with monkeypatch.context() as full:
        full.setattr(hot, "_RESERVE", 1 << 60)
        assert packed.warm() == (packed.environment, "skipped")
    packed.pack.unlink()
    assert packed.warm() == (packed.environment, "missing")
    assert packed.left_behind() == []


def test_what_was_unpacked_for_an_environment_that_is_gone_or_long_ago_is_removed(packed: Packed) -> None:
    gone, old, young = (packed.local.base / "hot" / name for name in ("gone", "old", "young"))
    for folder, origin in ((gone, packed.source.with_name("build-0")), (old, packed.source), (young, packed.source)):
        folder.mkdir(parents=True)
        (folder / ORIGIN).symlink_to(origin)
    os.utime(old, (time.time() - KEEP_SECONDS - 60,) * 2)
    first, _ = packed.warm()
    mine = first.interpreter.parents[1]
    assert packed.left_behind() == sorted([mine.name, "young"])
    os.utime(mine, (0, 0))
    assert packed.warm() == (first, "used")
    assert time.time() - mine.stat().st_mtime < KEEP_SECONDS
    packed.pack.write_bytes(packed.pack.read_bytes())  # a pack that was written anew
    os.utime(mine, (0, 0))
    second, _ = packed.warm()
    assert packed.left_behind() == sorted([second.interpreter.parents[1].name, "young"])


@pytest.mark.parametrize("part", ["mount", "chunkserver"])
def test_a_volume_that_hangs_ends_the_unpacking(
    packed: Packed, moosefs: MooseFS, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "SILENCE", 1.0)
    moosefs.remount()
    with moosefs.frozen(part), pytest.raises(Failure, match="does not answer"):
        packed.warm()
    moosefs.mend()
    assert packed.warm()[1] == "used"


def test_killed_at_any_moment_it_leaves_nothing_that_is_used(packed: Packed) -> None:
    for tenth in range(10):
        child = os.fork()
        if child == 0:
            packed.warm()
            os._exit(0)
        time.sleep(tenth * 0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for path in (packed.local.base / "hot").glob("[!.]*"):
            assert (path / SITE / "spoken.py").read_text() == "value = 7\n"
    assert packed.warm()[1] == "used"


@pytest.mark.parametrize("part", ["mount", "chunkserver"])
def test_a_load_gives_up_when_the_volume_comes_to_hang_and_works_when_it_is_back(
    fresh_worker: FreshWorker, moosefs: MooseFS, tmp_path: Path, part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh_worker.speaks()  # torch is imported
    volume = moosefs.folder(tmp_path.name)
    shutil.copytree(DEMO_FOLDER, volume / "model")
    moosefs.remount()
    fresh_worker.restart(F5TTS_MODEL=volume / "model", NETWORK_VOLUME=moosefs.root, MODEL_RETRY_SECONDS=0)

    def locate(settings: Settings) -> ModelFiles:
        files = locate_model(settings)
        moosefs.freeze(part)
        return files

    with monkeypatch.context() as freezing:
        freezing.setattr(load, "locate_model", locate)
        failed = fresh_worker.ask({"text": "Hello."})
    assert (failed["error_type"], "does not answer" in failed["error"]) == ("VolumeSilentError", True)
    assert "does not answer" in " ".join(fresh_worker.health()["problems"])
    moosefs.mend()
    deadline = time.monotonic() + PATIENCE
    while fresh_worker.health()["problems"] and "error" in fresh_worker.ask(QUICK):
        assert time.monotonic() < deadline
    fresh_worker.speaks()
