"""The door to the volume: whatever is behind it, the worker is answered in time, and told again once it is well."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootstrap import places
from bootstrap.choose import Start
from bootstrap.door import Door, Verdict, examine, is_local
from f5_worker.endpoints.health import machine_facts, what_is_wrong
from f5_worker.settings import Settings
from f5_worker.volume import has_volume


def instead(door: Door, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the volume be a foreign one, and the child that looks do something else."""
    monkeypatch.setattr("bootstrap.door.is_local", lambda _: False)

    def begin() -> "subprocess.Popen[bytes]":
        door._since = time.monotonic()
        return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)

    monkeypatch.setattr(door, "_begin", begin)


def test_a_folder_and_nothing_at_all(tmp_path: Path) -> None:
    there = Door(tmp_path).look()
    assert (there.folder, there.mounted, there.writable, there.trouble) == (True, False, True, None)
    assert there.total
    assert Door(tmp_path / "absent").look() == Verdict()
    (tmp_path / "file").write_text("no folder")
    assert Door(tmp_path / "file").look() == Verdict()
    assert Door(tmp_path / "file" / "inside").look() == Verdict()


def test_a_volume_that_hangs_is_told_in_time_and_asked_by_one_child_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Door(tmp_path, limit=0.2)
    instead(door, "import time; time.sleep(600)", monkeypatch)
    assert door.look().trouble == "The network volume does not answer."
    child = door._child
    assert child is not None
    assert door.look().hangs
    assert door._child is child
    child.kill()
    child.wait()
    monkeypatch.undo()
    assert door.look().error == errno.EIO  # of the child that was killed
    assert door.look().trouble is None


@pytest.mark.parametrize("error", [errno.ENOTCONN, errno.EIO, errno.ESTALE])
def test_a_volume_that_fails_is_not_used_and_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    door = places.door(volume)
    instead(door, f"print('{{\"error\": {error}}}')", monkeypatch)
    environment = {"NETWORK_VOLUME": str(volume)}
    assert not places.volume(environment, None).root.exists()
    assert places.volume_trouble(environment, None) is not None
    assert Start(tmp_path, None, environment, [])._warnings[0].startswith("The network volume fails (")
    settings = Settings(network_volume=volume)
    assert not has_volume(settings)
    facts = machine_facts(settings)
    assert facts["volume"]["mounted"] is False
    assert any(problem.startswith("The network volume fails (") for problem in what_is_wrong(facts))
    monkeypatch.undo()
    assert has_volume(settings)  # it has come back


def test_only_disks_of_this_machine_are_asked_without_a_child(tmp_path: Path) -> None:
    assert is_local(tmp_path)
    assert not is_local(Path("/proc/self/fd"))
    assert not is_local(Path("/sys/anything"))


def test_what_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        assert examine(str(tmp_path), str(tmp_path / "probe"), "write").trouble is None
    finally:
        tmp_path.chmod(0o755)
