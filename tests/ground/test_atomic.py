"""A file that others read is there whole, or not at all."""

from pathlib import Path

import pytest

from f5_worker.atomic import replace_atomically


def _write(target: Path, data: bytes, failure: Exception | None = None) -> None:
    with replace_atomically(target) as part:
        part.write_bytes(data)
        if failure is not None:
            raise failure


def test_the_new_file_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    for data in (b"first", b"second"):
        with replace_atomically(target) as part:
            before = target.read_bytes() if target.exists() else None
            part.write_bytes(data)
            assert (target.read_bytes() if target.exists() else None) == before
        assert target.read_bytes() == data
    assert list(target.parent.iterdir()) == [target]


def test_a_failure_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_bytes(b"the earlier one")
    failure = ValueError("half way")
    with pytest.raises(ValueError, match="half way") as caught:
        _write(target, b"half", failure)
    assert caught.value is failure
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the earlier one"]


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        _write(tmp_path / "file" / "inner", b"data")


def test_without_overwriting_a_file_that_is_there_stays(tmp_path: Path) -> None:
    target = tmp_path / "file"
    for data in (b"first", b"second"):
        try:
            with replace_atomically(target, overwrite=False) as part:
                part.write_bytes(data)
        except FileExistsError:
            assert data == b"second"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"first"]
