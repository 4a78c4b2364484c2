"""Where voices lie: the shelf of a job, and what the network volume does not let through."""

import os
import subprocess
from pathlib import Path

import pytest

import s3_utils
from bootstrap.door import Verdict
from f5_worker.errors import (
    StorageDeniedError,
    StorageError,
    StorageNotConfiguredError,
    StorageNotFoundError,
    StorageTooLargeError,
)
from f5_worker.job.context import Job
from f5_worker.s3_config import S3Config
from f5_worker.settings import Settings
from f5_worker.voice.shelves import BucketShelf, FolderShelf, open_shelf
from tests.support.bootstrap_packages import tmpfs

__all__ = ["tmpfs"]  # a fixture that comes from the helpers

WAYS_OUT = "set S3_BUCKET, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY on the endpoint, or send s3Config with the job"


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A network volume with a secret beside it."""
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (tmp_path / "volume").mkdir()
    return tmp_path / "volume"


def test_a_bucket_wins_over_the_volume_and_the_volume_over_nothing(volume: Path) -> None:
    config, settings = S3Config("mine"), Settings(network_volume=volume)
    assert open_shelf(Job(settings, config)) == BucketShelf(config)
    assert open_shelf(Job(settings)) == FolderShelf(volume / "voices")
    for nowhere in (volume / "none", volume.parent / "secret.wav"):
        with pytest.raises(StorageNotConfiguredError, match=rf"Attach a network volume .*, or {WAYS_OUT}"):
            open_shelf(Job(Settings(network_volume=nowhere)))


def test_the_default_folder_counts_only_where_a_volume_is_mounted(monkeypatch: pytest.MonkeyPatch) -> None:
    default = Settings().network_volume
    for mounted in (True, False):
        there = Verdict(folder=True, mounted=mounted)
        monkeypatch.setattr("f5_worker.volume.look", lambda _, there=there: there)
        if mounted:
            assert open_shelf(Job(Settings())) == FolderShelf(default / "voices")
        else:
            with pytest.raises(StorageNotConfiguredError):
                open_shelf(Job(Settings()))


def test_a_voice_in_the_bucket_is_served_as_what_it_is(s3_config: S3Config) -> None:
    for name, content_type in (("a.mp3", "audio/mpeg"), ("a.mp3.json", "application/json")):
        BucketShelf(s3_config).write(name, b"x")
        assert s3_utils.head(s3_config, f"voices/{name}").content_type == content_type


def test_what_is_no_plain_file_is_not_there(volume: Path) -> None:
    shelf = FolderShelf.on_volume(volume)
    shelf.write("anna.wav", b"x")
    (shelf.root / "link.wav").symlink_to(volume.parent / "secret.wav")
    (shelf.root / "loop.wav").symlink_to("loop.wav")
    (shelf.root / "folder.wav").mkdir()
    os.mkfifo(shelf.root / "pipe.wav")
    assert [info.key for info in shelf.files()] == ["anna.wav"]
    for name in ("link.wav", "loop.wav", "folder.wav", "pipe.wav", "none.wav", "ä" * 200 + ".wav"):
        assert shelf.find(name) is None
        with pytest.raises(StorageNotFoundError):
            shelf.read(name, 100)


def test_a_link_is_replaced_and_not_followed(volume: Path) -> None:
    shelf = FolderShelf.on_volume(volume)
    shelf.root.mkdir()
    (shelf.root / "link.wav").symlink_to(volume.parent / "secret.wav")
    with pytest.raises(StorageError):
        shelf.write("link.wav", b"mine", overwrite=False)
    shelf.write("link.wav", b"mine")
    assert shelf.read("link.wav", 100) == b"mine"
    shelf.remove("link.wav")
    assert (volume.parent / "secret.wav").read_bytes() == b"secret"


@pytest.mark.parametrize("target", ["clips", "..", "voices"])
def test_the_folder_itself_may_not_be_a_link(volume: Path, target: str) -> None:
    (volume / "clips").mkdir()
    (volume / "voices").symlink_to(target)
    with pytest.raises(StorageDeniedError, match=rf"is a link; put a folder in its place, or {WAYS_OUT}"):
        FolderShelf.on_volume(volume)


def test_a_file_that_is_too_large_is_not_read(volume: Path) -> None:
    shelf = FolderShelf.on_volume(volume)
    shelf.write("anna.wav", b"12345")
    assert shelf.read("anna.wav", 5) == b"12345"
    with pytest.raises(StorageTooLargeError) as caught:
        shelf.read("anna.wav", 4)
    assert caught.value.details == {"size": 5, "limit": 4}
    with pytest.raises(StorageTooLargeError):  # a file that says 0 bytes and has more
        FolderShelf(Path("/proc/self")).read("status", 10)


def test_a_volume_that_fails_says_so_with_the_ways_out(volume: Path) -> None:
    (volume / "voices").write_bytes(b"not a folder")
    shelf = FolderShelf.on_volume(volume)
    for call in (
        lambda: list(shelf.files()),
        lambda: shelf.find("anna.wav"),
        lambda: shelf.read("anna.wav", 9),
        lambda: shelf.write("anna.wav", b"x"),
        lambda: shelf.remove("anna.wav"),
    ):
        with pytest.raises(StorageError, match=rf"(?i)etwork volume .*(Not a directory|File exists).* or {WAYS_OUT}") as caught:
            call()
        assert str(volume) not in caught.value.message
        assert not isinstance(caught.value, StorageNotFoundError)


def test_a_volume_that_is_full_or_read_only_keeps_what_it_has(tmpfs: Path) -> None:
    shelf = FolderShelf.on_volume(tmpfs)
    shelf.write("anna.wav", b"x")
    with pytest.raises(StorageError, match=rf"^There is no space left on the network volume\. Free some .* Or {WAYS_OUT}"):
        shelf.write("anna.wav", b"x" * 4_000_000)
    subprocess.run(["mount", "-o", "remount,ro", str(tmpfs)], check=True)
    with pytest.raises(StorageDeniedError, match=rf"cannot be written \(Read-only file system\)\. .* Or {WAYS_OUT}"):
        shelf.write("anna.wav", b"y")
    with pytest.raises(StorageDeniedError, match="Read-only"):
        shelf.remove("anna.wav")
    assert [(info.key, info.size) for info in shelf.files()] == [("anna.wav", 1)]
    assert [path.name for path in shelf.root.iterdir()] == ["anna.wav"]
    assert shelf.read("anna.wav", 9) == b"x"
