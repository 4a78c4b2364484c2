"""Reading ahead: every byte that is asked for, once, by threads or by a process of its own."""

import errno
import os
import signal
from pathlib import Path

import pytest

from bootstrap import read_ahead
from bootstrap.read_ahead import Followed, ReadAhead, begin_apart
from tests import PATIENCE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"F5" * (5 << 20) + b"!")
    return path


@pytest.mark.parametrize("large", [1 << 40, 1 << 20])
def test_every_byte_once(file: Path, monkeypatch: pytest.MonkeyPatch, large: int) -> None:
    monkeypatch.setattr(read_ahead, "_LARGE", large)
    other = file.with_name("other")
    other.write_bytes(b"x" * 1000)
    reading = ReadAhead([(file, 0, None), (other, 5, 100)]).start()
    assert reading.wait(PATIENCE)
    assert (reading.read, reading.error) == (file.stat().st_size + 100, None)
    opened = {str(entry.resolve()) for entry in Path("/proc/self/fd").iterdir()}
    assert str(file) not in opened


def test_what_is_not_there(file: Path) -> None:
    reading = ReadAhead([(file, 0, None), (file.with_name("missing"), 0, None)]).start()
    assert reading.wait(PATIENCE)
    assert isinstance(reading.error, FileNotFoundError)


def test_another_process_reads_and_tells(file: Path) -> None:
    told, tell = os.pipe()
    begin_apart([(file, 0, None)], tell)
    os.close(tell)
    reading = Followed(told)
    assert reading.wait_while_it_moves(PATIENCE)
    assert reading.error is None


def test_another_process_that_is_killed(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # nobody writes there: opening it hangs
    told, tell = os.pipe()
    begin_apart([(pipe, 0, 1)], tell)
    os.close(tell)
    process = int(os.read(told, 100).decode().partition(" ")[2])
    os.kill(process, signal.SIGKILL)
    reading = Followed(told)
    assert reading.wait(PATIENCE)
    assert reading.error is not None
    assert reading.error.errno == errno.EIO
    os.waitpid(process, 0)
